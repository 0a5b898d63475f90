"""The warm start for real, small: a run that is stopped and resumed ends where an uninterrupted one does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from ddx.cli.main import app
from ddx.engines.base_models import SMOLLM2, cache_dir

pytestmark = [
    pytest.mark.slow,
    pytest.mark.model,
    pytest.mark.skipif(not (cache_dir() / SMOLLM2).exists(), reason=f"run `ddx models get {SMOLLM2}` first"),
]
SMALL = ["patients=6", "cuts=4", "teaching=null", "compile=false", "packs_per_step=1", "save_steps=1"]


@pytest.fixture(scope="module")
def prepared(some_patients: Callable[[int], Path]) -> Path:
    return some_patients(60)


def train(tmp_path: Path, data: Path, out: Path, *more: str) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("method: sft\nlora_first_layer: 28\nlora_r: 2\nlora_alpha: 4\n")
    arguments = ["train", str(config), *SMALL, f"data={data}", f"out={out}", *more]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(tmp_path: Path, prepared: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    train(tmp_path, prepared, whole)
    record = json.loads((whole / "config.json").read_text())
    assert record["steps"] >= 2
    assert {"versions", "teacher_sha256", "data_sha256"} <= set(record)
    last = max(int(p.name.split("-")[1]) for p in (whole / "checkpoints").iterdir())
    kept = f"checkpoints/checkpoint-{last - 1}"
    shutil.copytree(whole / kept, stopped / kept)
    train(tmp_path, prepared, stopped, "--resume")
    ours, theirs = (load_file(f / "adapter" / "adapter_model.safetensors") for f in (whole, stopped))
    assert ours.keys() == theirs.keys()
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-6) for name in ours)
    assert not any(p.suffix in {".bin", ".pt"} for p in (whole / "adapter").iterdir())


def test_a_run_does_not_land_on_another_one(tmp_path: Path, prepared: Path) -> None:
    (tmp_path / "run" / "checkpoints" / "checkpoint-3").mkdir(parents=True)
    config = tmp_path / "c.yaml"
    config.write_text("method: sft\n")
    for more, reason in (([], "add --resume"), ([f"out={tmp_path}/none", "--resume"], "no checkpoint to resume from")):
        arguments = ["train", str(config), f"data={prepared}", f"out={tmp_path}/run", *more]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 2
        assert reason in result.stderr
