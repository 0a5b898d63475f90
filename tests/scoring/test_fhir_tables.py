"""FHIR: one row a Patient, what Conditions and Observations say in plain sentences, and whose they are."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from table_makers import bundle, condition, observation, patient

from ddx.case import Case
from ddx.errors import InputError
from ddx.scoring.fhir_text import sentence
from ddx.scoring.from_fhir import age_on
from ddx.scoring.readers import open_table
from ddx.scoring.rows import read_case
from ddx.scoring.table import Table


def opened(tmp_path: Path, *lines: Any, on: date | None = None, indent: int | None = None) -> Table:
    path = tmp_path / ("cases.json" if indent else "cases.ndjson")
    path.write_text("".join(json.dumps(line, indent=indent) + "\n" for line in lines), encoding="utf-8")
    return open_table(path, on=on)


def cases(table: Table) -> list[Case]:
    return [read_case(table, record) for record in table.records()]


def coded(code: str) -> dict[str, Any]:
    return {"coding": [{"code": code}]}


@pytest.mark.parametrize("indent", [None, 1])
def test_a_bundle(tmp_path: Path, indent: int | None) -> None:
    both = bundle(patient(), condition(code={"text": "Chest pain"}), observation(), patient(id="p2", gender="female"))
    both["entry"].append({"resource": condition(subject={"reference": "Patient/p2"}, code={"text": "Cough"})})
    assert cases(opened(tmp_path, both, indent=indent)) == [
        Case("p1", 59.0, "M", text="Chest pain. Body temperature: 39.5 °C."),
        Case("p2", 59.0, "F", text="Cough."),
    ]


def test_resources_outside_bundles_find_their_patient_wherever_it_stands(tmp_path: Path) -> None:
    other = condition(subject={"reference": "Patient/p2"}, code={"text": "Cough"})
    mine = condition(code={"text": "Fever"})
    table = opened(tmp_path, mine, patient(id="p2"), other, bundle(patient(), condition()), patient(), observation())
    assert [(case.case_id, case.text[:15]) for case in cases(table)] == [
        ("p2", "Cough."),
        ("p1", "a long story of"),  # the Bundle's own p1: what stands outside it is not said of it
        ("p1", "Fever. Body tem"),
    ]
    assert [record.number for record in table.records()] == [1, 2, 3]


@pytest.mark.parametrize(
    "reference",
    ["Patient/p1", "https://example.org/fhir/Patient/p1", "Patient/p1/_history/3", "urn:uuid:0c3151bd"],
)
def test_ways_to_refer_to_a_patient(tmp_path: Path, reference: str) -> None:
    both = bundle(patient(), condition(subject={"reference": reference}, code={"text": "Cough"}))
    both["entry"][0]["fullUrl"] = "urn:uuid:0c3151bd"
    assert cases(opened(tmp_path, both))[0].text == "Cough."


def test_a_patient_without_an_id_is_called_by_its_row(tmp_path: Path) -> None:
    both = bundle({"resourceType": "Patient"}, condition(subject={"reference": "urn:uuid:1"}, code={"text": "Cough"}))
    both["entry"][0]["fullUrl"] = "urn:uuid:1"
    assert cases(opened(tmp_path, both)) == [Case("row-1", text="Cough.")]


def test_what_is_of_nobody_or_of_another_type_is_noted(tmp_path: Path) -> None:
    stray = condition(subject={"reference": "Patient/p9"})
    table = opened(tmp_path, bundle(patient(), condition(), stray, {"resourceType": "Encounter", "id": "e"}))
    assert table.notes == (
        "left out: Conditions and Observations of nobody in this file (1)",
        "left out: Encounter resources (1)",
    )


def test_age_is_counted_to_the_day_given_or_the_last_one_named(tmp_path: Path) -> None:
    dated = [condition(recordedDate="2001-01-01"), observation(effectiveDateTime="2019-05-02T10:00:00Z")]
    assert cases(opened(tmp_path, bundle(patient(), *dated)))[0].age == 59.0
    assert cases(opened(tmp_path, bundle(patient(), *dated), on=date(2019, 4, 30)))[0].age == 58.0
    undated = opened(tmp_path, bundle(patient(), observation()))
    assert cases(undated)[0].age is None
    assert undated.notes == ("1 of 1 patients without age: no birthDate, or no day to count to (--on DATE)",)


@pytest.mark.parametrize(
    ("born", "day", "age"),
    [
        (date(1960, 5, 1), date(2020, 4, 30), 59),
        (date(1960, 5, 1), date(2020, 5, 1), 60),
        (date(1960, 2, 29), date(2021, 2, 28), 60),
        (date(2020, 1, 1), date(2020, 1, 8), 0.02),
        (date(2020, 1, 1), date(2021, 7, 1), 1.5),
        (date(2020, 1, 2), date(2020, 1, 1), -1),
    ],
)
def test_ages(born: date, day: date, age: float) -> None:
    assert age_on(born, day) == age


@pytest.mark.parametrize("gender", ["other", "unknown", None])
def test_a_gender_that_says_nothing_is_not_stated(tmp_path: Path, gender: str | None) -> None:
    who = {key: value for key, value in patient(gender=gender).items() if value}
    assert cases(opened(tmp_path, bundle(who, condition())))[0].sex is None


CONDITIONS: dict[str, dict[str, Any]] = {
    "Fever.": {},
    "No Fever.": {"verificationStatus": coded("refuted")},
    "Possible Fever.": {"verificationStatus": coded("provisional")},
    "History of Fever.": {"clinicalStatus": coded("resolved")},
    "": {"verificationStatus": coded("entered-in-error")},
    "Fever, Head, Severe.": {"bodySite": [{"text": "Head"}], "severity": {"coding": [{"display": "Severe"}]}},
}
OBSERVATIONS: dict[str, dict[str, Any]] = {
    "BP: 120 mmHg.": {"valueQuantity": {"value": 120.0, "code": "mmHg"}},
    "BP: <0.5 mg/L (High).": {
        "valueQuantity": {"value": 0.5, "comparator": "<", "unit": "mg/L"},
        "interpretation": [{"text": "High"}],
    },
    "BP: yes.": {"valueBoolean": True},
    "No BP.": {"valueBoolean": False},
    "BP: 0.": {"valueInteger": 0},
    "BP: Never.": {"valueCodeableConcept": {"coding": [{"display": "Never"}]}},
    "BP: low.": {"valueString": "low"},
    "BP: 1 to 2 mg.": {"valueRange": {"low": {"value": 1}, "high": {"value": 2, "unit": "mg"}}},
    "BP: 1/128.": {"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}},
    "BP: systolic 120 mmHg, diastolic 80 mmHg.": {
        "component": [
            {"code": {"text": "systolic"}, "valueQuantity": {"value": 120, "unit": "mmHg"}},
            {"code": {"text": "diastolic"}, "valueQuantity": {"value": 80, "unit": "mmHg"}},
            {"code": {"text": "mean"}},
        ]
    },
}


@pytest.mark.parametrize("said", CONDITIONS)
def test_what_a_condition_says(said: str) -> None:
    assert sentence({"resourceType": "Condition", "code": {"text": "Fever"}, **CONDITIONS[said]}) == said


@pytest.mark.parametrize("said", OBSERVATIONS)
def test_what_an_observation_says(said: str) -> None:
    resource = {"resourceType": "Observation", "status": "final", "code": {"text": "BP"}, **OBSERVATIONS[said]}
    assert sentence(resource) == said


def test_without_the_package_one_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ddx.scoring import from_fhir

    from_fhir._model.cache_clear()
    monkeypatch.setitem(sys.modules, "fhir.resources.R4B.patient", None)
    with pytest.raises(InputError, match=r"^reading FHIR needs .*: pip install 'ddx\[fhir\]'$"):
        opened(tmp_path, bundle(patient(), condition()))


def test_a_patient_that_is_there_twice_outside_bundles(tmp_path: Path) -> None:
    table = opened(tmp_path, patient(), patient(), patient(id="p2"))
    assert [bool(record.problem) for record in table.records()] == [True, True, False]
