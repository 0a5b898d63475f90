"""Partial evidence: a patient as known at a stage of the interview.

The interview is simulated from the patient's own data, deterministic by patient and blind to the pathology:
age, sex and the first complaint; then symptoms, a complaint's details together; then history; and between
them findings that were asked and are absent. The absent ones are drawn from what any condition that shares
the first complaint lists (`related_findings`).
"""

from __future__ import annotations

import math
import random
from typing import Literal

from ddx.case import Case, Finding
from ddx.data.ddxplus import Patient
from ddx.vignette import Item, group
from ddx.vocabulary.findings import load_findings, related_findings

Stage = Literal["initial", "quarter", "half", "full"]
STAGES: tuple[Stage, ...] = ("initial", "quarter", "half", "full")
_FRACTION = {"initial": 0.0, "quarter": 0.25, "half": 0.5, "full": 1.0}
_HISTORY_MIXED_IN = 0.3  # in this share of interviews history comes up among the symptoms
_ABSENT_SHARE = 0.35  # absent findings asked, per present one at `full`


def interview(patient: Patient) -> list[Item]:
    """All findings of a patient in the order in which an interview brings them up."""
    rng = random.Random(f"interview|{patient.patient_id}")
    known, items = load_findings(), group(patient.findings)
    present = [i for i in items if i.present]
    first = _first(patient, present, rng)
    details: dict[str, list[Item]] = {}
    heads: list[Item] = []
    codes = {i.code for i in present}
    for item in items:
        if item == first:
            continue
        parent = known[item.code].parent if item.code in known else None
        if parent and parent != item.code and parent in codes:
            details.setdefault(parent, []).append(item)
        else:
            heads.append(item)
    symptoms = [i for i in heads if i.code not in known or known[i.code].kind == "symptom"]
    history = [i for i in heads if i.code in known and known[i.code].kind == "antecedent"]
    rng.shuffle(symptoms)
    rng.shuffle(history)
    heads = symptoms + history
    if rng.random() < _HISTORY_MIXED_IN:
        rng.shuffle(heads)
    ordered: list[Item] = []
    for head in ([first] if first else []) + heads:
        children = details.get(head.code, [])
        rng.shuffle(children)
        ordered += [head, *children]
    return _with_absent(ordered, rng)


def stage_length(items: list[Item], stage: Stage) -> int:
    """How many items of an interview are known at a stage: 1, then 25 %, 50 % and 100 % of the rest."""
    return 1 + math.ceil(_FRACTION[stage] * (len(items) - 1))


def case_at(patient: Patient, stage: Stage) -> Case:
    """The patient as known at a stage. The case's id is `<patient id>-<stage>`."""
    items = interview(patient)
    return case_of(patient, items[: stage_length(items, stage)], stage)


def case_of(patient: Patient, items: list[Item], label: str) -> Case:
    """A case of a patient from the first items of the interview."""
    findings = [Finding(i.code, i.present, v) for i in items for v in (i.values or (None,))]
    return Case(f"{patient.patient_id}-{label}", patient.age, patient.sex, tuple(findings))


def wording_seed(patient: Patient) -> int:
    """Which paraphrases a patient's text uses: fixed by patient."""
    return random.Random(f"wording|{patient.patient_id}").getrandbits(31)


def _first(patient: Patient, present: list[Item], rng: random.Random) -> Item | None:
    for item in present:
        if item.code == patient.initial:
            return item
    known = load_findings()
    complaints = [
        i for i in present if i.code in known and known[i.code].kind == "symptom" and known[i.code].type == "flag"
    ]
    pool = complaints or present
    return rng.choice(pool) if pool else None


def _with_absent(ordered: list[Item], rng: random.Random) -> list[Item]:
    if not ordered:
        return ordered
    known, stated = load_findings(), {i.code for i in ordered}
    related = related_findings().get(ordered[0].code, tuple(known))
    pool = [c for c in related if c in known and c not in stated and known[c].type == "flag"]
    wanted = min(len(pool), max(1, round(_ABSENT_SHARE * len(ordered))))
    for code in rng.sample(pool, wanted):
        ordered.insert(rng.randint(1, len(ordered)), Item(code, False))
    return ordered
