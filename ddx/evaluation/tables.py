"""An evaluation as Markdown tables, for the documents that quote it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Figure = Mapping[str, Any]
_WHO = {"model": "ddx", "tabular": "tabular classifier", "base-prompted": "base model, prompted"}
_ROWS = {
    "pass@1": "first diagnosis right",
    "pass@3": "among the first three",
    "recall@5": "gold differential found (recall@5)",
    "ddr": "DDXPlus's own: recall of the differential (DDR)",
    "ddp": "precision of the differential (DDP)",
    "ddf1": "harmonic mean (DDF1)",
    "dsf1": "severe conditions, kept and left out (DSF1)",
    "brier_list": "Brier score of the list",
    "brier_skill_item": "Brier skill of a diagnosis",
    "ece_item": "ECE of a diagnosis (calibrated model: 95 % range)",
    "validity": "answers read in full",
    "tokens": "tokens written a case",
    "tokens_per_distinct": "tokens written for each distinct right diagnosis",
    "seconds_p50": "seconds a case in batches, median",
}


def to_markdown(result: Mapping[str, Any]) -> str:
    """Headline tables: by stage beside the references, differences to the tabular classifier, outside cases."""
    groups = {"model": result["metrics"], **result["baselines"]}
    stages = list(result["metrics"])
    lines = [f"| | | {' | '.join(stages)} |", f"|---|---|{'---:|' * len(stages)}"]
    for name, words in _ROWS.items():
        for who, figures in groups.items():
            cells = [cell(figures.get(stage, {}).get(name)) for stage in stages]
            if any(cells):
                lines.append(f"| {words} | {_WHO[who]} | {' | '.join(cells)} |")
    sizes = {_WHO[who]: [f["pass@1"]["n"] for f in figures.values()] for who, figures in groups.items()}
    lines += ["", "n: " + "; ".join(f"{who} {', '.join(map(str, ns))}" for who, ns in sizes.items()) + "."]
    lines += ["", "Model minus tabular classifier, on the same cases:", ""]
    lines += [f"| | {' | '.join(stages)} |", f"|---|{'---:|' * len(stages)}"]
    for name in result["minus_tabular"]["all"]:
        cells = [cell(result["minus_tabular"][stage][name]) for stage in stages]
        lines.append(f"| {_ROWS[name]} | {' | '.join(cells)} |")
    for who, found in result.get("outside", {}).items():
        inside = found["in_vocabulary"]
        figures = ", ".join(f"{name} {cell(figure)}" for name, figure in inside.items())
        lines += ["", f"Outside vignettes in the vocabulary, {_WHO[who]} (n={inside['pass@1']['n']}): {figures}."]
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
