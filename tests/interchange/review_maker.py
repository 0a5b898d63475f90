"""One review to export: an overridden list of five, of a case with findings, values and text."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ddx.case import Case, Finding
from ddx.differential import Diagnosis, Differential
from ddx.review import Kept, Review, Struck, kept_from
from ddx.vocabulary import load_vocabulary

WHEN = datetime(2026, 3, 5, 14, 2, 7, 1234, tzinfo=UTC)
CASE = Case(
    "case-17", 58.0, "F",
    (
        Finding("E_53"), Finding("E_55", True, "V_29"), Finding("E_55", True, "V_101"), Finding("E_56", True, "7"),
        Finding("E_91", False), Finding("E_66"),
    ),
    "Woke at 4 with chest pain that is worse lying flat. BP 148/92.",
)  # fmt: skip
MODEL: dict[str, Any] = {
    "id": "tiny-model-3", "base": "tiny-base", "versions": {"ddx": "0.1.0", "torch": "2.13.0"},
    "adapter_sha256": "ab" * 32, "calibrator_sha256": "cd" * 32, "engine": {"name": "none"},
}  # fmt: skip
LISTED = [("pericarditis", 0.41), ("pulmonary_embolism", 0.22), ("myocardial_infarction", 0.12), ("gerd", 0.0504)]


def differential(**change: Any) -> Differential:
    """Four conditions of the vocabulary and one that it has not."""
    vocabulary = load_vocabulary()
    found = []
    for rank, (key, p) in enumerate(LISTED, start=1):
        c = vocabulary.by_key(key)
        found.append(Diagnosis(rank, c.name, p, c.key, c.icd10, c.severity, c.short, p, "name", 1.0))
    found.append(Diagnosis(len(found) + 1, "Texidor <twinge> & co", 0.02, text="Texidor <twinge> & co"))
    return replace(Differential("case-17", tuple(found), model=MODEL), **change)


def review(**change: Any) -> Review:
    """Overridden: the first two changed places, one struck, one added."""
    listed = differential().to_dict()
    first, second, *rest = kept_from(listed)
    kept = (second, first, *rest[:-1], Kept("Aortic dissection", "clinician", icd10="I71.0"))
    made = Review(
        "review-1", CASE, "Reviewer 2", ("Pericarditis", "PE"), listed, kept,
        (Struck("Texidor <twinge> & co", "no such history", confidence=0.02),), "overridden",
        "Wells score 6: embolism comes first.", "CT angiography ordered.",
    )  # fmt: skip
    return replace(made, **change)
