"""Numbers and cases as the exports write them."""

from __future__ import annotations

from datetime import datetime

from ddx.case import Case, Finding
from ddx.errors import InputError
from ddx.vignette import group, write_items

__all__ = ["age_words", "aware", "case_line", "finding_words", "when_words"]

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip  # not calendar.month_name: it follows the locale


def age_words(age: float | None) -> str:
    """An age as read aloud.

    >>> age_words(58.0), age_words(0.33), age_words(1.0), age_words(None)
    ('58 years', '4 months', '1 year', 'age not stated')
    """
    if age is None:
        return "age not stated"
    if age < 2 and age != int(age):
        months = round(age * 12)
        return f"{months} month{'s' * (months != 1)}"
    return f"{int(age)} year{'s' * (int(age) != 1)}"


def case_line(case: Case) -> str:
    """Age and sex in one line."""
    return f"{age_words(case.age)}, {({'F': 'female', 'M': 'male'}).get(case.sex or '', 'sex not stated')}"


def finding_words(findings: tuple[Finding, ...], case: Case) -> str:
    """Structured findings as a note; "" without any.

    >>> finding_words((Finding("E_201"), Finding("E_91", False)), Case(text="x"))
    'Cough; no fever.'
    """
    items = group(findings)
    return " ".join(write_items(items, case, "terse", None)) if items else ""


def aware(when: datetime) -> datetime:
    """`when`, to whole seconds; InputError if it has no time zone, without which another system can't read it."""
    if when.tzinfo is None or when.utcoffset() is None:
        raise InputError("the time of an export needs a time zone, such as datetime.now(timezone.utc)")
    return when.replace(microsecond=0)


def when_words(when: datetime) -> str:
    """A time as a person reads it.

    >>> from datetime import timezone
    >>> when_words(datetime(2026, 3, 5, 14, 2, tzinfo=timezone.utc))
    '5 March 2026, 14:02 UTC'
    """
    zone = when.strftime("%Z") or when.strftime("%z")
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}, {when:%H:%M} {zone}".strip()
