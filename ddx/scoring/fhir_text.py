"""What FHIR Conditions and Observations say, in plain sentences of our own; and the day they say it of.

The resources are JSON objects that have been found valid. Nothing is inferred: a name is what `text` or a coding's
`display` gives, and a bare code without either can't be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from ddx.scoring.table import cell_text

__all__ = ["day_of", "latest_day", "sentence"]

Resource = Mapping[str, Any]
_POSSIBLE = {"unconfirmed", "provisional", "differential"}
_PAST = {"inactive", "remission", "resolved"}
_VOID = {"entered-in-error", "cancelled"}
_DAYS = ("recordedDate", "onsetDateTime", "effectiveDateTime", "effectiveInstant", "issued")
_PERIODS = ("onsetPeriod", "effectivePeriod")


def sentence(resource: Resource) -> str | None:
    """One sentence; "" for what is void (entered in error), None for what has no name or value that can be read.

    >>> sentence({"resourceType": "Condition", "code": {"text": "Chest pain"}})
    'Chest pain.'
    >>> refuted = {"coding": [{"code": "refuted"}]}
    >>> sentence({"resourceType": "Condition", "code": {"text": "Fever"}, "verificationStatus": refuted})
    'No Fever.'
    """
    return _condition(resource) if resource["resourceType"] == "Condition" else _observation(resource)


def day_of(text: Any) -> date | None:
    """The day of a FHIR date; the middle of the year or month where only that is known; None where there is none.

    >>> day_of("2020-02"), day_of("2020-02-03T10:00:00Z"), day_of(None)
    (datetime.date(2020, 2, 15), datetime.date(2020, 2, 3), None)
    """
    parts = str(text or "").split("T")[0].split("-")
    try:
        numbers = [int(part) for part in parts]
        return date(*numbers, *((7, 1), (15,), ())[len(numbers) - 1])
    except (ValueError, IndexError):
        return None


def latest_day(resource: Resource) -> date | None:
    """The last day that a Condition or Observation names for itself."""
    texts = [resource.get(name) for name in _DAYS]
    for name in _PERIODS:
        texts += [resource.get(name, {}).get(end) for end in ("start", "end")]
    return max((day for day in map(day_of, texts) if day), default=None)


def _condition(resource: Resource) -> str | None:
    name, verified = _name(resource.get("code")), _codes(resource.get("verificationStatus"))
    if verified & _VOID:
        return ""
    if not name:
        return None
    details = [_name(concept) for concept in [*resource.get("bodySite", ()), resource.get("severity")]]
    named = ", ".join([name, *filter(None, details)])
    if "refuted" in verified:
        return f"No {named}."
    if verified & _POSSIBLE:
        return f"Possible {named}."
    return f"History of {named}." if _codes(resource.get("clinicalStatus")) & _PAST else f"{named}."


def _observation(resource: Resource) -> str | None:
    if resource.get("status") in _VOID or (resource.get("hasMember") and not _value(resource)):
        return ""  # the members speak for themselves
    name, value = _name(resource.get("code")), _result(resource)
    parts = [(_name(part.get("code")), _result(part)) for part in resource.get("component", ())]
    listed = ", ".join(f"{label} {result}" for label, result in parts if label and result)
    if not name or not (value or listed):
        return None
    if resource.get("valueBoolean") is False:
        return f"No {name}."
    return f"{name}: {', '.join(filter(None, [value, listed]))}."


def _result(resource: Resource) -> str:
    """A value with its interpretation, such as "39.5 Cel (High)"."""
    value = _value(resource)
    meanings = ", ".join(filter(None, (_name(concept) for concept in resource.get("interpretation", ()))))
    return f"{value} ({meanings})" if value and meanings else value or meanings


def _value(resource: Resource) -> str:
    if isinstance(yes := resource.get("valueBoolean"), bool):
        return "yes" if yes else "no"
    if "valueRange" in resource:
        ends = [_quantity(resource["valueRange"].get(end)) for end in ("low", "high")]
        return " to ".join(filter(None, ends))
    if "valueRatio" in resource:
        return "/".join(_quantity(resource["valueRatio"].get(part)) for part in ("numerator", "denominator")).strip("/")
    plain = next(
        (resource[n] for n in ("valueString", "valueInteger", "valueDateTime", "valueTime") if n in resource), ""
    )
    return _quantity(resource.get("valueQuantity")) or _name(resource.get("valueCodeableConcept")) or cell_text(plain)


def _quantity(quantity: Any) -> str:
    if not quantity or quantity.get("value") is None:
        return ""
    unit = quantity.get("unit") or quantity.get("code") or ""
    return f"{quantity.get('comparator', '')}{cell_text(quantity['value'])} {unit}".strip()


def _name(concept: Any) -> str:
    """What a CodeableConcept is called."""
    if not concept:
        return ""
    displays = (coding.get("display") for coding in concept.get("coding", ()))
    return (concept.get("text") or next(filter(None, displays), "")).strip()


def _codes(concept: Any) -> set[str]:
    return {coding.get("code", "") for coding in (concept or {}).get("coding", ())}
