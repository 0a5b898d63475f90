"""Findings that usually go with a diagnosis and that a case does not state: neither for it nor against it, yet."""

from __future__ import annotations

from dataclasses import dataclass

from ddx.case import Case
from ddx.explain.stated import stated_findings
from ddx.simulate.clinic import SEXES, Clinic
from ddx.simulate.estimate import load_clinic
from ddx.vocabulary.findings import load_findings

__all__ = ["Missing", "missing_findings"]


@dataclass(frozen=True, slots=True)
class Missing:
    """A finding that is not stated. `chance`: P(present | condition) among DDXPlus training patients, 0 to 1."""

    code: str
    name: str
    chance: float


def missing_findings(
    case: Case, key: str, clinic: Clinic | None = None, least: float = 0.5, most: int = 5
) -> list[Missing]:
    """The findings of chance `least` or more under the condition `key` that the case does not state, likeliest first.

    At most `most`; none for a condition that the clinic does not have. Where the sex is not stated, both count half.
    Not stated is not absent: an absent finding is evidence, and stands among the effects.
    """
    clinic = clinic or load_clinic()
    if key not in clinic.conditions:
        return []
    rows = [SEXES.index(case.sex)] if case.sex else list(range(len(SEXES)))
    chance = clinic.chance[rows, clinic.conditions.index(key)].mean(axis=0)
    stated, known = stated_findings(case), load_findings()
    found = [
        Missing(code, known[code].name, float(p))
        for code, p in zip(clinic.findings, chance, strict=True)
        if p >= least and code not in stated
    ]
    return sorted(found, key=lambda m: (-m.chance, m.code))[:most]
