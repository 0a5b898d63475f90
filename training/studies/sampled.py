"""Runs against their start as they sample: `python training/studies/sampled.py RUN RUN …`, runs from one start.

A policy gradient raises the expected reward of what is sampled; `selection.json` of a run looks at its greedy answers.
Here some completions of each dev case are drawn at temperature 1 from the start and from the last step of each run, and
scored with the parts of the RLCR reward. Writes `sampled.md` beside this file.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ddx.engines.local import TransformersEngine
from ddx.evaluation.sample import draw
from ddx.files import write_text
from ddx.metrics.aggregate import mean_interval, paired_difference
from ddx.model import format_of
from ddx.prompt import messages
from ddx.rewards import Reward
from ddx.train.examples import end_token
from ddx.train.rl_config import RLConfig
from ddx.train.rl_start import base_folder, start_adapter, start_card
from ddx.train.shared_prompt import sample
from ddx.vignette import render
from ddx.vocabulary import Matcher, load_vocabulary

SAMPLES, CASES_TOGETHER = 4, 32
PARTS = ("distinct", "brier", "valid")


def config_of(run: Path) -> RLConfig:
    """The resolved config of a run folder."""
    content = json.loads((run / "config.json").read_text(encoding="utf-8"))
    return RLConfig.model_validate({k: v for k, v in content.items() if k in RLConfig.model_fields})


def last_adapter(run: Path) -> Path:
    """The checkpoint of a run's last step, whichever was kept."""
    return max((run / "checkpoints").glob("checkpoint-*"), key=lambda p: int(p.name.rpartition("-")[2]))


def scores(config: RLConfig, adapter: Path | None, seed: int = 0) -> pd.DataFrame:
    """One row a dev case: means over its completions of distinct gold, Multi-Brier and validity."""
    card = start_card(config)
    vocabulary = load_vocabulary()
    options = replace(config.reward_options(card["k"]), objective="rlcr-multi", format_reward=0.0)
    reward = Reward(options, format_of(card), Matcher(vocabulary))
    engine = TransformersEngine(base_folder(config, card), adapter)
    end = end_token(engine.tokenizer)
    cases = draw(config.data, "dev", str(config.dev_cases // 4), vocabulary)
    keys = [c.key for c in vocabulary]
    instructions = reward.format.instructions()
    prompts = [
        engine.prompt_ids(messages(render(c, seed=s), instructions))
        for c, s in zip(cases.cases, cases.seeds, strict=True)
    ]
    torch.manual_seed(seed)
    rows: list[dict[str, float]] = []
    for begin in range(0, len(prompts), CASES_TOGETHER):
        some = range(begin, min(begin + CASES_TOGETHER, len(prompts)))
        ids = [prompts[i] for i in some for _ in range(SAMPLES)]
        drawn = sample(engine.model, ids, config.max_completion_tokens, 1.0, [end])
        texts = engine.tokenizer.batch_decode(drawn, skip_special_tokens=True)
        for place, i in enumerate(some):
            gold = reward.gold([keys[g] for g in sorted(cases.gold[i])], keys[cases.truth[i]])
            found = [
                reward(texts[j], gold, drawn[j][-1] != end, len(drawn[j]))
                for j in range(place * SAMPLES, (place + 1) * SAMPLES)
            ]
            rows.append({name: float(np.mean([getattr(f, name) for f in found])) for name in PARTS})
    return pd.DataFrame(rows)


def main() -> None:
    """Score the start and every run, and write the table."""
    runs = [Path(name) for name in sys.argv[1:]]
    command = " ".join(["python training/studies/sampled.py", *sys.argv[1:]])
    configs = [config_of(run) for run in runs]
    start = scores(configs[0], start_adapter(configs[0]))
    ends = [scores(config, last_adapter(run)) for run, config in zip(runs, configs, strict=True)]
    lines = [
        "# As they sample: runs against their start",
        "",
        f"{SAMPLES} completions at temperature 1 of each of {len(start)} dev cases (a quarter at each evidence stage), "
        "from the start and from the last step of each run; means over a case's completions, differences paired by "
        f"case, 95 % bootstrap intervals over cases. Made by `{command}`.",
        "",
        "| | distinct gold a list | Multi-Brier (lower is better) | valid |",
        "|---|---:|---:|---:|",
        f"| start | {' | '.join(_cell(mean_interval(start[part]).to_dict()) for part in start)} |",
    ]
    for run, end in zip(runs, ends, strict=True):
        cells = [_cell(paired_difference(end[part], start[part]).to_dict(), "+") for part in start]
        lines.append(f"| {run.name}, last − start | {' | '.join(cells)} |")
    objectives = [config.objective for config in configs]
    for objective in dict.fromkeys(objectives):
        its = [end for end, name in zip(ends, objectives, strict=True) if name == objective]
        if len(its) > 1:
            mean = sum(its[1:], its[0]) / len(its)
            cells = [_cell(paired_difference(mean[part], start[part]).to_dict(), "+") for part in start]
            lines.append(f"| **{objective}, mean of {len(its)} seeds** | {' | '.join(cells)} |")
    write_text(Path(__file__).with_name("sampled.md"), "\n".join(lines) + "\n")
    print("\n".join(lines))


def _cell(e: dict[str, float], sign: str = "") -> str:
    return f"{e['value']:{sign}.4f} ({e['low']:{sign}.4f} to {e['high']:{sign}.4f})"


if __name__ == "__main__":
    main()
