"""What `fhir.resources` does not check of a Bundle: value sets, invariants, references, and rules of this project.

Each rule is a line in words, so that a failing export says what is wrong with it, without the case's text.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from ddx.interchange.terms import (
    AI_ASSERTED,
    CLINICAL,
    CONDITION_CATEGORY,
    ICD10,
    ICD10_CODE,
    OBSERVATION_VALUE,
    PARTICIPANT,
    REQUIRED,
    VERIFICATION,
)

__all__ = ["check"]

Resource = Mapping[str, Any]
MOST_DECIMALS = 4  # of a probability: more would claim a precision that no confidence has
_OVER = ("inactive", "resolved", "remission")
_NAMELESS = ("name", "telecom", "address", "birthDate", "photo", "contact")
_STATUSES = ("RiskAssessment", "Observation", "ClinicalImpression", "Device")


def check(bundle: Resource) -> list[str]:
    """What is wrong with a bundle, a line each, [] if nothing.

    Structure by `fhir.resources` first; where that fails nothing else is looked at.
    """
    fault = _structure(bundle)
    if fault:
        return [fault]
    entries = bundle.get("entry", [])
    return [
        *_bundle(bundle, entries),
        *(f"{r['resourceType']} {r.get('id', '?')}: {p}" for r in map(_resource, entries) for p in _problems(r)),
        *_provenances([_resource(e) for e in entries]),
    ]


def _structure(bundle: Resource) -> str | None:
    from fhir.resources.R4B.bundle import Bundle
    from pydantic import ValidationError

    try:
        Bundle.model_validate(bundle)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        return f"not FHIR R4B: {'.'.join(str(part)[:40] for part in first['loc'])} ({first['type']})"
    except (TypeError, ValueError, AttributeError):  # values that its validators are not ready for
        return "not FHIR R4B"
    return None


def _bundle(bundle: Resource, entries: Sequence[Resource]) -> Iterator[str]:
    if bundle.get("type") not in REQUIRED["Bundle.type"]:
        yield f"Bundle.type {bundle.get('type')!r} is not collection"
    urls = [entry.get("fullUrl", "") for entry in entries]
    if len(set(urls)) < len(urls):
        yield "two entries have the same fullUrl"
    for url, entry in zip(urls, entries, strict=True):
        if not _is_uuid_url(url):
            yield f"fullUrl {url!r} is not a urn:uuid"
        elif _resource(entry).get("id") != url.removeprefix("urn:uuid:"):
            yield f"the resource at {url} has another id"
    known = set(urls)
    for path, reference in _references(entries, "entry"):
        if reference not in known:
            yield f"{path}: the reference leads out of the bundle"


def _problems(r: Resource) -> Iterator[str]:
    kind = r["resourceType"]
    if kind in _STATUSES and r.get("status") not in REQUIRED[f"{kind}.status"]:
        yield f"status {r.get('status')!r} is not in its value set"
    for path, code in _codings(r, ""):
        yield from _coding(path, code)
    yield from {
        "Condition": _condition,
        "RiskAssessment": _risk,
        "Patient": _patient,
        "Provenance": _provenance,
        "Device": _device,
        "Observation": _observation,
    }.get(kind, lambda r: iter(()))(r)


def _coding(path: str, code: Resource) -> Iterator[str]:
    system, value = code.get("system"), code.get("code")
    if not system or not value:
        yield f"{path}: a coding without system or code"
    elif system == ICD10 and not ICD10_CODE.fullmatch(value):
        yield f"{path}: {value!r} is not a WHO ICD-10 code"
    elif system in REQUIRED and value not in REQUIRED[system]:
        yield f"{path}: {value!r} is not a code of {system}"


def _condition(r: Resource) -> Iterator[str]:
    verification, clinical = _codes(r, "verificationStatus"), _codes(r, "clinicalStatus")
    category = {code for c in r.get("category", []) for code in _codes({"x": c}, "x")}
    yield from _system(r, "verificationStatus", VERIFICATION)
    yield from _system(r, "clinicalStatus", CLINICAL)
    for concept in r.get("category", []):
        yield from _system({"category": concept}, "category", CONDITION_CATEGORY)
    if "differential" not in verification:
        yield "verificationStatus is not differential"
    if "entered-in-error" not in verification and "problem-list-item" in category and not clinical:
        yield "con-3: a problem list item needs a clinicalStatus"
    if any(name.startswith("abatement") for name in r) and not clinical & set(_OVER):
        yield "con-4: what has abated is inactive, resolved or in remission"
    if "entered-in-error" in verification and clinical:
        yield "con-5: what was entered in error has no clinicalStatus"
    if not r.get("code"):
        yield "a condition without a name"


def _risk(r: Resource) -> Iterator[str]:
    for i, prediction in enumerate(r.get("prediction", [])):
        p = prediction.get("probabilityDecimal")
        where = f"prediction {i}"
        if p is None:
            yield f"{where} has no probability"
        elif not 0 <= p <= 1:
            yield f"{where}: probability {p} is outside 0 to 1"
        elif abs(float(p) - round(float(p), MOST_DECIMALS)) > 1e-12:
            yield f"{where}: probability with more than {MOST_DECIMALS} decimals"
        outcome = prediction.get("outcome") or {}
        if not outcome.get("text") and not outcome.get("coding"):
            yield f"{where} has no outcome in words or codes"
    labels = [(s.get("system"), s.get("code")) for s in r.get("meta", {}).get("security", [])]
    if (OBSERVATION_VALUE, AI_ASSERTED["code"]) not in labels:
        yield "the security label AIAST is missing"
    for name in ("note", "mitigation"):
        if r.get(name):
            yield f"{name} is not for what a model wrote"


def _patient(r: Resource) -> Iterator[str]:
    if r.get("gender", "unknown") not in REQUIRED["Patient.gender"]:
        yield f"gender {r['gender']!r} is not in its value set"
    for name in _NAMELESS:
        if r.get(name):
            yield f"{name} identifies a person"


def _provenance(r: Resource) -> Iterator[str]:
    for i, agent in enumerate(r.get("agent", [])):
        if not _codes(agent, "type"):
            yield f"agent {i} has no type"
        yield from _system(agent, "type", PARTICIPANT)
    for entity in r.get("entity", []):
        if entity.get("role") not in REQUIRED["Provenance.entity.role"]:
            yield f"entity role {entity.get('role')!r} is not in its value set"
    if not _instant(r.get("recorded")):
        yield "recorded is no instant with a time zone"


def _device(r: Resource) -> Iterator[str]:
    for name in r.get("deviceName", []):
        if name.get("type") not in REQUIRED["Device.deviceName.type"]:
            yield f"deviceName type {name.get('type')!r} is not in its value set"
    if not r.get("deviceName") or not r.get("version"):
        yield "a model without a name or a version"


def _observation(r: Resource) -> Iterator[str]:
    if not any(name.startswith("value") for name in r):
        yield "an observation without a value"


def _provenances(resources: Sequence[Resource]) -> Iterator[str]:
    """What the model wrote has a Provenance whose agent is its Device."""
    told = {
        (target.get("reference"), agent.get("who", {}).get("reference"))
        for r in resources
        if r.get("resourceType") == "Provenance"
        for target in r.get("target", [])
        for agent in r.get("agent", [])
    }
    for r in resources:
        if r.get("resourceType") == "RiskAssessment":
            device = r.get("performer", {}).get("reference")
            if (f"urn:uuid:{r.get('id')}", device) not in told:
                yield f"RiskAssessment {r.get('id')}: no Provenance names the model as its agent"


def _system(r: Resource, name: str, system: str) -> Iterator[str]:
    for code in (r.get(name) or {}).get("coding", []):
        if code.get("system") != system:
            yield f"{name}: the system is not {system}"


def _codes(r: Resource, name: str) -> set[str]:
    return {code.get("code", "") for code in (r.get(name) or {}).get("coding", [])}


def _codings(value: Any, path: str) -> Iterator[tuple[str, Resource]]:
    """Every Coding below `value`, and where it stands."""
    for name, part in _parts(value):
        where = f"{path}.{name}".lstrip(".")
        if name in ("coding", "security") and isinstance(part, list):
            yield from ((where, code) for code in part)
        else:
            yield from _codings(part, where)


def _references(value: Any, path: str) -> Iterator[tuple[str, str]]:
    for name, part in _parts(value):
        if name == "reference" and isinstance(part, str):
            yield path, part
        else:
            yield from _references(part, f"{path}.{name}")


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _resource(entry: Resource) -> Resource:
    resource: Resource = entry.get("resource", {})
    return resource


def _is_uuid_url(url: str) -> bool:
    if not re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", url):
        return False
    try:
        return str(uuid.UUID(url.removeprefix("urn:uuid:"))) == url.removeprefix("urn:uuid:")
    except ValueError:
        return False


def _instant(text: Any) -> bool:
    try:
        return datetime.fromisoformat(str(text)).tzinfo is not None
    except ValueError:
        return False
