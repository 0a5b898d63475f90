"""What our reward costs a reinforcement-learning run, and what shared prompts save: steps a minute, in one run.

Three arms: our reward; a trivial one in the same trainer; and our reward in TRL's own step (shared_prompts=false).

Needs a nano base (`ddx train training/configs/nano.yaml`) and prepared patients; says so when they are not there.
The arms take turns in blocks, so that a busy machine slows all alike.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "2")
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

START, DATA, STEPS, BLOCKS = Path("runs/nano"), Path("data/ddxplus"), 6, 3


def main() -> None:
    """Print the ratio, and the reward's share of the time of a step."""
    if not (START / "model.json").exists() or not DATA.exists():
        print(f"skipped: {START} or {DATA} is missing")
        return
    from ddx.train import grpo
    from ddx.train.config import load_config

    class Trivial(grpo.TrainingReward):
        """Every completion earns 0, and nothing is read."""

        def __call__(self, completions: Sequence[Any], *args: Any, **kwargs: Any) -> list[float]:
            return [0.0] * len(completions)

    ours, seconds = grpo.TrainingReward, {"ours": 0.0, "trivial": 0.0, "unshared": 0.0}
    spent = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for block in range(BLOCKS):
            for number, name in enumerate(seconds):
                reward = Trivial if name == "trivial" else ours
                out = Path(folder) / f"{number}-{block}"
                overrides = [f"out={out}", f"steps={STEPS}", "save_steps=1000", f"seed={block}", "report_to=none"]
                overrides.append(f"shared_prompts={str(name in ('ours', 'trivial')).lower()}")
                grpo.TrainingReward = reward  # type: ignore[misc]
                config = load_config(Path("training/configs/nano-rlcr-multi.yaml"), [*overrides, f"start={START}"])
                grpo.train(config, say=lambda line: print(line, file=sys.stderr))  # type: ignore[arg-type]
                rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
                steps = [r for r in rows if "step_time" in r][1:]  # the first one warms up
                seconds[name] += sum(r["step_time"] for r in steps)
                if name == "ours":
                    spent += steps[-1]["ddx/reward_seconds"]
    n = BLOCKS * (STEPS - 1)
    print(f"steps a minute, ours / trivial reward: {seconds['trivial'] / seconds['ours']:.3f} (n={n} steps each)")
    print(f"shared prompts / TRL's own step: {seconds['unshared'] / seconds['ours']:.2f}")
    print(f"a step takes {seconds['ours'] / n:.1f} s, of which the reward {spent / seconds['ours']:.3%}")


if __name__ == "__main__":
    main()
