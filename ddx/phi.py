"""What in a case's text looks as if it named a person: for a warning before it is stored or sent.

Names after a title or a label, dates of birth and other full dates, telephone numbers, record numbers, e-mail
addresses, postcodes and street addresses, by pattern. Finding nothing does not mean that there is nothing: a name
without a title ("seen with Anna"), a nickname, a workplace or a rare story identifies a person and looks like any other
words. So this warns and never clears; it takes nothing out, and nothing here may be called de-identification.

The patterns are cautious, since a warning that comes with every case is soon not read: eponyms ("Murphy sign", "Crohn's
disease"), doses, measurements ("BP 148/92"), scores ("10/10"), clock times and ages are no suspects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Kind", "Suspect", "looks_like_identifiers", "warning"]

Kind = Literal["email", "record number", "date of birth", "phone", "address", "name", "date"]


@dataclass(frozen=True, slots=True)
class Suspect:
    """A place in a text that looks like an identifier: its kind, and text[span[0]:span[1]]."""

    kind: Kind
    span: tuple[int, int]


def looks_like_identifiers(text: str) -> list[Suspect]:
    """The suspects in a text, in their order; they do not overlap.

    >>> text = "Mr Tarrow, DOB 12/03/1961, seen with BP 148/92."
    >>> [(s.kind, text[slice(*s.span)]) for s in looks_like_identifiers(text)]
    [('name', 'Mr Tarrow'), ('date of birth', '12/03/1961')]
    """
    found: list[Suspect] = []
    for kind, pattern, is_one in _RULES:
        for match in pattern.finditer(text):
            start, end = match.span("it")
            if is_one(match["it"]) and all(end <= s.span[0] or s.span[1] <= start for s in found):
                found.append(Suspect(kind, (start, end)))
    return sorted(found, key=lambda s: s.span)


def warning(suspects: Iterable[Suspect]) -> str:
    """One line for a reader that repeats nothing of the text; "" without suspects.

    >>> warning([Suspect("name", (0, 9)), Suspect("phone", (20, 31)), Suspect("name", (40, 47))])
    'This text may name a person: 2 names, 1 phone number. Other details can identify someone, too.'
    """
    kinds = [s.kind for s in suspects]
    counts = [(kind, kinds.count(kind)) for kind in dict.fromkeys(kinds)]
    parts = [f"{n} {_WORDS[kind][n > 1]}" for kind, n in counts]
    if not parts:
        return ""
    return f"This text may name a person: {', '.join(parts)}. Other details can identify someone, too."


_WORDS: dict[Kind, tuple[str, str]] = {
    "email": ("e-mail address", "e-mail addresses"),
    "record number": ("record number", "record numbers"),
    "date of birth": ("date of birth", "dates of birth"),
    "phone": ("phone number", "phone numbers"),
    "address": ("address", "addresses"),
    "name": ("name", "names"),
    "date": ("full date", "full dates"),
}

# Names: a capitalised word, or initials and particles before one.
_WORD = r"(?:[A-ZÀ-ÖØ-Þ][\w'’]*[a-zß-öø-ÿ](?:-[A-ZÀ-ÖØ-Þ][\w'’]+)?(?!\w))"
_PARTICLE = r"(?:van|von|de|del|della|der|den|di|da|dos|la|le|el|al|bin|ter)"
_PART = rf"(?:{_WORD}|[A-ZÀ-ÖØ-Þ]{{2,}}(?!\w)|[A-ZÀ-ÖØ-Þ]\.|{_PARTICLE})"
_NAME = rf"(?:{_PART} ?){{0,3}}(?:{_WORD}|[A-ZÀ-ÖØ-Þ]{{3,}}(?!\w))"
_TITLE = r"(?:Mr|Mrs|MRS|Ms|Mx|Miss|Mister|Drs?|Doctor|Prof|Professor|Nurse|Señora?|Herr|Frau|Mme|Monsieur|Madame)\b\.?"
_NOT_NAMES = frozenset({
    "unknown", "unstated", "anonymous", "withheld", "redacted", "none", "not", "the", "an", "his", "her", "she", "he",
    "they", "this", "there", "patient", "male", "female", "man", "woman", "boy", "girl", "on", "at", "in", "no", "and",
    "examination", "history", "blood", "pain", "it",
})  # fmt: skip

# Dates with a year of four digits; after "born" two will do.
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_YEAR = r"(?:18[5-9]\d|19\d\d|20[0-4]\d)"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_NUMERIC = rf"{_DAY}[./-]{_DAY}[./-]{_YEAR}|{_YEAR}[./-](?:0?[1-9]|1[0-2])[./-]{_DAY}"
_WORDED = rf"{_DAY}(?:st|nd|rd|th)?(?: of)? {_MONTH},? {_YEAR}|{_MONTH} {_DAY}(?:st|nd|rd|th)?,? {_YEAR}"

_STREETS = (
    "Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Close|Court|Ct|Crescent|Boulevard|Blvd|Way|Terrace|Place|Square|Sq|"
    "Gardens|Grove|Mews|Parkway|Pkwy|Highway|Hwy"
)
_CODE = r"(?P<it>[A-Z]{0,3}[ -]?\d(?:[ /-]?[A-Z]{0,2}\d){3,14}(?:[ -]?[A-Z])?)(?!\w)"


def _any(_: str) -> bool:
    return True


def _is_name(text: str) -> bool:
    words = re.sub(rf"^{_TITLE}\s", "", text).split()
    return bool(words) and words[0].lower().rstrip(".,") not in _NOT_NAMES


def _is_two_names(text: str) -> bool:
    return _is_name(text) and len(text.split()) > 1


def _has_digits(least: int, most: int = 15) -> Callable[[str], bool]:
    return lambda text: least <= sum(c.isdigit() for c in text) <= most


def _is_nhs_number(text: str) -> bool:
    """The check digit of the British NHS number, modulo 11."""
    digits = [int(c) for c in text if c.isdigit()]
    check = 11 - sum(d * w for d, w in zip(digits, range(10, 1, -1), strict=False)) % 11
    return len(digits) == 10 and digits[9] == check % 11 and check != 10


def _compiled(pattern: str, flags: int = 0) -> re.Pattern[str]:
    return re.compile(pattern if "(?P<it>" in pattern else f"(?P<it>{pattern})", flags)


_RULES: tuple[tuple[Kind, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("email", _compiled(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), _any),
    (
        "record number",
        _compiled(r"\b[ABCEGHJ-PRSTW-Z][ABCEGHJ-NPRSTW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]\b"),
        _any,
    ),  # British national insurance
    # labelled numbers, with a label that says so alone, or one that needs "number" or a sign after it
    (
        "record number",
        _compiled(
            r"\b(?i:mrn|m\.r\.n\.|nhs|ssn|social security|nino|medicare|medicaid|passport|chi|urn|nhi)"
            rf"(?i:\s?(?:number|num|no|nr|id|#))?\.?\s?[:#=]?\s?{_CODE}"
        ),
        _has_digits(4, 18),
    ),
    (
        "record number",
        _compiled(
            r"\b(?i:(?:medical |health |patient |hospital )?record|hospital|patient|pt|chart|file|account|accession|"
            rf"encounter|insurance|policy|member|licen[cs]e)\s(?i:number|num|no|nr|id|identifier|#)\.?\s?[:#=]?\s?{_CODE}"
        ),
        _has_digits(4, 18),
    ),
    # United States social security, and the British NHS
    ("record number", _compiled(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w-])"), _any),
    ("record number", _compiled(r"(?<![\d.,+/-])\d{3}[ -]?\d{3}[ -]?\d{4}(?![\d.,/-]?\d)"), _is_nhs_number),
    (
        "date of birth",
        _compiled(
            r"\b(?:d\.?o\.?b\.?|date of birth|birth ?date|born(?: on)?|geb\.)\s?[:=]?\s?(?:the )?"
            rf"(?P<it>{_NUMERIC}|{_WORDED}|{_DAY}[./-]{_DAY}[./-]\d\d)(?!\d)",
            re.IGNORECASE,
        ),
        _any,
    ),
    (
        "phone",
        _compiled(
            r"\b(?i:tel(?:ephone)?|phone|mob(?:ile)?|cell|fax|pager|call(?:ed)?(?: (?:back )?(?:on|at))?)"
            r"(?i:\s(?:number|no|nr))?\.?\s?[:#]?\s?(?P<it>\+?\(?\d[\d ()./-]{5,}\d)(?!\w)"
        ),
        _has_digits(7),
    ),
    (
        "phone",
        _compiled(
            r"(?<![\w.,/+-])(?:"
            r"(?:\+|00)[1-9]\d{0,2}[ ./-]?(?:\(0?\d{1,5}\)[ ./-]?)?\d{1,5}(?:[ ./-]?\d{2,5}){1,5}"  # country code
            r"|(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[.-]\d{4}"  # North America
            r"|\(?0\d{1,5}\)?(?:[ ./-]\d{2,8}){1,5}|0\d{9,10}"  # national, with its 0
            r")(?![\w/]|[.,-]\d)"
        ),
        _has_digits(9),
    ),
    (
        "address",
        _compiled(rf"\b\d{{1,5}}[A-Za-z]?,? (?:{_WORD} ){{1,3}}(?:{_STREETS})\b\.?"),
        _any,
    ),
    (  # British, with its space; North American, with the town and state before it
        "address",
        _compiled(
            r"\b[A-PR-UWYZ][A-HK-Y]?\d[A-HJKPSTUW\d]? \d[ABD-HJLNP-UW-Z]{2}\b"
            rf"|\b{_WORD}(?: {_WORD})?, [A-Z]{{2}} \d{{5}}(?:-\d{{4}})?\b"
        ),
        _any,
    ),
    ("name", _compiled(rf"\b{_TITLE}\s{_NAME}"), _is_name),
    (
        "name",
        _compiled(
            r"\b(?i:(?:patient(?:'s)?|full|first|last|family|given)[ -]?name|name|surname|next of kin|nok|my name is|"
            rf"named)(?:\s?[:=]\s?|\s)(?P<it>{_NAME})"
        ),
        _is_name,
    ),
    ("name", _compiled(rf"\b(?i:patient|pt|re|signed(?: by)?|referred by|gp)\s?[:=]\s?(?P<it>{_NAME})"), _is_two_names),
    ("date", _compiled(rf"(?<![\w./-])(?:{_NUMERIC}|{_WORDED})(?![\w/-]|[.]\d)", re.IGNORECASE), _any),
)
