"""An evaluation as tables: rows for the report, and Markdown for the documents that quote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Figure = Mapping[str, Any]
WHO = {"model": "ddx", "tabular": "tabular classifier", "base-prompted": "base model, prompted"}
_ROWS = {
    "pass@1": "first diagnosis right",
    "pass@3": "among the first three",
    "recall@5": "gold differential found (recall@5)",
    "ddr": "DDXPlus's own: recall of the differential (DDR)",
    "ddp": "precision of the differential (DDP)",
    "ddf1": "harmonic mean (DDF1)",
    "dsf1": "severe conditions, kept and left out (DSF1)",
    "icd10_f1@1": "first diagnosis, partial credit along ICD-10 (hierarchical F1)",
    "icd10_f1": "list against the gold differential (hierarchical F1)",
    "brier_list": "Brier score of the list",
    "brier_skill_item": "Brier skill of a diagnosis",
    "mcb_item": "CORP miscalibration of a diagnosis",
    "dsc_item": "CORP discrimination of a diagnosis",
    "ece_item": "ECE of a diagnosis (calibrated model: 95 % range)",
    "validity": "answers read in full",
    "tokens": "tokens written a case",
    "tokens_per_distinct": "tokens written for each distinct right diagnosis",
    "seconds_p50": "seconds a case in batches, median",
    "seconds_p95": "… 95th percentile",
}
Row = tuple[str, str, list[str]]


def figure_rows(result: Mapping[str, Any]) -> list[Row]:
    """(metric, who, a cell for each stage) of the model and its references."""
    groups = {"model": result["metrics"], **result["baselines"]}
    rows = []
    for name, words in _ROWS.items():
        for who, figures in groups.items():
            cells = [cell(figures.get(stage, {}).get(name)) for stage in result["metrics"]]
            if any(cells):
                rows.append((words, WHO[who], cells))
    return rows


def sizes(result: Mapping[str, Any]) -> list[Row]:
    """How many cases stand behind the figures of each."""
    groups = {"model": result["metrics"], **result["baselines"]}
    return [("n", WHO[who], [f"{f['pass@1']['n']:,}" for f in figures.values()]) for who, figures in groups.items()]


def difference_rows(result: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """(metric, a cell for each stage): the model minus the tabular classifier, paired."""
    found = result["minus_tabular"]
    return [(_ROWS[name], [cell(found[stage][name]) for stage in result["metrics"]]) for name in found["all"]]


def outside_lines(result: Mapping[str, Any]) -> list[str]:
    """A sentence on the outside vignettes for each model that answered them."""
    lines = []
    for who, found in result.get("outside", {}).items():
        inside = found["in_vocabulary"]
        figures = ", ".join(f"{name} {cell(figure)}" for name, figure in inside.items())
        lines.append(f"Outside vignettes in the vocabulary, {WHO[who]} (n={inside['pass@1']['n']}): {figures}.")
    return lines


def to_markdown(result: Mapping[str, Any]) -> str:
    """Headline tables: by stage beside the references, differences to the tabular classifier, outside cases."""
    stages = list(result["metrics"])
    lines = [f"| | | {' | '.join(stages)} |", f"|---|---|{'---:|' * len(stages)}"]
    lines += [f"| {words} | {who} | {' | '.join(cells)} |" for words, who, cells in figure_rows(result)]
    each = "; ".join(f"{who} {', '.join(ns)}" for _, who, ns in sizes(result))
    lines += ["", f"n: {each}.", "", "Model minus tabular classifier, on the same cases:", ""]
    lines += [f"| | {' | '.join(stages)} |", f"|---|{'---:|' * len(stages)}"]
    lines += [f"| {words} | {' | '.join(cells)} |" for words, cells in difference_rows(result)]
    for line in outside_lines(result):
        lines += ["", line]
    return "\n".join(lines) + "\n"


def cell(figure: Figure | None) -> str:
    """A figure with its interval, or with the range of a calibrated model where it has one.

    >>> cell({"value": 0.5, "low": 0.4, "high": 0.6, "n": 10}), cell({"value": 0.5, "n": 10}), cell(None)
    ('.500 (.400–.600)', '.500', '')
    """
    if not figure or figure.get("value") is None:
        return ""
    low, high = figure.get("low", figure.get("null_low")), figure.get("high", figure.get("null_high"))
    return _number(figure["value"]) + (f" ({_number(low)}–{_number(high)})" if low is not None else "")


def _number(value: Any) -> str:
    text = f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text
