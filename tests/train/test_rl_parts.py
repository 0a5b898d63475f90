"""What a reinforcement-learning run is made of, without a model: config, prompts, reward as TRL calls it, plan."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ddx.cli.main import app
from ddx.data.ddxplus import Patient
from ddx.data.stages import STAGES
from ddx.errors import InputError
from ddx.formats import LinesFormat
from ddx.rewards import Reward, RewardOptions
from ddx.train import rl_prompts
from ddx.train.config import RLConfig, load_config
from ddx.train.plan import plan
from ddx.train.rl_reward import TrainingReward, write_samples, written
from ddx.vocabulary import Matcher, load_vocabulary

CONFIGS = sorted((Path(__file__).parents[2] / "training" / "configs").glob("*.yaml"))
REWARD = Reward(RewardOptions(k=3), LinesFormat(3), Matcher(load_vocabulary()))
END = 7


def config(**values: object) -> RLConfig:
    small = {"base": "Qwen/Qwen3-4B", "steps": 4, "completions_per_step": 8, "group_size": 4, "micro_batch": 4}
    return RLConfig(**(small | values))  # type: ignore[arg-type]


@pytest.fixture
def patients(monkeypatch: pytest.MonkeyPatch) -> list[Patient]:
    known = ["gerd", "pneumonia", "croup"]
    made = [
        Patient(f"p{i}", 40 + i, "F", ("E_91", "E_201", "E_66"), "E_91", known[i % 3], tuple(known), (0.6, 0.3, 0.1))
        for i in range(60)
    ]
    monkeypatch.setattr(rl_prompts, "load_split", lambda folder, split: made if split == "train" else [])
    return made


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_recipe_loads_and_gpu_recipes_fit_what_they_are_made_for(path: Path) -> None:
    settings = load_config(path)
    if isinstance(settings, RLConfig) and settings.planned_for is not None:
        assert any("memory a process" in line for line in plan(settings))


def test_prompts_are_drawn_once_each_and_alike_for_a_seed(patients: list[Patient]) -> None:
    first, again = (rl_prompts.draw_prompts(config(), REWARD) for _ in range(2))
    other = rl_prompts.draw_prompts(config(seed=1), REWARD)
    assert len(first) == 4 * 2
    assert len({p.case_id.rsplit("-", 1)[0] for p in first}) == len(first)
    assert first == again != other
    assert first[0].chat[0]["content"] == LinesFormat(3).instructions()


def test_a_curriculum_starts_with_full_evidence(patients: list[Patient]) -> None:
    stages = [STAGES.index(p.stage) for p in rl_prompts.draw_prompts(config(curriculum=True, steps=20), REWARD)]
    assert stages == sorted(stages, reverse=True) and len(set(stages)) == 4


def test_too_few_patients_are_refused(patients: list[Patient]) -> None:
    with pytest.raises(InputError, match="lower steps"):
        rl_prompts.draw_prompts(config(steps=1000), REWARD)


def test_the_reward_gives_one_scalar_and_logs_its_parts(tmp_path: Path) -> None:
    gold = REWARD.gold(["GERD", "Pneumonia"], "GERD")
    scorer = TrainingReward(REWARD, {"p1-full": gold, "p2-full": gold}, {END})
    logged: dict[str, float] = {}
    rewards = scorer(
        completions=[[{"role": "assistant", "content": "GERD 80\nPneumonia 10\nCroup 5\n"}], "GERD 80\nPneum"],
        completion_ids=[[1, 2, END], [1, 2, 3]],
        case_id=["p1-full", "p2-full"],
        prompts=["", ""],
        log_metric=logged.__setitem__,
    )
    brier = (0.04 + 0.01 + 0.0025) / 3
    assert rewards[0] == pytest.approx(2 - brier)
    assert rewards[1] == -1  # cut off: it does not end with the end token
    assert logged["ddx/valid"] == 0.5
    assert logged["ddx/coverage"] == 1.0
    assert {"ddx/reward", "ddx/brier", "ddx/ece", "ddx/tokens", "ddx/unique", "ddx/distinct"} <= set(logged)
    write_samples(tmp_path / "s.jsonl", 3, scorer.last)
    rows = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines()]
    assert [r["case_id"] for r in rows] == ["p1-full", "p2-full"]


def test_reasoning_that_a_template_moved_away_is_put_back() -> None:
    message = {"role": "assistant", "content": "GERD 80\n", "reasoning_content": "Croup 90"}
    assert written([message]) == "<think>Croup 90</think>GERD 80\n"
    assert written([{"role": "assistant", "content": None}]) == ""


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["grop_size=8"], "did you mean 'group_size'"),
        (["group_size=5"], "not a multiple of group_size 5"),
        (["micro_batch=6"], "not a multiple of micro_batch 6"),
        (["k=60"], "vocabulary has 49"),
        (["base=Qwen/Qwen3-8B", "start=runs/x"], "and not both"),
        (["base=null"], "give start"),
        (["base=null", "start=nowhere"], "no model.json"),
        (["objective=rlvr-single", "k=3"], "set k to 1"),
        (["objective=ppo"], "objective"),
        (["planned_for={memory_gb: 2}"], "lower micro_batch"),
        (["generation=vllm-server"], "vllm"),
    ],
)  # fmt: skip
def test_a_bad_recipe_is_refused_in_one_line(tmp_path: Path, overrides: list[str], reason: str) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text("method: rl\nbase: Qwen/Qwen3-4B\nplanned_for: {memory_gb: 80}\n")
    dry = [] if reason == "vllm" else ["--dry-run"]
    result = CliRunner().invoke(app, ["train", str(recipe), *dry, f"out={tmp_path}/out", *overrides])
    assert result.exit_code == 2, result.output
    assert reason in result.stderr and result.stderr.strip().count("\n") == 0
    assert not (tmp_path / "out").exists()


def test_what_a_recipe_lacks_is_said_before_anything_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = tmp_path / "r.yaml"
    start = tmp_path / "start"
    start.mkdir()
    (start / "model.json").write_text('{"id": "x", "base": "./base", "format": "lines", "k": 3}')
    recipe.write_text(f"method: rl\nstart: {start}\nout: {tmp_path}/out\n")
    monkeypatch.setitem(sys.modules, "wandb", None)  # as if it were not installed
    wandb = ("report_to=wandb", "wandb is not installed")
    for override, reason in (("device=gpu", "there is none here"), wandb, (f"data={tmp_path}/no", "ddx data prepare")):
        result = CliRunner().invoke(app, ["train", str(recipe), override])
        assert result.exit_code == 2
        assert reason in result.stderr
