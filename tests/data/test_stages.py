"""Partial evidence: the same patient always gives the same interview, and an earlier stage begins a later one."""

from __future__ import annotations

from itertools import islice, pairwise
from pathlib import Path

import pytest

from ddx.data.ddxplus import Patient, patient_files, read_patients
from ddx.data.stages import STAGES, case_at, interview, stage_length
from ddx.vignette import group, render

PATIENT = Patient(
    "0123456789abcdef", 41.0, "F",
    ("E_91", "E_201", "E_53", "E_54_@_V_161", "E_55_@_V_29", "E_56_@_4", "E_79", "E_129", "E_66"),
    "E_201", "bronchitis", ("bronchitis",), None,
)  # fmt: skip


def test_an_interview_is_the_same_every_time_and_starts_with_the_first_complaint() -> None:
    items = interview(PATIENT)
    assert items == interview(PATIENT)
    assert items[0].code == "E_201"


def test_an_interview_holds_every_finding_once_and_absent_ones_too() -> None:
    items = interview(PATIENT)
    assert {(i.code, i.values) for i in items if i.present} == {(i.code, i.values) for i in group(PATIENT.findings)}
    absent = [i for i in items if not i.present]
    assert absent
    assert not {i.code for i in absent} & {i.code for i in items if i.present}


def test_stages_grow_and_each_begins_the_next() -> None:
    cases = [case_at(PATIENT, stage) for stage in STAGES]
    for earlier, later in pairwise(cases):
        assert later.findings[: len(earlier.findings)] == earlier.findings
        assert len(later.findings) > len(earlier.findings)
        assert render(later, seed=3).startswith(render(earlier, seed=3).rstrip("."))
    assert stage_length(interview(PATIENT), "initial") == 1


def test_without_an_initial_evidence_a_present_symptom_opens() -> None:
    patient = Patient(**{**PATIENT.__dict__, "initial": None})
    first = interview(patient)[0]
    assert first.present
    assert interview(patient)[0] == first


@pytest.mark.slow
def test_real_patients_can_be_read_and_written_at_every_stage(ddxplus_folder: Path) -> None:
    for path in patient_files(ddxplus_folder):
        for patient in islice(read_patients(path), 500):
            for stage in STAGES:
                text = render(case_at(patient, stage), "narrative", 1)
                assert "{" not in text
                assert "E_" not in text
