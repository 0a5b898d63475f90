"""The app's words, and numbers as words."""

from __future__ import annotations

from ddx.case import Case
from ddx.differential import Differential
from ddx.interchange.words import age_words

SEXES = {None: "Not stated", "F": "Female", "M": "Male"}
STATUS = {
    "repaired": "The model's answer was read in full after small repairs.",
    "partial": "Only part of the model's answer could be read, so diagnoses may be missing.",
    "truncated": "The model's answer was cut off at its length limit, so the last diagnoses may be missing.",
    "empty": "No diagnosis could be read in the model's answer. Reword the case, or see its raw words below.",
}


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


# Lowest confidence of a band, and what it is called: the bands of the app, no standard's.
BANDS = ((0.8, "Very likely"), (0.5, "Likely"), (0.2, "Possible"), (0.05, "Unlikely"), (0.0, "Very unlikely"))


def band(p: float) -> str:
    """A confidence as a word.

    >>> band(0.5), band(0.049)
    ('Likely', 'Very unlikely')
    """
    return next(word for low, word in BANDS if p >= low)


def bands_line() -> str:
    """What the bands mean, for below a list that shows them."""
    tops = (1.0, *(low for low, _ in BANDS[:-1]))
    ranges = zip(BANDS, tops, strict=True)
    return "; ".join(f"{word.lower()}: {100 * low:.0f} to {100 * top:.0f} %" for (low, word), top in ranges)
