"""Which checkpoint of a run is kept, and whether training helped: on dev patients, by a rule written down here.

Rule: of the start (step 0) and every checkpoint, the one with the highest mean reward of its greedy answers on a
fixed dev sample, a quarter of it at each evidence stage; a tie goes to the earlier one. The reward is the run's own,
without format reward and length penalty. The run's figures against the start are paired by case, with bootstrap
intervals; they are read on the sample that chose, so the final word is the test evaluation.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ddx.engines.local import TransformersEngine
from ddx.engines.merging import merge
from ddx.evaluation.sample import draw
from ddx.files import write_table
from ddx.metrics.aggregate import mean_interval, paired_difference
from ddx.model import Model, format_of
from ddx.rewards import Reward, RewardOptions, Scored
from ddx.train.rl_config import RLConfig
from ddx.train.rl_start import base_folder, start_adapter, start_card
from ddx.train.run_folder import write_json
from ddx.train.sft import shrink
from ddx.vocabulary import Matcher, load_vocabulary

Figures = dict[str, Any]
PARTS = ("reward", "coverage", "distinct", "unique", "brier", "valid")


@dataclass(frozen=True)
class Candidate:
    """One set of weights to choose from: `adapter` on `base`; None for a start, or a full fine-tune, without one."""

    step: int
    base: str
    adapter: Path | None


def select(config: RLConfig, say: Callable[[str], None] = print) -> Figures:
    """Evaluate every candidate on dev patients and make the best one the run folder's model.

    Writes `selection.json`, and `dev.parquet` with a row for each step and dev case, so that runs can be pooled.
    """
    card = start_card(config)
    options = replace(config.reward_options(card["k"]), format_reward=0.0, length_penalty=0.0)
    found: dict[int, dict[str, np.ndarray]] = {}
    candidates = _candidates(config, base_folder(config, card))
    for candidate in candidates:
        found[candidate.step] = dev_scores(candidate, options, card, config)
        mean = float(found[candidate.step]["reward"].mean())
        say(f"step {candidate.step}: dev reward {mean:.4f} (n={config.dev_cases // 4 * 4})")
    best = max(candidates, key=lambda c: (found[c.step]["reward"].mean(), -c.step))
    start = found[0]
    result: Figures = {
        "rule": "highest mean reward of greedy answers on dev patients, the start among the candidates",
        "chosen_step": best.step,
        "n": len(start["reward"]),
        "dev": {
            str(step): {name: mean_interval(values).to_dict() for name, values in parts.items()}
            for step, parts in found.items()
        },
        "chosen_minus_start": {
            name: paired_difference(found[best.step][name], start[name]).to_dict() for name in PARTS
        },
        "last_minus_start": {
            name: paired_difference(found[candidates[-1].step][name], start[name]).to_dict() for name in PARTS
        },
    }
    _keep(best, config, card["base"])
    rows = pd.concat([pd.DataFrame({"step": step, **parts}).rename_axis("case") for step, parts in found.items()])
    write_table(config.out / "dev.parquet", rows.reset_index())
    write_json(config.out / "selection.json", result)
    return result


def _keep(best: Candidate, config: RLConfig, base: str) -> None:
    """Make the best weights those of the run folder."""
    if config.full_finetune:
        shutil.rmtree(config.out / "base", ignore_errors=True)
        merge(best.base, best.adapter, config.out / "base")
        return
    shutil.rmtree(config.out / "adapter", ignore_errors=True)
    if best.adapter is not None:
        (config.out / "adapter").mkdir()
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            shutil.copyfile(best.adapter / name, config.out / "adapter" / name)
        shrink(config.out / "adapter", base)


def dev_scores(
    candidate: Candidate, options: RewardOptions, card: dict[str, Any], config: RLConfig
) -> dict[str, np.ndarray]:
    """Part of the reward → values [n] of the greedy answers on the dev sample."""
    vocabulary = load_vocabulary()
    sample = draw(config.data, "dev", str(config.dev_cases // 4), vocabulary)
    form = format_of(card)
    reward = Reward(options, form, Matcher(vocabulary))
    engine = TransformersEngine(candidate.base, candidate.adapter)
    model = Model(engine, form.k, None, {"id": "dev"}, format=form, max_new_tokens=config.max_completion_tokens)
    keys = [c.key for c in vocabulary]
    scored: list[Scored] = []
    for (_, generation, _), truth, members in zip(
        model.generate(sample.cases, None, sample.seeds), sample.truth, sample.gold, strict=True
    ):
        gold = reward.gold([keys[i] for i in sorted(members)], keys[truth])
        scored.append(reward(generation.text, gold, generation.truncated, len(generation.token_ids)))
    return {name: np.array([_value(s, name) for s in scored]) for name in PARTS}


def _value(scored: Scored, name: str) -> float:
    value = getattr(scored, name)
    return float("nan") if value is None else float(value)


def _candidates(config: RLConfig, base: str) -> list[Candidate]:
    steps = sorted((int(p.name.rpartition("-")[2]), p) for p in (config.out / "checkpoints").glob("checkpoint-*"))
    whole = config.full_finetune
    found = [Candidate(step, str(path) if whole else base, None if whole else path) for step, path in steps]
    return [Candidate(0, base, start_adapter(config)), *found]
