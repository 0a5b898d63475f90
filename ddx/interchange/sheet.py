"""What stands on the page of a review, in words and numbers, for the HTML and for the PDF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ddx.differential import NOTICE, percent
from ddx.interchange.words import aware, case_line, finding_words, when_words
from ddx.review import Kept, Review
from ddx.vocabulary import load_vocabulary

__all__ = ["Line", "Sheet", "sheet_of"]

SOMETHING_ELSE = "Something else"
_READING = {
    "pathology": "Each figure is the chance that this is the patient's condition; with something else they add up to "
    "100 %.",
    "membership": "Each figure is the chance that the diagnosis belongs on the list; there is no sum rule.",
}
_STATUS = {
    "partial": "Only part of the model's answer could be read; diagnoses may be missing.",
    "truncated": "The model's answer was cut off; the last diagnoses may be missing.",
    "empty": "No diagnosis could be read in the model's answer.",
    "failed": "The model gave no answer.",
}
_DECISION = {
    "open": "Open: not decided yet",
    "accepted": "Accepted: the model's list as it stood, in its order",
    "overridden": "Overridden: the clinician's list stands",
}


@dataclass(frozen=True)
class Line:
    """One diagnosis of a list.

    `place` is its rank ("" for something else), `code` its ICD-10 code in words, `confidence` the model's in [0, 1] or
    None, `note` what else is said of it. `speaks_for` and `against` are parts of the case, where they were given.
    """

    place: str
    name: str
    code: str = ""
    confidence: float | None = None
    must_not_miss: bool = False
    note: str = ""
    speaks_for: tuple[str, ...] = ()
    against: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        """The confidence as a percent; "" without one."""
        return "" if self.confidence is None else percent(self.confidence)


@dataclass(frozen=True)
class Sheet:
    """All of a page. `own` is None where the clinician's own list was not asked for; `facts` say how it was made."""

    review_id: str
    when: str
    reviewer: str
    case_id: str
    case_line: str
    findings: str
    text: str
    own: tuple[str, ...] | None
    model: tuple[Line, ...]
    model_problem: str
    reading: str
    kept: tuple[Line, ...]
    must_not_miss: str
    struck: tuple[tuple[str, str], ...]
    decision: str
    reason: str
    notes: str
    facts: tuple[tuple[str, str], ...]
    notice: str = NOTICE


def sheet_of(review: Review, when: datetime) -> Sheet:
    """The page of a review, which may still be open or without a model's list.

    `when` is the time to print on it, with a time zone; InputError without one. Evidence stands in
    `review.meta["evidence"]`, if at all: for a diagnosis's key or name, lists of words under "for" and "against".
    """
    listed: Mapping[str, Any] = review.differential or {}
    rows: Sequence[Mapping[str, Any]] = listed.get("differential", ())
    evidence = review.meta.get("evidence")
    model = [_model_line(row, place, evidence) for place, row in enumerate(rows, start=1)]
    if rows and listed.get("other") is not None:
        model.append(Line("", SOMETHING_ELSE, "any condition that is not listed", listed["other"]))
    urgent = {_identity(row.get("key"), row["name"]) for row in rows if row.get("must_not_miss")}
    problem = _STATUS.get(listed.get("status", "ok"), "") if listed else "The model has not been asked yet."
    return Sheet(
        review_id=review.review_id,
        when=when_words(aware(when)),
        reviewer=review.reviewer.strip(),
        case_id=review.case.case_id,
        case_line=case_line(review.case),
        findings=finding_words(review.case.findings, review.case),
        text=review.case.text.strip(),
        own=review.own,
        model=tuple(model),
        model_problem=problem,
        reading=_READING[listed.get("semantics", "pathology")] if rows else "",
        kept=tuple(_kept_line(kept, place, urgent) for place, kept in enumerate(review.kept, start=1)),
        must_not_miss=_must_not_miss(review, urgent),
        struck=tuple((s.name, s.reason.strip() or "no reason given") for s in review.struck),
        decision=_DECISION[review.decision],
        reason=review.reason.strip(),
        notes=review.notes.strip(),
        facts=tuple(_facts(listed.get("model", {}))),
    )


def _model_line(row: Mapping[str, Any], place: int, evidence: Any) -> Line:
    given = evidence.get(_identity(row.get("key"), row["name"])) if isinstance(evidence, Mapping) else None
    given = given if isinstance(given, Mapping) else {}
    return Line(
        str(place), row["name"], _code(row.get("icd10")), row["confidence"], bool(row.get("must_not_miss")),
        speaks_for=_words(given.get("for")), against=_words(given.get("against")),
    )  # fmt: skip


def _kept_line(kept: Kept, place: int, urgent: set[str]) -> Line:
    note = "added by the clinician" if kept.source == "clinician" else ""
    return Line(str(place), kept.name, _code(kept.icd10), kept.confidence, _is_urgent(kept, urgent), note)


def _must_not_miss(review: Review, urgent: set[str]) -> str:
    """In words: what of the kept list must not be missed, and what of that kind was struck off."""
    kept = [k.name for k in review.kept if _is_urgent(k, urgent)]
    struck = [s.name for s in review.struck if _identity(s.key, s.name) in urgent]
    words = [f"Must not miss: {', '.join(kept)}." if kept else "Nothing on the list is marked as must not miss."]
    if struck:
        words.append(f"Struck off although marked as must not miss: {', '.join(struck)}.")
    return " ".join(words)


def _is_urgent(kept: Kept, urgent: set[str]) -> bool:
    """Of the model's lines as marked there; what was added is looked up in the vocabulary."""
    if _identity(kept.key, kept.name) in urgent:
        return True
    return kept.key is not None and any(c.key == kept.key and c.must_not_miss for c in load_vocabulary())


def _facts(model: Mapping[str, Any]) -> list[tuple[str, str]]:
    facts = [("model", str(model["id"]))] if model.get("id") else []
    facts += [(name, str(value)) for name, value in model.items() if name == "base" or name.endswith("sha256")]
    versions = ", ".join(f"{name} {version}" for name, version in model.get("versions", {}).items())
    return [*facts, ("versions", versions)] if versions else facts


def _code(icd10: str | None) -> str:
    return f"ICD-10 {icd10}" if icd10 else "no ICD-10 code"


def _identity(key: str | None, name: str) -> str:
    return name if key is None else key


def _words(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list | tuple) else ()
