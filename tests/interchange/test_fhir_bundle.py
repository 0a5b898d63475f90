"""A review as FHIR: what each part becomes, and that every rule of the check fails when it should."""

from __future__ import annotations

import copy
import functools
import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from review_maker import CASE, WHEN, differential, review

from ddx.case import Case
from ddx.differential import NOTICE
from ddx.errors import InputError
from ddx.interchange.fhir import SOMETHING_ELSE, to_bundle, to_json
from ddx.interchange.fhir_check import check
from ddx.review import Kept, Review, kept_from

Bundle = dict[str, Any]


def made(**change: Any) -> Bundle:
    return to_bundle(review(**change), WHEN)


@functools.cache
def whole() -> Bundle:
    return made()


def of(bundle: Bundle, kind: str) -> list[Any]:
    return [e["resource"] for e in bundle["entry"] if e["resource"]["resourceType"] == kind]


def test_a_review_becomes_a_bundle_without_faults() -> None:
    assert check(made()) == []


def test_the_same_review_gives_the_same_bytes() -> None:
    assert to_json(made()) == to_json(made())
    assert json.loads(to_json(made())) == made()
    assert made()["id"] != made(review_id="review-2")["id"]


def test_the_models_list_is_a_risk_assessment_by_a_device() -> None:
    bundle = made()
    [risk], [device] = of(bundle, "RiskAssessment"), of(bundle, "Device")
    predictions = [
        (p["outcome"]["text"], p["outcome"].get("coding", [{}])[0].get("code"), p["probabilityDecimal"])
        for p in risk["prediction"]
    ]
    assert predictions == [
        ("Pericarditis", "I30", 0.41), ("Pulmonary embolism", "I26", 0.22),
        ("Myocardial infarction (NSTEMI/STEMI)", "I21", 0.12), ("Gastroesophageal reflux disease", "K21", 0.0504),
        ("Texidor <twinge> & co", None, 0.02), (SOMETHING_ELSE, None, 0.1796),
    ]  # fmt: skip
    assert sum(p for *_, p in predictions) == pytest.approx(1)
    assert risk["prediction"][0]["outcome"]["coding"][0]["system"] == "http://hl7.org/fhir/sid/icd-10"
    [label] = risk["meta"]["security"]
    assert (label["system"], label["code"]) == ("http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "AIAST")
    assert "note" not in risk and "mitigation" not in risk
    assert NOTICE in risk["text"]["div"] and "Texidor &lt;twinge&gt; &amp; co" in risk["text"]["div"]
    assert risk["performer"]["reference"] == f"urn:uuid:{device['id']}"
    versions = {v["type"]["text"]: v["value"] for v in device["version"]}
    assert versions["adapter_sha256"] == "ab" * 32 and versions["version of torch"] == "2.13.0"
    assert device["deviceName"] == [{"name": "tiny-model-3", "type": "model-name"}]


def test_what_was_kept_stands_in_order_and_what_was_struck_is_no_condition() -> None:
    bundle = made()
    conditions = of(bundle, "Condition")
    assert [c["code"]["text"] for c in conditions] == [
        "Pulmonary embolism", "Pericarditis", "Myocardial infarction (NSTEMI/STEMI)", "Gastroesophageal reflux disease",
        "Aortic dissection",
    ]  # fmt: skip
    assert {c["verificationStatus"]["coding"][0]["code"] for c in conditions} == {"differential"}
    assert all("clinicalStatus" not in c and "meta" not in c for c in conditions)
    [impression] = of(bundle, "ClinicalImpression")
    assert [f["itemReference"]["reference"] for f in impression["finding"]] == [
        f"urn:uuid:{c['id']}" for c in conditions
    ]
    notes = " ".join(n["text"] for n in impression["note"])
    for words in ("overridden", "Wells score 6", "Pericarditis; PE", "Texidor <twinge> & co (no such history)"):
        assert words in notes


def test_each_side_has_its_provenance() -> None:
    model, clinician = of(made(), "Provenance")
    assert model["agent"][0]["type"]["coding"][0]["code"] == "assembler"
    assert clinician["agent"][0] == {
        "type": {
            "coding": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
                    "code": "author",
                    "display": "Author",
                }
            ]
        },
        "who": {"display": "Reviewer 2"},
    }
    assert clinician["entity"][0]["what"] == model["target"][0]
    assert len(clinician["target"]) == 6


def test_an_open_review_asserts_nothing_of_the_clinician() -> None:
    bundle = made(decision="open", reason="")
    assert not of(bundle, "Condition") and not of(bundle, "ClinicalImpression")
    assert of(bundle, "RiskAssessment")[0]["status"] == "preliminary" and check(bundle) == []


def test_the_case_is_observations_and_a_patient_who_is_not_named() -> None:
    bundle = made()
    [patient] = of(bundle, "Patient")
    assert set(patient) == {"resourceType", "id", "identifier", "gender"} and patient["gender"] == "female"
    said = {}
    for o in of(bundle, "Observation"):
        [value] = [v for name, v in o.items() if name.startswith("value")]
        said.setdefault(o["code"]["text"], []).append(
            value["text"] if "text" in str(value) and value != CASE.text else value
        )
    assert said["Age"][0]["value"] == 58 and said["Age"][0]["code"] == "a"
    assert said["fever"] == [False] and said["pain"] == [True] and said["pain intensity"] == [7]
    assert said["pain site"] == ["lower chest", "upper chest"]
    assert said["Case description"] == [CASE.text]


@pytest.mark.parametrize(
    "change",
    [
        {"case": Case(text="x")},
        {"case": Case("c", 0.33, None, (), "tab\there, form feed\x0c, blank\u00a0and surrogate \ud83d")},
        {"case": Case.from_dict({"findings": ["E_999", "X 9_@_odd value", "E_56_@_99999999999"]})},
        {"kept": (Kept("", "clinician"), Kept("\x00", "clinician", icd10="not a code"))},
        {"kept": (), "reviewer": "  ", "own": (), "notes": " "},
        {"differential": differential(semantics="membership").to_dict()},
        {"differential": {**differential().to_dict(), "model": {"id": "m", "versions": {"ddx": "1"}}}},
        {"differential": differential(diagnoses=(), status="empty").to_dict(), "kept": (), "struck": ()},
    ],
)  # fmt: skip
def test_odd_reviews_are_fhir_too(change: dict[str, Any]) -> None:
    assert check(made(**change)) == []


def test_an_answer_that_could_not_be_read_predicts_nothing() -> None:
    [risk] = of(made(differential=differential(diagnoses=(), status="empty").to_dict(), kept=()), "RiskAssessment")
    assert risk["status"] == "cancelled" and "prediction" not in risk


def test_an_accepted_list_is_the_models_in_its_order() -> None:
    listed = differential().to_dict()
    bundle = made(kept=kept_from(listed), struck=(), decision="accepted", reason="")
    risk = of(bundle, "RiskAssessment")[0]
    outcomes = [p["outcome"] for p in risk["prediction"]]
    assert [c["code"] for c in of(bundle, "Condition")] == outcomes[:-1]


def test_what_cannot_be_exported_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="no model output"):
        to_bundle(Review("r", CASE), WHEN)
    with pytest.raises(InputError, match="time zone"):
        to_bundle(review(), datetime(2026, 1, 1))
    monkeypatch.setitem(sys.modules, "fhir.resources.R4B.bundle", None)
    with pytest.raises(InputError, match="pip install 'ddx\\[fhir\\]'"):
        to_bundle(review(), WHEN)


def first(kind: str) -> Callable[[Bundle], Any]:
    return lambda bundle: of(bundle, kind)[0]


def put(kind: str, path: str, value: Any) -> Callable[[Bundle], None]:
    """A mutation: the value at a dotted path in the first resource of a kind; None takes it out."""

    def mutate(bundle: Bundle) -> None:
        at = bundle if kind == "Bundle" else first(kind)(bundle)
        *way, last = path.split(".")
        for step in way:
            at = at[int(step) if step.isdigit() else step]
        key = int(last) if last.isdigit() else last
        if value is None:
            del at[key]
        else:
            at[key] = value

    return mutate


VERIFIED = "verificationStatus.coding.0"
CLINICAL = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]}
MUTATIONS: list[tuple[Callable[[Bundle], None], str]] = [
    (put("RiskAssessment", "status", "done"), "status 'done' is not in its value set"),
    (put("RiskAssessment", "status", "completed"), "is not in its value set"),
    (put("RiskAssessment", "prediction.0.probabilityDecimal", 1.2), "outside 0 to 1"),
    (put("RiskAssessment", "prediction.0.probabilityDecimal", 41), "outside 0 to 1"),
    (put("RiskAssessment", "prediction.0.probabilityDecimal", -0.1), "outside 0 to 1"),
    (put("RiskAssessment", "prediction.0.probabilityDecimal", 0.41234), "more than 4 decimals"),
    (put("RiskAssessment", "prediction.0.probabilityDecimal", None), "has no probability"),
    (put("RiskAssessment", "prediction.0.outcome", None), "no outcome"),
    (put("RiskAssessment", "prediction.0.outcome.coding.0.code", "I3"), "not a WHO ICD-10 code"),
    (put("RiskAssessment", "prediction.0.outcome.coding.0.code", "I30.0A"), "not a WHO ICD-10 code"),
    (put("RiskAssessment", "prediction.0.outcome.coding.0.code", "i30"), "not a WHO ICD-10 code"),
    (put("RiskAssessment", "prediction.0.outcome.coding.0.system", None), "without system or code"),
    (put("RiskAssessment", "meta", None), "AIAST is missing"),
    (put("RiskAssessment", "meta.security.0.code", "AIASR"), "is not a code of"),
    (put("RiskAssessment", "meta.security.0.code", "CLINAST"), "AIAST is missing"),
    (put("RiskAssessment", "meta.security.0.system", "http://terminology.hl7.org/CodeSystem/v3-ActCode"), "AIAST"),
    (put("RiskAssessment", "note", [{"text": "x"}]), "not for what a model wrote"),
    (put("RiskAssessment", "mitigation", "x"), "not for what a model wrote"),
    (put("RiskAssessment", "subject.reference", "Patient/1"), "leads out of the bundle"),
    (put("RiskAssessment", "basis.0.reference", "urn:uuid:00000000-0000-0000-0000-000000000000"), "leads out"),
    (put("RiskAssessment", "performer", None), "no Provenance names the model"),
    (put("Condition", f"{VERIFIED}.code", "possible"), "is not a code of"),
    (put("Condition", f"{VERIFIED}.code", "confirmed"), "verificationStatus is not differential"),
    (put("Condition", f"{VERIFIED}.system", "http://example.org"), "verificationStatus: the system is not"),
    (put("Condition", "verificationStatus", None), "verificationStatus is not differential"),
    (put("Condition", "clinicalStatus", {"coding": [{**CLINICAL["coding"][0], "code": "on"}]}), "is not a code of"),
    (put("Condition", "clinicalStatus", {"coding": [{"system": "urn:x", "code": "active"}]}), "clinicalStatus: the"),
    (put("Condition", "category.0.coding.0.code", "problem-list-item"), "con-3"),
    (put("Condition", "category.0.coding.0.code", "problem"), "is not a code of"),
    (put("Condition", "category.0.coding.0.system", "urn:x"), "category: the system"),
    (put("Condition", "abatementString", "last week"), "con-4"),
    (put("Condition", "code", None), "without a name"),
    (put("ClinicalImpression", "status", "final"), "is not in its value set"),
    (put("ClinicalImpression", "finding.0.itemReference.reference", "#x"), "leads out of the bundle"),
    (put("Observation", "status", "ok"), "is not in its value set"),
    (put("Observation", "valueQuantity", None), "without a value"),
    (put("Device", "status", "on"), "is not in its value set"),
    (put("Device", "deviceName.0.type", "name"), "deviceName type"),
    (put("Device", "version", None), "without a name or a version"),
    (put("Patient", "gender", "F"), "gender 'F'"),
    (put("Patient", "name", [{"text": "x"}]), "name identifies"),
    (put("Patient", "birthDate", "1968-01-01"), "birthDate identifies"),
    (put("Patient", "telecom", [{"value": "1"}]), "telecom identifies"),
    (put("Provenance", "agent.0.type.coding.0.code", "robot"), "is not a code of"),
    (put("Provenance", "agent.0.type.coding.0.system", "urn:x"), "type: the system"),
    (put("Provenance", "agent.0.type", None), "agent 0 has no type"),
    (put("Provenance", "agent.0.who.reference", "urn:uuid:0"), "no Provenance names the model"),
    (put("Provenance", "recorded", None), "not FHIR R4B"),
    (put("Provenance", "target.0.reference", "urn:uuid:0"), "leads out of the bundle"),
    (put("Bundle", "type", "batch"), "is not collection"),
    (put("Bundle", "entry.0.fullUrl", "http://example.org/Patient/1"), "is not a urn:uuid"),
    (put("Bundle", "entry.0.fullUrl", "urn:uuid:00000000-0000-0000-0000-000000000000"), "has another id"),
    (put("Bundle", "entry.1.resource.colour", "red"), "not FHIR R4B: entry.1.resource.colour"),
]  # fmt: skip


@pytest.mark.parametrize(("mutate", "words"), MUTATIONS)
def test_every_rule_fails_when_it_should(mutate: Callable[[Bundle], None], words: str) -> None:
    bundle = copy.deepcopy(whole())
    mutate(bundle)
    found = check(bundle)
    assert any(words in line for line in found), found
    assert not any(CASE.text in line for line in found)


def test_con_5_and_the_rest_that_needs_more_than_one_change() -> None:
    bundle = copy.deepcopy(whole())
    condition = of(bundle, "Condition")[0]
    condition["verificationStatus"]["coding"][0]["code"] = "entered-in-error"
    condition["clinicalStatus"] = CLINICAL
    assert any("con-5" in line for line in check(bundle))
    twice = copy.deepcopy(whole())
    twice["entry"].append(twice["entry"][0])
    assert "two entries have the same fullUrl" in check(twice)
    role = copy.deepcopy(whole())
    of(role, "Provenance")[1]["entity"][0]["role"] = "quotation of"
    assert any("entity role" in line for line in check(role))


def test_a_condition_that_obeys_con_3_is_accepted() -> None:
    bundle = copy.deepcopy(whole())
    condition = of(bundle, "Condition")[0]
    condition["category"][0]["coding"][0]["code"] = "problem-list-item"
    condition["clinicalStatus"] = CLINICAL
    assert check(bundle) == []
