"""Reinforcement learning for real, small: TRL's trainer, a nano base, real patients."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ddx import Case, load_model
from ddx.cli.main import app

pytestmark = pytest.mark.slow
SMALL = [
    "completions_per_step=16", "group_size=4", "micro_batch=8", "max_completion_tokens=40", "bf16=false", "device=cpu",
    "dev_cases=40", "calibration_cases=0", "evaluate=none", "save_steps=2",
]  # fmt: skip


def recipe(folder: Path, start: Path, data: Path) -> Path:
    path = folder / "r.yaml"
    path.write_text(f"method: rl\nstart: {start}\ndata: {data}\n")
    return path


def train(path: Path, *overrides: str) -> str:
    result = CliRunner().invoke(app, ["train", str(path), *SMALL, *overrides])
    assert result.exit_code == 0, result.output
    return result.output


def metrics(folder: Path) -> pd.DataFrame:
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return pd.DataFrame([r for r in rows if "ddx/reward" in r]).set_index("step")


@pytest.fixture(scope="module")
def whole(tiny_nano: Path, tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rl")
    train(recipe(folder, tiny_nano, tiny_data), f"out={folder}/whole", "steps=4", "learning_rate=0.001")
    return folder / "whole"


def test_a_run_leaves_a_model_and_a_report(whole: Path) -> None:
    found = load_model(str(whole)).predict(Case("1", age=61, sex="M", text="Chest pain; cough."))
    assert found.diagnoses and found.model["base"] == str(whole / "base")
    report = (whole / "RUN.md").read_text(encoding="utf-8")
    assert "rlcr-multi with K = 2" in report and "chosen − start" in report
    assert "rlcr-multi (GRPO), 4 steps" in (whole / "CARD.md").read_text(encoding="utf-8")
    config = json.loads((whole / "config.json").read_text())
    assert {"versions", "data_sha256", "start_adapter_sha256", "prompts"} <= set(config)
    assert (whole / "steps.svg").read_text().startswith("<svg")
    assert list(pd.read_parquet(whole / "metrics.parquet")["step"]) == [1, 2, 3, 4]
    assert all("text" not in json.loads(line) for line in (whole / "samples.jsonl").read_text().splitlines())


def test_the_chosen_checkpoint_is_the_best_on_dev_patients(whole: Path) -> None:
    selection = json.loads((whole / "selection.json").read_text())
    means = {int(step): parts["reward"]["value"] for step, parts in selection["dev"].items()}
    assert set(means) == {0, 2, 4}
    assert means[selection["chosen_step"]] == max(means.values())


def test_after_a_stop_the_run_goes_on_as_if_there_had_been_none(
    whole: Path, tiny_nano: Path, tiny_data: Path, tmp_path: Path
) -> None:
    stopped = tmp_path / "stopped"
    shutil.copytree(whole / "checkpoints" / "checkpoint-2", stopped / "checkpoints" / "checkpoint-2")
    path = recipe(tmp_path, tiny_nano, tiny_data)
    train(path, f"out={stopped}", "steps=4", "learning_rate=0.001", "--resume")
    columns = ["ddx/reward", "ddx/tokens", "ddx/coverage", "loss", "learning_rate"]
    ours, theirs = metrics(stopped)[columns].loc[3:4], metrics(whole)[columns].loc[3:4]
    assert np.allclose(ours, theirs, atol=1e-5)
    again = CliRunner().invoke(app, ["train", str(path), *SMALL, f"out={stopped}", "steps=4"])
    assert again.exit_code == 2 and "add --resume" in again.stderr


def test_completions_come_from_the_current_weights(tiny_nano: Path, tiny_data: Path, tmp_path: Path) -> None:
    """The canary: where only short answers pay, answers get shorter within twenty steps."""
    out = tmp_path / "canary"
    train(
        recipe(tmp_path, tiny_nano, tiny_data), f"out={out}", "steps=20", "objective=rlvr-multi", "format_reward=0",
        "length_penalty=0.1", "learning_rate=0.003", "warmup_share=0", "save_steps=20", "dev_cases=4",
    )  # fmt: skip
    tokens = metrics(out)["ddx/tokens"]
    assert tokens.tail(4).mean() < 0.75 * tokens.head(3).mean()


def test_all_weights_can_be_trained(tiny_nano: Path, tiny_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "full"
    train(recipe(tmp_path, tiny_nano, tiny_data), f"out={out}", "steps=2", "full_finetune=true", "learning_rate=0.0001")
    assert set(json.loads((out / "selection.json").read_text())["dev"]) == {"0", "2"}
    assert not (out / "adapter").exists()
    assert load_model(str(out)).predict(Case("1", age=61, sex="M", text="Chest pain; cough.")).raw_text


def test_two_processes_share_a_step(tiny_nano: Path, tiny_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "two"
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29517",
        str(Path(sys.executable).parent / "ddx"), "train", str(recipe(tmp_path, tiny_nano, tiny_data)),
        *SMALL, f"out={out}", "steps=2",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-2000:]
    assert list(metrics(out).index) == [1, 2]
    assert (out / "RUN.md").exists()
    (out / "RUN.md").unlink()
    resumed = [*command[:-1], "steps=4", "--resume"]
    done = subprocess.run(resumed, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-2000:]
    assert list(metrics(out).index) == [1, 2, 3, 4]


def test_one_command_makes_what_is_missing(ddxplus_folder: Path, tiny_nano_options: list[str], tmp_path: Path) -> None:
    """Patients prepared, base warmed up, trained, calibrated, evaluated, in two processes that wait for each other."""
    with gzip.open(ddxplus_folder / "patients_other_splits.csv.gz", "rt", encoding="utf-8") as handle:
        (tmp_path / "patients.csv").write_text("".join(islice(handle, 1800)), encoding="utf-8")
    data, start, out = tmp_path / "data", tmp_path / "nano", tmp_path / "all"
    warm = tmp_path / "nano.yaml"
    options = [*tiny_nano_options, "method=nano", f"data={data}", f"out={start}"]
    warm.write_text("\n".join(x.replace("=", ": ", 1) for x in options))
    path = recipe(tmp_path, start, data)
    path.write_text(f"{path.read_text()}warm_start: {warm}\nsource: {tmp_path}\n")
    small = [x for x in SMALL if not x.startswith(("calibration_cases", "evaluate"))]
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29518",
        str(Path(sys.executable).parent / "ddx"), "train", str(path),
        *small, f"out={out}", "steps=2", "calibration_cases=15", "evaluate=10",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == str(out)
    assert json.loads((out / "evaluation.json").read_text())["n"] == 40
    model = load_model(str(out))
    assert model.calibrator.n_cases and model.predict(Case("1", age=61, sex="M", text="Chest pain; cough.")).raw_text


def test_an_interrupt_saves_what_was_learned(tiny_nano: Path, tiny_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "stopped"
    path = recipe(tmp_path, tiny_nano, tiny_data)
    command = [
        str(Path(sys.executable).parent / "ddx"), "train", str(path), *SMALL, f"out={out}", "steps=100",
        "save_steps=500", "samples_every=1",
    ]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("step 2 "):
            process.send_signal(signal.SIGINT)
            break
    said = process.stderr.read()
    assert process.wait(timeout=120) == 130, said
    assert "go on with --resume" in said
    assert [p.name for p in (out / "checkpoints").glob("checkpoint-*")] in (["checkpoint-2"], ["checkpoint-3"])
