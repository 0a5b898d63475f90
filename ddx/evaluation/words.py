"""What stages, levels and figures are called where a person reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STAGES = {
    "all": "All stages together",
    "initial": "First finding only",
    "quarter": "A quarter of the findings",
    "half": "Half of the findings",
    "full": "All findings",
}
LEVELS = {
    "item": "Each diagnosis",
    "top1": "First diagnosis",
    "set": "Whole list",
}
OUTCOMES = {
    "item": "Observed: it was the patient's condition",
    "top1": "Observed: it was the patient's condition",
    "set": "Observed: the condition was on the list",
}
UNITS = {"item": "diagnosis", "top1": "first diagnosis", "set": "list"}

# Ways to answer, in the order of their table: what each is.
WAYS = {
    "model": "the model as it stands: one greedy answer that is the whole list, confidences by its calibrator.",
    "sft-only": "the same answers with the confidences that they state, no calibrator. The model that ships is a warm "
    "start by SFT without RL, so that it is sft-only and its calibrator.",
    "best-of-k": "the same model asked for one answer again and again: first lines drawn at temperature 1, as many as "
    "fit in the tokens of its own list; a condition's confidence is its share of them.",
    "prompt-single": "the base model before training, asked for one diagnosis.",
    "prompt-multi": "the base model before training, asked for the list.",
    "label-list": "the base model before training, asked for the list and told the names of the conditions.",
    "verbalized": "the base model before training, told the names and asked for responses drawn from its distribution, "
    "with their probabilities (Verbalized Sampling, arXiv 2510.01171).",
    "tabular": "a classifier fitted on the coded findings; it reads and writes no text.",
}
WAYS_NOTE = (
    "An answer that is not written in the format counts as wrong: a base model without answers read in full does not "
    "follow the format, which says little about what it knows."
)


def interval(figure: Mapping[str, Any], scale: str = "number", digits: int = 3) -> str:
    """A figure with its 95 % interval: "0.985 (0.978–0.991)" or "98.5 % (97.8–99.1)"."""
    value, low, high = figure.get("value"), figure.get("low"), figure.get("high")
    if value is None:
        return "–"
    if scale == "percent":
        text = f"{100 * value:.1f} %"
        return text if low is None or high is None else f"{text} ({100 * low:.1f}–{100 * high:.1f})"
    text = f"{value:.{digits}f}"
    return text if low is None or high is None else f"{text} ({low:.{digits}f}–{high:.{digits}f})"


def count(n: int, noun: str) -> str:
    """A count with its noun: "1 case", "2,000 cases", "2 diagnoses"."""
    plural = noun if n == 1 else noun[:-2] + "es" if noun.endswith("is") else f"{noun}s"
    return f"{n:,} {plural}"


def cell(figure: Mapping[str, Any] | None) -> str:
    """A figure with its interval, or with the range of a calibrated model where it has one.

    A file has no infinity: an interval with a lower end only is one without an upper end.

    >>> cell({"value": 0.5, "low": 0.4, "high": 0.6, "n": 10}), cell({"value": 0.5, "n": 10}), cell(None)
    ('.500 (.400–.600)', '.500', '')
    >>> cell({"value": 190.0, "low": 80.0, "high": None, "n": 10})
    '190.0 (80.0–∞)'
    """
    if not figure or figure.get("value") is None:
        return ""
    low, high = figure.get("low", figure.get("null_low")), figure.get("high", figure.get("null_high"))
    return _number(figure["value"]) + (f" ({_number(low)}–{_number(high)})" if low is not None else "")


def _number(value: Any) -> str:
    if value is None:
        return "∞"
    text = f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text
