"""A differential as a CDS Hooks 2.0 card: something to read, with no suggestion that would act by itself.

Fields and limits as the specification's card attributes have them: a summary of one sentence in fewer than 140
characters, a detail in GitHub Flavored Markdown, an indicator. The indicator is "warning" where the list holds a
condition that must not be missed and "info" otherwise; "critical" would claim an urgency that nothing has measured.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from ddx.differential import NOTICE, Differential, percent
from ddx.errors import InputError
from ddx.review import Review

__all__ = ["OVERRIDE_REASONS", "SUMMARY", "to_card"]

SUMMARY = 139  # characters; the specification says fewer than 140
OVERRIDE_REASONS = (
    ("does-not-fit", "The list does not fit the findings"),
    ("missing-condition", "A condition that matters is missing from the list"),
    ("already-considered", "Everything on the list has been considered already"),
    ("case-incomplete", "The case was entered incompletely or wrongly"),
    ("not-relevant", "Not relevant at this point of care"),
)
_MEANING = {
    "pathology": "Each figure is the chance that this is the patient's condition; with something else they add up to "
    "100 %.",
    "membership": "Each figure is the chance that the diagnosis belongs on the list; there is no sum rule.",
}
_SPECIAL = re.compile(r"([!-/:-@\[-`{-~])")  # the ASCII punctuation that Markdown lets a backslash escape

_ADDRESS = re.compile(r"://|www\.|@", re.IGNORECASE)


def to_card(subject: Review | Differential | Mapping[str, Any]) -> dict[str, Any]:
    """The card of a model's list, as JSON-like data: of a review, a Differential, or its JSON form.

    A review that has been decided gives the same card: it shows what the model wrote. Raises InputError where there
    is no model output yet. The card has the same uuid whenever it is made of the same list.
    """
    differential = _json_form(subject)
    rows = differential["differential"]
    urgent = [r for r in rows if r.get("must_not_miss")]
    return {
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"urn:ddx:card:{_identity(subject, differential)}")),
        "summary": _summary(rows, urgent),
        "indicator": "warning" if urgent else "info",
        "detail": _detail(differential, rows, urgent),
        "source": {"label": f"ddx, model {differential.get('model', {}).get('id') or 'without an id'}"},
        "overrideReasons": [{"code": code, "display": words} for code, words in OVERRIDE_REASONS],
    }


def escaped(text: str) -> str:
    """Text as Markdown that shows it word for word, on one line: no markup, link, image or HTML.

    >>> print(escaped("<b>*K65*</b> [x](y)"))
    \\<b\\>\\*K65\\*\\<\\/b\\> \\[x\\]\\(y\\)
    """
    line = " ".join(text.split())
    if _ADDRESS.search(line):  # GitHub makes links of addresses even where they are escaped, but not in code
        fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
        return f"{fence} {line} {fence}"
    return _SPECIAL.sub(r"\\\1", line)


def _json_form(subject: Review | Differential | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(subject, Differential):
        return subject.to_dict()
    if isinstance(subject, Review):
        if subject.differential is None:
            raise InputError(f"review {subject.review_id}: there is no model output to show yet")
        return subject.differential
    return subject


def _identity(subject: Any, differential: Mapping[str, Any]) -> str:
    if isinstance(subject, Review):
        return f"review:{subject.review_id}"
    return json.dumps(differential, sort_keys=True, default=str)


def _summary(rows: Sequence[Mapping[str, Any]], urgent: Sequence[Mapping[str, Any]]) -> str:
    """As many of the list as fit, the first one first; and that something must not be missed."""
    if not rows:
        return "No diagnosis could be read in the model's answer."
    warning = f" Must not miss: {len(urgent)} on the list." if urgent else ""
    parts = [f"{' '.join(r['name'].split())} {percent(r['confidence'])}" for r in rows]
    for n in range(len(parts), 0, -1):
        more = f" and {len(parts) - n} more" if n < len(parts) else ""
        text = f"Consider {', '.join(parts[:n])}{more}.{warning}"
        if len(text) <= SUMMARY:
            return text
    return f"Consider {' '.join(rows[0]['name'].split())[:80]}… and the rest of the list.{warning}"[:SUMMARY]


def _detail(
    differential: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], urgent: Sequence[Mapping[str, Any]]
) -> str:
    lines = [f"{i}. {_line(r)}" for i, r in enumerate(rows, start=1)]
    if rows and differential.get("other") is not None:
        lines.append(f"\nSomething else, not listed: {percent(differential['other'])}")
    if urgent:
        lines.append(f"\nMust not miss: {', '.join(escaped(r['name']) for r in urgent)}.")
    if differential.get("status", "ok") in ("partial", "truncated"):
        lines.append("\nOnly part of the model's answer could be read; diagnoses may be missing.")
    if rows:
        lines.append(f"\n{_MEANING[differential.get('semantics', 'pathology')]}")
    return "\n".join([*lines, f"\n_{NOTICE}_"]).strip()


def _line(row: Mapping[str, Any]) -> str:
    code = f" (ICD-10 {escaped(row['icd10'])})" if row.get("icd10") else ""
    mark = " **must not miss**" if row.get("must_not_miss") else ""
    return f"{escaped(row['name'])}{code}: {percent(row['confidence'])}{mark}"
