"""A review as a FHIR R4 Bundle (validated as R4B, which is the same for these resources).

What the model wrote is a RiskAssessment: one prediction a diagnosis, with its calibrated confidence, and "something
else" in words. It carries the security label AIAST, and a Provenance whose agent is the model, as a Device with its
versions and hashes. What the clinician made of it is a ClinicalImpression, with a Condition (verificationStatus
"differential") for each diagnosis kept, in their order, and a Provenance of its own; these stand once the review has
been decided, since before that nobody has asserted them. What was struck off is said in the notes and is no Condition.

The Patient has a gender and nothing that identifies: the age is an Observation, no birth date is made up. Ids are
UUIDs made from the review's, so the same review at the same time gives the same bytes.
"""

from __future__ import annotations

import html
import json
import re
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ddx.case import Case
from ddx.differential import NOTICE, percent
from ddx.errors import InputError
from ddx.interchange.terms import (
    AI_ASSERTED,
    CONDITION_CATEGORY,
    DDXPLUS,
    ICD10,
    ICD10_CODE,
    LOINC,
    PARTICIPANT,
    UCUM,
    VERIFICATION,
    coding,
    concept,
)
from ddx.interchange.words import aware
from ddx.review import Kept, Review
from ddx.vignette import group
from ddx.vocabulary.findings import FindingDef, load_findings

__all__ = ["SOMETHING_ELSE", "to_bundle", "to_json"]

SOMETHING_ELSE = "Something else: any condition that is not listed"
DIGITS = 4  # of a probability, as in Differential.to_dict
_MEANING = {
    "pathology": "probability that this is the patient's condition; with something else the probabilities sum to 1",
    "membership": "probability that the diagnosis belongs on the list; there is no sum rule",
}
_UNREADABLE = ("empty", "failed")
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]|[^\S \t\r\n]")
Resource = dict[str, Any]


def to_bundle(review: Review, when: datetime) -> Resource:
    """The review as a FHIR Bundle of type collection, as JSON-like data.

    `when` is the time of the export, with a time zone. Raises InputError without one, without a model output, and
    where `fhir.resources` (the extra `fhir`) is missing.
    """
    if review.differential is None:
        raise InputError(f"review {review.review_id}: there is no model output to export yet")
    names = _Names(review.review_id)
    recorded = aware(when).isoformat()
    observations = _observations(review.case, names)
    resources = [
        _patient(review.case, names),
        *observations,
        _device(review.differential, names),
        _risk_assessment(review, names, [names.refer(o) for o in observations], recorded),
    ]
    resources.append(_model_provenance(names, recorded))
    if review.decision != "open":
        conditions = [_condition(kept, i, names, recorded) for i, kept in enumerate(review.kept)]
        resources += [*conditions, _impression(review, conditions, names, recorded)]
        resources.append(_clinician_provenance(review, conditions, names, recorded))
    bundle = {
        "resourceType": "Bundle",
        "id": names.id("bundle"),
        "identifier": {"system": "urn:ietf:rfc:3986", "value": names.url("bundle")},
        "type": "collection",
        "timestamp": recorded,
        "entry": [{"fullUrl": f"urn:uuid:{r['id']}", "resource": r} for r in resources],
    }
    return _validated(bundle)


def to_json(bundle: Mapping[str, Any]) -> str:
    """A bundle as the text of a file, the same for the same bundle."""
    return json.dumps(bundle, ensure_ascii=False, indent=2) + "\n"


class _Names:
    """Stable ids of the parts of one review."""

    def __init__(self, review_id: str) -> None:
        self._review = review_id

    def id(self, part: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:ddx:review:{self._review}:{part}"))

    def url(self, part: str) -> str:
        return f"urn:uuid:{self.id(part)}"

    def to(self, part: str) -> dict[str, str]:
        return {"reference": self.url(part)}

    def refer(self, resource: Resource) -> dict[str, str]:
        return {"reference": f"urn:uuid:{resource['id']}"}


def _patient(case: Case, names: _Names) -> Resource:
    gender = {"F": "female", "M": "male"}.get(case.sex or "")
    resource: Resource = {"resourceType": "Patient", "id": names.id("patient")}
    if case.case_id:
        resource["identifier"] = [{"use": "temp", "type": {"text": "Case id"}, "value": case.case_id}]
    return {**resource, **({"gender": gender} if gender else {})}


def _observations(case: Case, names: _Names) -> list[Resource]:
    """Age, the stated findings in their order, and the free text as it stands."""
    found: list[tuple[Resource, dict[str, Any]]] = []
    if case.age is not None:
        age = {"value": round(case.age, 2), "unit": "years", "system": UCUM, "code": "a"}
        found.append((concept("Age", coding(LOINC, "30525-0", "Age")), {"valueQuantity": age}))
    known = load_findings()
    for item in group(case.findings):
        definition = known.get(item.code)
        code = concept(definition.name, coding(DDXPLUS, item.code)) if definition else concept(item.code)
        if not item.present or not item.values:
            found.append((code, {"valueBoolean": item.present}))
        else:
            found += [(code, _value(value, definition)) for value in item.values]
    if case.text.strip():
        found.append((concept("Case description"), {"valueString": case.text.strip()}))
    return [
        {
            "resourceType": "Observation", "id": names.id(f"observation-{i}"), "status": "final", "code": code,
            "subject": names.to("patient"), **value,
        }
        for i, (code, value) in enumerate(found)
    ]  # fmt: skip


def _value(value: str, definition: FindingDef | None) -> dict[str, Any]:
    if definition is not None and value in definition.values:
        return {"valueCodeableConcept": concept(definition.values[value], coding(DDXPLUS, value))}
    if definition is not None and definition.type == "scale" and value.isdecimal() and len(value) <= 2:
        return {"valueInteger": int(value)}
    return {"valueString": value}


def _device(differential: Mapping[str, Any], names: _Names) -> Resource:
    model = differential.get("model", {})
    facts = {f"version of {name}": version for name, version in model.get("versions", {}).items()}
    facts |= {name: value for name, value in model.items() if name == "base" or name.endswith("sha256")}
    device = {
        "resourceType": "Device",
        "id": names.id("device"),
        "status": "active",
        "deviceName": [{"name": str(model.get("id", "model without an id")), "type": "model-name"}],
        "type": {"text": "Artificial intelligence: a language model that writes differential diagnoses"},
        "note": [{"text": NOTICE}],
    }
    versions = [{"type": {"text": name}, "value": str(value)} for name, value in facts.items() if str(value).strip()]
    return {**device, **({"version": versions} if versions else {})}


def _risk_assessment(review: Review, names: _Names, basis: list[dict[str, str]], recorded: str) -> Resource:
    differential = review.differential or {}
    readable = differential.get("status", "ok") not in _UNREADABLE
    rows = [(r["name"], r["icd10"], r["confidence"]) for r in differential["differential"]] if readable else []
    other = differential.get("other") if readable else None
    if other is not None:
        rows.append((SOMETHING_ELSE, None, other))
    meaning = _MEANING[differential.get("semantics", "pathology")]
    resource: Resource = {
        "resourceType": "RiskAssessment",
        "id": names.id("risk-assessment"),
        "meta": {"security": [AI_ASSERTED]},
        "text": _narrative(rows, meaning),
        "status": "cancelled" if not readable else "preliminary" if review.decision == "open" else "final",
        "method": {"text": f"Language model, calibrated confidences. Confidence: {meaning}."},
        "code": {"text": "Differential diagnosis"},
        "subject": names.to("patient"),
        "occurrenceDateTime": recorded,
        "performer": names.to("device"),
    }
    if basis:
        resource["basis"] = basis
    if rows:
        resource["prediction"] = [
            {"outcome": _coded(name, icd10), "probabilityDecimal": round(p, DIGITS)} for name, icd10, p in rows
        ]
    return resource


def _narrative(rows: list[tuple[str, str | None, float]], meaning: str) -> dict[str, str]:
    lines = "".join(f"<li>{html.escape(name)}: {html.escape(percent(p))}</li>" for name, _, p in rows)
    listed = f"<ol>{lines}</ol>" if rows else "<p>No diagnosis could be read in the model's answer.</p>"
    words = f"<p>Written by a model. Each figure: {html.escape(meaning)}. {html.escape(NOTICE)}</p>"
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{words}{listed}</div>'}


def _coded(name: str, icd10: str | None) -> dict[str, Any]:
    """A diagnosis in words, with its ICD-10 code where it has a well-formed one."""
    code = [coding(ICD10, icd10)] if icd10 and ICD10_CODE.fullmatch(icd10) else []
    return concept(name.strip() or "Diagnosis without a name", *code)


def _model_provenance(names: _Names, recorded: str) -> Resource:
    return {
        "resourceType": "Provenance",
        "id": names.id("model-provenance"),
        "target": [names.to("risk-assessment")],
        "recorded": recorded,
        "agent": [{"type": _participant("assembler"), "who": names.to("device")}],
    }


def _condition(kept: Kept, place: int, names: _Names, recorded: str) -> Resource:
    """No clinicalStatus: a differential does not say that a condition is active, and con-3 asks it of problem lists."""
    return {
        "resourceType": "Condition",
        "id": names.id(f"condition-{place}"),
        "verificationStatus": {"coding": [coding(VERIFICATION, "differential", "Differential")]},
        "category": [{"coding": [coding(CONDITION_CATEGORY, "encounter-diagnosis", "Encounter Diagnosis")]}],
        "code": _coded(kept.name, kept.icd10),
        "subject": names.to("patient"),
        "recordedDate": recorded,
    }


def _impression(review: Review, conditions: list[Resource], names: _Names, recorded: str) -> Resource:
    notes = [f"Model's list {'accepted as it stood' if review.decision == 'accepted' else 'overridden'}."]
    if review.reason.strip():
        notes.append(f"Reason: {review.reason.strip()}")
    if review.own:
        notes.append(f"Own list, written before the model's was shown: {'; '.join(review.own)}.")
    notes += [f"Struck off: {s.name}{f' ({s.reason.strip()})' if s.reason.strip() else ''}." for s in review.struck]
    if review.notes.strip():
        notes.append(review.notes.strip())
    resource: Resource = {
        "resourceType": "ClinicalImpression",
        "id": names.id("impression"),
        "status": "completed",
        "description": "Differential diagnosis after review of a model's list",
        "subject": names.to("patient"),
        "date": recorded,
        "note": [{"text": note} for note in notes],
    }
    if conditions:
        resource["finding"] = [{"itemReference": names.refer(c)} for c in conditions]
    return resource


def _clinician_provenance(review: Review, conditions: list[Resource], names: _Names, recorded: str) -> Resource:
    return {
        "resourceType": "Provenance",
        "id": names.id("clinician-provenance"),
        "target": [names.to("impression"), *(names.refer(c) for c in conditions)],
        "recorded": recorded,
        "agent": [{"type": _participant("author"), "who": {"display": review.reviewer.strip() or "Reviewer"}}],
        "entity": [{"role": "source", "what": names.to("risk-assessment")}],
    }


def _participant(code: str) -> dict[str, Any]:
    return {"coding": [coding(PARTICIPANT, code, code.capitalize())]}


def _validated(bundle: Resource) -> Resource:
    """The bundle; a fault here is one of this module."""
    try:
        from fhir.resources.R4B.bundle import Bundle
    except ImportError:
        raise InputError("writing FHIR needs the package fhir.resources: pip install 'ddx[fhir]'") from None
    cleaned: Resource = _writable(bundle)
    Bundle.model_validate(cleaned)
    return cleaned


def _writable(value: Any) -> Any:
    """The same with strings that FHIR can hold: no control characters, and blanks only as space, tab and new line."""
    if isinstance(value, str):
        return _UNWRITABLE.sub(" ", value)
    if isinstance(value, dict):
        return {key: _writable(part) for key, part in value.items()}
    return [_writable(part) for part in value] if isinstance(value, list) else value
