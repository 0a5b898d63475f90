"""FHIR R4B as a table, one row a Patient in the order of the file: a Bundle, or NDJSON of resources and Bundles.

Age comes from birthDate (see `age_on`), sex from gender, the text from Conditions and Observations as
`ddx.scoring.fhir_text` words them; resources of other types are left out. Each resource is checked against FHIR
by `fhir.resources`; a faulty one costs the row of its patient, and no other. References are looked up among the
Patients of the same Bundle (outside Bundles: of the file) and are not followed further.

NDJSON of Bundles is read a line at a time. Resources outside Bundles may stand in any order, so what they say is
held in memory, and a Bundle that is written over several lines is read whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from ddx.errors import InputError
from ddx.scoring.encodings import open_text
from ddx.scoring.fhir_text import day_of, latest_day, sentence
from ddx.scoring.from_jsonl import NotJson, parse_object
from ddx.scoring.table import Record, Table, cell_text

__all__ = ["age_on", "look_at_fhir"]

_HEADER = ("case_id", "age", "sex", "text")
_TYPES = ("string", "double", "string", "string")
_NOT_STATED = ("other", "unknown")  # as far as the model is concerned
_NO_AGE, _PATIENTS, _LOOSE = "no age", "patients", "loose"  # counted beside what is left out


class _Said(NamedTuple):
    """What a Condition or Observation says: a sentence, or a problem; and its day."""

    order: int
    text: str
    day: date | None
    problem: str | None = None


@dataclass
class _Chart:
    """Resources that may refer to each other: what was said by patient, and how often each patient is there."""

    said: dict[str, list[_Said]] = field(default_factory=dict)
    patients: Counter[str] = field(default_factory=Counter)


def look_at_fhir(path: Path, encoding: str, bom: bool, whole: bool, on: date | None) -> Table:
    """The table, read once to its end. `whole`: the file is one JSON document, not one a line.

    Raises InputError without `fhir.resources`, and for a file that holds no Patient.
    """
    _model("Patient")
    tally: Counter[str] = Counter()
    rows = sum(1 for _ in _records(path, encoding, whole, on, True, tally))
    patients, no_age, loose = (tally.pop(name, 0) for name in (_PATIENTS, _NO_AGE, _LOOSE))
    if not patients:
        raise InputError(f"{path}: no Patient in this FHIR file; there is nothing to score")
    notes = tuple(f"left out: {what} ({count})" for what, count in sorted(tally.items()))
    if no_age:
        notes += (f"{no_age} of {patients} patients without age: no birthDate, or no day to count to (--on DATE)",)
    read = partial(_records, path, encoding, whole, on, loose > 0, None)
    return Table(path, "fhir", _HEADER, read, rows, encoding=encoding, bom=bom, on=on, types=_TYPES, notes=notes)


def age_on(born: date, day: date) -> float:
    """Completed years; below two years, years to two decimals. Negative when `born` is later.

    >>> age_on(date(1950, 6, 2), date(2020, 6, 1)), age_on(date(2020, 1, 1), date(2020, 7, 1))
    (69, 0.5)
    """
    years = day.year - born.year - ((day.month, day.day) < (born.month, born.day))
    return years if years >= 2 or years < 0 else round((day - born).days / 365.25, 2)


def _records(
    path: Path, encoding: str, whole: bool, on: date | None, loose: bool, tally: Counter[str] | None
) -> Iterator[Record]:
    """The rows. `loose`: resources may stand outside Bundles. `tally` counts what is left out, and more."""
    counts: Counter[str] = Counter() if tally is None else tally
    rows = _rows(path, encoding, whole, on, loose, counts)
    for number, (values, problem) in enumerate(rows, start=1):
        yield Record(number, [cell_text(value) for value in values], problem, values)


def _rows(
    path: Path, encoding: str, whole: bool, on: date | None, loose: bool, tally: Counter[str]
) -> Iterator[tuple[list[Any], str | None]]:
    outside = _Chart()
    if loose:
        documents = (document for _, document in _documents(path, encoding, whole))
        singles = (d for d in documents if isinstance(d, dict) and d.get("resourceType") not in (None, "Bundle"))
        outside = _chart((("", single) for single in singles), tally)
    for line, document in _documents(path, encoding, whole):
        where = f"line {line}: " if line else ""
        if isinstance(document, str):
            yield _nothing(f"{where}{document}")
        elif document.get("resourceType") == "Bundle":
            entries = list(_entries(document))
            patients = [(url, resource) for url, resource in entries if resource.get("resourceType") == "Patient"]
            chart = _chart(entries, tally)
            if not patients:
                yield _nothing(f"{where}a Bundle without a Patient")
            for url, patient in patients:
                yield _row(url, patient, chart, on, tally)
        elif not isinstance(document.get("resourceType"), str):
            yield _nothing(f"{where}no FHIR resource: resourceType is missing")
        else:
            tally[_LOOSE] += 1
            if document["resourceType"] == "Patient":
                yield _row("", document, outside, on, tally)


def _documents(path: Path, encoding: str, whole: bool) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """(line, object or why it is none); with `whole` the one document, at line 0."""
    with open_text(path, encoding) as handle:
        for line, text in [(0, handle.read())] if whole else enumerate(handle, start=1):
            if text.strip():
                try:
                    yield line, parse_object(text)
                except NotJson as error:
                    if whole:
                        raise InputError(f"{path}: {error}") from None
                    yield line, str(error)


def _entries(bundle: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """(fullUrl, resource) of all entries, those of a Bundle inside the Bundle in its place."""
    waiting: list[Any] = [bundle]
    while waiting:
        item = waiting.pop()
        if not isinstance(item, dict):
            yield "", {}
        elif item.get("resourceType") == "Bundle":
            entries = item.get("entry")
            waiting += reversed(entries) if isinstance(entries, list) else []
        elif isinstance(resource := item.get("resource"), dict) and resource.get("resourceType") == "Bundle":
            waiting.append(resource)
        else:
            url = item.get("fullUrl")
            yield url if isinstance(url, str) else "", resource if isinstance(resource, dict) else {}


def _chart(resources: Iterable[tuple[str, dict[str, Any]]], tally: Counter[str]) -> _Chart:
    chart = _Chart()
    for order, (url, resource) in enumerate(resources):
        kind = resource.get("resourceType")
        if kind == "Patient":
            chart.patients.update(_keys(url, resource))
        elif kind in ("Condition", "Observation"):
            subject = resource.get("subject")
            key = _key(subject.get("reference") if isinstance(subject, dict) else None)
            chart.said.setdefault(key, []).append(_said(order, resource, tally))
        else:
            known = isinstance(kind, str) and kind.isalpha() and len(kind) <= 40
            tally[f"{kind} resources" if known else "entries that are no resource"] += 1
    astray = sum(len(said) for key, said in chart.said.items() if key not in chart.patients)
    if astray:
        tally["Conditions and Observations of nobody in this file"] += astray
    return chart


def _said(order: int, resource: dict[str, Any], tally: Counter[str]) -> _Said:
    fault = _fault(resource)
    if fault:
        return _Said(order, "", None, fault)
    resource = _without_null(resource)
    text = sentence(resource)
    if text is None:
        tally[f"{resource['resourceType']}s without a name or value in words"] += 1
    return _Said(order, text or "", latest_day(resource) if text else None)


def _row(
    url: str, patient: dict[str, Any], chart: _Chart, on: date | None, tally: Counter[str]
) -> tuple[list[Any], str | None]:
    tally[_PATIENTS] += 1
    keys = _keys(url, patient)
    said = sorted(one for key in keys for one in chart.said.get(key, ()))
    fault = _fault(patient) or next((one.problem for one in said if one.problem), None)
    if any(chart.patients[key] > 1 for key in keys):
        fault = "this Patient is there twice, and what is said of one could be said of the other"
    identity = patient.get("id")
    case_id = identity if isinstance(identity, str) else None
    if fault:
        return [case_id, None, None, ""], fault
    born, day = day_of(patient.get("birthDate")), on or max((one.day for one in said if one.day), default=None)
    if day is None or born is None:
        tally[_NO_AGE] += 1
    age = age_on(born, day) if born and day else None
    gender = patient.get("gender")
    return [
        case_id,
        age,
        None if gender in _NOT_STATED else gender,
        " ".join(one.text for one in said if one.text),
    ], None


def _nothing(problem: str) -> tuple[list[Any], str]:
    return [None] * len(_HEADER), problem


def _keys(url: str, patient: dict[str, Any]) -> set[str]:
    """What a Patient may be called by others."""
    identity = patient.get("id")
    named = {f"Patient/{identity}"} if isinstance(identity, str) and identity else set()
    return named | ({_key(url)} if url else set())


def _key(reference: Any) -> str:
    """A reference without its server and version.

    >>> _key("https://example.org/fhir/Patient/7/_history/2"), _key("urn:uuid:1")
    ('Patient/7', 'urn:uuid:1')
    """
    text = reference if isinstance(reference, str) else ""
    _, patient, identity = text.partition("Patient/")
    return f"Patient/{identity.split('/')[0]}" if patient else text


def _fault(resource: dict[str, Any]) -> str | None:
    """Where a resource is not FHIR R4B, without the value that stands there."""
    from pydantic import ValidationError

    kind = resource["resourceType"]
    try:
        _model(kind).model_validate(resource)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part)[:40] for part in (kind, *first["loc"]))
        what = {"missing": "is missing", "extra_forbidden": "is not a field of FHIR R4B"}
        return f"{where} {what.get(first['type'], 'is not as FHIR R4B has it')}"
    except (RecursionError, TypeError, ValueError, AttributeError):  # values its validators are not ready for
        return f"{kind} is not as FHIR R4B has it"
    return None


def _without_null(value: Any) -> Any:
    """JSON without null, which FHIR does not have and `fhir.resources` lets pass."""
    if isinstance(value, dict):
        return {key: _without_null(item) for key, item in value.items() if item is not None}
    return [_without_null(item) for item in value if item is not None] if isinstance(value, list) else value


@cache
def _model(kind: str) -> Any:
    try:
        from importlib import import_module

        return getattr(import_module(f"fhir.resources.R4B.{kind.lower()}"), kind)
    except ImportError:
        raise InputError("reading FHIR needs the package fhir.resources: pip install 'ddx[fhir]'") from None
