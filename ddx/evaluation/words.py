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


def percent(p: float, digits: int = 0) -> str:
    """A probability as a whole percent; never 0 % or 100 % for what is neither.

    >>> percent(0.6234), percent(0.002), percent(0.998), percent(0.0)
    ('62 %', '<1 %', '>99 %', '0 %')
    """
    if 0 < p < 0.5 * 10 ** -(digits + 2):
        return f"<{10**-digits:g} %"
    if 0 < p < 0.01 and digits == 0:
        return "<1 %"
    if 0.99 < p < 1 and digits == 0:
        return ">99 %"
    return f"{100 * p:.{digits}f} %"


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
