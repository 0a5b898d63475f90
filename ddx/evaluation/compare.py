"""`ddx compare`: runs on the same cases, as paired differences with intervals, never just two columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ddx.errors import InputError
from ddx.evaluation.cases import METRICS, read_cases
from ddx.evaluation.words import cell
from ddx.metrics.aggregate import mean_interval, paired_difference

__all__ = ["Run", "compare", "read_run", "to_table"]

# Which way is better; the rest is only a cost or a count.
BETTER = {"brier": -1, "log_loss": -1, "tokens": -1}


@dataclass(frozen=True)
class Run:
    """One evaluation: its name, the JSON that `ddx eval` wrote, and its table of cases."""

    name: str
    result: dict[str, Any]
    cases: pd.DataFrame


def read_run(path: Path) -> Run:
    """An evaluation by its JSON, or by the run folder that holds `evaluation.json`.

    Raises InputError when it is not one, or when its table of cases is missing.
    """
    report = path / "evaluation.json" if path.is_dir() else path
    try:
        result = json.loads(report.read_text(encoding="utf-8"))
        result["data"]["patients_sha256"], result["model"]["id"]
    except OSError as error:
        raise InputError(f"{report}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{report}: not an evaluation that `ddx eval` wrote") from None
    return Run(str(result["model"]["id"]), result, read_cases(report.with_suffix(".cases.parquet")))


def compare(runs: Sequence[Run]) -> dict[str, Any]:
    """Every run against the first, on the cases that all of them have: {"runs", "n", "first", "stages"}.

    stages: stage → metric → run → {"value": its mean with interval, "minus_first": the paired difference, with a 95 %
    bootstrap interval over cases}. Runs are named by their models; of several with one name, the later get a number.

    Raises InputError when they have no case in common, or fewer than half of the smallest run's.
    """
    if len(runs) < 2:
        raise InputError("give at least two evaluations to compare")
    names = _names([run.name for run in runs])
    tables = [run.cases.set_index("case_id") for run in runs]
    common = tables[0].index
    for table in tables[1:]:
        common = common[common.isin(table.index)]
    smallest, largest = min(map(len, tables)), max(map(len, tables))
    if 2 * len(common) < smallest:
        raise InputError(
            f"the runs share {len(common)} of {smallest} cases: they were made on different samples; "
            "evaluate them with the same --split and --sample"
        )
    tables = [table.loc[common] for table in tables]
    stages: dict[str, Any] = {}
    stage_of = tables[0]["stage"].to_numpy()
    for stage in ("all", *dict.fromkeys(stage_of)):
        rows = np.ones(len(common), dtype=bool) if stage == "all" else stage_of == stage
        stages[stage] = {
            metric: _metric([table.loc[rows, metric].to_numpy(float) for table in tables], names) for metric in METRICS
        }
    return {"runs": names, "n": len(common), "left_out": largest - len(common), "stages": stages}


def to_table(found: dict[str, Any], metrics: Sequence[str] = tuple(METRICS)) -> str:
    """Markdown: for each metric and stage the first run, and what every other one has more or less.

    A star marks a difference whose interval excludes 0.
    """
    names, stages = found["runs"], list(found["stages"])
    lines = [
        f"{found['n']:,} cases in common. `{names[0]}` as it is, the others as differences to it on the same cases, "
        "with 95 % bootstrap intervals over cases; * marks an interval without 0. No correction for the "
        "number of comparisons.",
        "",
        f"| | | {' | '.join(stages)} |",
        f"|---|---|{'---:|' * len(stages)}",
    ]
    for metric in metrics:
        for name in names:
            cells = []
            for stage in stages:
                each = found["stages"][stage][metric][name]
                cells.append(cell(each["value"]) if "minus_first" not in each else _difference(each["minus_first"]))
            sense = {-1: " (lower is better)", 1: ""}[BETTER.get(metric, 1)]
            lines.append(f"| {METRICS[metric]}{sense} | {name} | {' | '.join(cells)} |")
    sizes = [str(found["stages"][stage][metrics[0]][names[0]]["value"]["n"]) for stage in stages]
    return "\n".join([*lines, f"| n | | {' | '.join(sizes)} |"]) + "\n"


def _metric(values: list[np.ndarray], names: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {names[0]: {"value": mean_interval(values[0]).to_dict()}}
    for name, its in zip(names[1:], values[1:], strict=True):
        found[name] = {
            "value": mean_interval(its).to_dict(),
            "minus_first": paired_difference(its, values[0]).to_dict(),
        }
    return found


def _names(ids: list[str]) -> list[str]:
    """Different names for all runs.

    >>> _names(["a", "b", "a"])
    ['a', 'b', 'a (3)']
    """
    return [name if ids.index(name) == i else f"{name} ({i + 1})" for i, name in enumerate(ids)]


def _difference(e: dict[str, float]) -> str:
    star = "*" if e["low"] > 0 or e["high"] < 0 else ""
    return f"{e['value']:+.3f} ({e['low']:+.3f} to {e['high']:+.3f}){star}"
