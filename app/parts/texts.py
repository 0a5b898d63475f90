"""The app's words, and numbers as words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ddx.case import Case
from ddx.differential import Differential

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
SEXES = {None: "Not stated", "F": "Female", "M": "Male"}
STATUS = {
    "repaired": "The model's answer was read in full after small repairs.",
    "partial": "Only part of the model's answer could be read, so diagnoses may be missing.",
    "truncated": "The model's answer was cut off at its length limit, so the last diagnoses may be missing.",
    "empty": "No diagnosis could be read in the model's answer. Reword the case, or see its raw words below.",
}


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


def age_words(age: float | None) -> str:
    """An age as read aloud.

    >>> age_words(58.0), age_words(0.33), age_words(1.0), age_words(None)
    ('58 years', '4 months', '1 year', 'age not stated')
    """
    if age is None:
        return "age not stated"
    if age < 2 and age != int(age):
        months = round(age * 12)
        return f"{months} month{'s' * (months != 1)}"
    return f"{int(age)} year{'s' * (int(age) != 1)}"


def case_line(case: Case, setting: str = "") -> str:
    """Age, sex and setting in one line."""
    sex = {"F": "female", "M": "male"}.get(case.sex or "", "sex not stated")
    return " · ".join(part for part in (age_words(case.age), sex, setting) if part)


def how_to_read(differential: Differential) -> str:
    """What the confidences of this list mean, with its own first number."""
    if not differential.diagnoses:
        return ""
    if differential.semantics == "membership":
        return "Each confidence is the chance that the diagnosis belongs on the list; there is no sum rule."
    p = differential.diagnoses[0].confidence
    whole = min(99, max(1, round(100 * p)))
    return (
        f"Each confidence is the chance that this is the patient's condition; with “something else” they "
        f"add up to 100 %. Of 100 such statements at {whole} % about synthetic test patients with one of the "
        f"model's conditions, about {whole} should be right. On real patients this has not been measured."
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
