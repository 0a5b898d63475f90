"""The four objectives from one nano base with the same budget: `python training/studies/nano.py`.

Three seeds for the multi-answer objectives, one for the single-answer ones. A run that is done is left alone, one that
was stopped goes on. Ends with `training/studies/nano.md`: every run against the start, on the same dev patients.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from ddx.metrics.aggregate import mean_interval

HERE = Path(__file__).resolve().parent
CONFIGS = HERE.parent / "configs"
RUNS = [(o, s) for s in (0, 1, 2) for o in ("rlcr-multi", "rlvr-multi")] + [("rlcr-single", 0), ("rlvr-single", 0)]
PARTS = {"distinct": "distinct gold a list", "brier": "Multi-Brier", "unique": "different diagnoses", "valid": "valid"}
PROCESSES = 2


def run(objective: str, seed: int, overrides: list[str]) -> Path:
    """Train one arm unless it is done; returns its folder."""
    out = Path(f"runs/nano-{objective}-s{seed}")
    if (out / "RUN.md").exists():
        return out
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(PROCESSES),
        str(Path(sys.executable).parent / "ddx"), "train", str(CONFIGS / f"nano-{objective}.yaml"),
        f"seed={seed}", f"out={out}", "calibration_cases=0", "evaluate=none", *overrides,
    ]  # fmt: skip
    if list((out / "checkpoints").glob("checkpoint-*")):
        command.append("--resume")
    print(" ".join(command[5:]), flush=True)
    subprocess.run(command, check=True)
    return out


def table(folders: list[Path]) -> list[str]:
    """Markdown: the last step of each run minus the start, with paired 95 % bootstrap intervals over dev cases."""
    lines = [
        "| run | steps | kept | " + " | ".join(f"{title}, last − start" for title in PARTS.values()) + " |",
        "|---|---:|---:|" + "---:|" * len(PARTS),
    ]
    for folder in folders:
        selection: dict[str, Any] = json.loads((folder / "selection.json").read_text(encoding="utf-8"))
        last = max(map(int, selection["dev"]))
        cells = [_cell(selection["last_minus_start"][name]) for name in PARTS]
        lines.append(f"| {folder.name} | {last} | {selection['chosen_step']} | " + " | ".join(cells) + " |")
    for objective in dict.fromkeys(objective for objective, _ in RUNS):
        of_it = [folder for folder, (its, _) in zip(folders, RUNS, strict=True) if its == objective]
        if len(of_it) > 1:
            gains = pd.concat([_gains(folder) for folder in of_it]).groupby(level="case").mean()
            cells = [_cell(mean_interval(gains[name]).to_dict()) for name in PARTS]
            lines.append(f"| **{objective}, mean of {len(of_it)} seeds** | | | " + " | ".join(cells) + " |")
    return lines


def _gains(folder: Path) -> pd.DataFrame:
    """Last step minus start of each dev case."""
    table = pd.read_parquet(folder / "dev.parquet").set_index("case")
    first, last = table[table["step"] == 0], table[table["step"] == table["step"].max()]
    return last[list(PARTS)] - first[list(PARTS)]


def _cell(e: dict[str, float]) -> str:
    return f"{e['value']:+.3f} ({e['low']:+.3f} to {e['high']:+.3f})"


def main() -> None:
    """Run what is missing and write the table. Arguments are overrides for every run (steps=20 for a trial)."""
    overrides = sys.argv[1:]
    command = " ".join(["python training/studies/nano.py", *overrides])
    folders = [run(objective, seed, overrides) for objective, seed in RUNS]
    selection = json.loads((folders[0] / "selection.json").read_text(encoding="utf-8"))
    text = [
        "# The four objectives from one nano base",
        "",
        f"Greedy answers on {selection['n']} dev patients, a quarter at each evidence stage; differences are paired by "
        "case, with 95 % bootstrap intervals. Lists have K = 3 and single answers K = 1, so the rows of the two kinds "
        "can't be compared. A mean over seeds is taken case by case before the cases are resampled. Made by "
        f"`{command}`.",
        "",
        *table(folders),
    ]
    (HERE / "nano.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    print("\n".join(text))


if __name__ == "__main__":
    main()
