"""One page for one review: self-contained HTML that prints on A4, and the same as PDF."""

from __future__ import annotations

from datetime import datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from ddx.errors import InputError
from ddx.interchange.sheet import sheet_of
from ddx.review import Review

__all__ = ["to_html", "to_pdf"]


def to_html(review: Review, when: datetime) -> str:
    """The page as HTML that fetches nothing. Everything that a person or a model wrote is escaped.

    `when` is the time to print on it, with a time zone; InputError without one.
    """
    page = _environment().get_template("review.html.jinja")
    return page.render(sheet=sheet_of(review, when))


def to_pdf(review: Review, when: datetime) -> bytes:
    """The page as a PDF, A4, the same bytes for the same review and time; a long case goes on to a second page.

    Latin, Greek and Cyrillic letters and the usual signs are drawn; scripts that need shaping (Arabic, Devanagari)
    stand letter by letter, and Chinese, Japanese and Korean as empty boxes: the HTML has them right. Raises InputError
    without a time zone, and where `reportlab` and `pymupdf-fonts` (the extra `app`) are missing.
    """
    try:
        from ddx.interchange.pdf import draw
    except ImportError as error:
        raise InputError(f"writing a PDF needs the package {error.name}: pip install 'ddx[app]'") from None
    return draw(sheet_of(review, when))


@cache
def _environment() -> Environment:
    loader = PackageLoader("ddx.interchange", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
