"""A page of a review drawn as PDF with ReportLab, which is pure Python, in FiraGO, which `pymupdf-fonts` brings."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from typing import Any

from pymupdf_fonts import myfont
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table

from ddx.interchange.sheet import Line, Sheet

__all__ = ["draw"]

MARGIN = 14 * mm
WIDTH = A4[0] - 2 * MARGIN
PADDING = 6  # points that ReportLab's frame takes inside the margins
INK, MUTED, RULE, SOFT, BAR, ALARM = map(
    HexColor, ("#16262b", "#4d5f65", "#d5e0e1", "#f3f7f7", "#0f766e", "#b3261e")
)  # those of the HTML
PLAIN, BOLD = "FiraGO", "FiraGO-Bold"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def draw(sheet: Sheet) -> bytes:
    """The page as the bytes of a PDF, the same for the same sheet."""
    _fonts()
    file = BytesIO()
    document = SimpleDocTemplate(
        file, pagesize=A4, leftMargin=MARGIN - PADDING, rightMargin=MARGIN - PADDING, topMargin=MARGIN - PADDING,
        bottomMargin=MARGIN, title=f"Differential diagnosis, review {sheet.review_id}", author="ddx", lang="en",
        displayDocTitle=True, invariant=1, pageCompression=1,
    )  # fmt: skip

    def foot(canvas: Any, doc: Any) -> None:
        canvas.setFont(PLAIN, 7)
        canvas.setFillColor(MUTED)
        canvas.drawString(MARGIN, 8 * mm, sheet.notice)
        canvas.drawRightString(A4[0] - MARGIN, 8 * mm, f"page {doc.page}")

    document.build(_story(sheet), onFirstPage=foot, onLaterPages=foot)
    return file.getvalue()


@cache
def _fonts() -> None:
    for name, code in ((PLAIN, "figo"), (BOLD, "figbo")):
        pdfmetrics.registerFont(TTFont(name, BytesIO(myfont(code))))
    pdfmetrics.registerFontFamily(PLAIN, normal=PLAIN, bold=BOLD, italic=PLAIN, boldItalic=BOLD)


@cache
def _style(size: float, muted: bool = False, bold: bool = False, before: float = 0) -> ParagraphStyle:
    return ParagraphStyle(
        "", fontName=BOLD if bold else PLAIN, fontSize=size, leading=1.28 * size, spaceBefore=before,
        textColor=MUTED if muted else INK, splitLongWords=1,
    )  # fmt: skip


def _text(words: str) -> str:
    """Words as a paragraph's markup: nothing in them is taken for a tag, and lines stay lines."""
    return html.escape(_CONTROL.sub(" ", words), quote=False).replace("\n", "<br/>")


def _p(words: str, size: float = 9, **style: Any) -> Paragraph:
    return Paragraph(_text(words), _style(size, **style))


def _named(name: str, words: str) -> Paragraph:
    return Paragraph(f"<b>{_text(name)}</b> {_text(words)}", _style(9))


def _head(words: str) -> Paragraph:
    return _p(words, 10.5, bold=True, before=8)


def _story(sheet: Sheet) -> list[Flowable]:
    about = [sheet.when, f"reviewed by {sheet.reviewer}" if sheet.reviewer else "", f"review {sheet.review_id}"]
    about.append(f"case {sheet.case_id}" if sheet.case_id else "")
    story: list[Flowable] = [
        _p(f"Differential diagnosis: {sheet.decision.split(':')[0].lower()}", 15, bold=True),
        _p(" · ".join(part for part in about if part), 8, muted=True),
        Spacer(1, 4),
        _notice(f"{sheet.notice} Written by a language model, then reviewed."),
        _head(f"Case: {sheet.case_line}"),
        *(_p(words) for words in (sheet.findings, sheet.text) if words),
        _head(sheet.decision),
        _lines(sheet.kept, WIDTH) if sheet.kept else _p("Nothing is on the list."),
        _p(sheet.must_not_miss, bold=True, before=3),
    ]
    if sheet.reason:
        story.append(_named("Why it was overridden:", sheet.reason))
    if sheet.struck:
        story += [_head("Struck off"), *(_p(f"– {name}: {reason}") for name, reason in sheet.struck)]
    if sheet.notes:
        story += [_head("Notes"), _p(sheet.notes)]
    left, right = WIDTH / 3 - 5 * mm, 2 * WIDTH / 3
    story += [Spacer(1, 8), _beside(_own(sheet), _model(sheet, right), left + 5 * mm, right)]
    if sheet.facts:
        story.append(_head("How it was made"))
        story += [_p(f"{name}: {value}", 6.5, muted=True) for name, value in sheet.facts]
    return story


def _own(sheet: Sheet) -> list[Flowable]:
    found: list[Flowable] = [_head("The clinician's own list")]
    if not sheet.own:
        words = "Was not asked for." if sheet.own is None else "None was written."
        return [*found, _p(words, 8, muted=True)]
    found += [_p(f"{place}. {name}") for place, name in enumerate(sheet.own, start=1)]
    return [*found, _p("Written before the model's list was shown.", 8, muted=True)]


def _model(sheet: Sheet, width: float) -> list[Flowable]:
    found: list[Flowable] = [_head("The model's list")]
    if sheet.model_problem:
        found.append(_p(sheet.model_problem))
    if sheet.model:
        found += [_lines(sheet.model, width), _p(sheet.reading, 8, muted=True)]
    return found


def _beside(left: list[Flowable], right: list[Flowable], *widths: float) -> Table:
    """Two columns in one row."""
    style = [("VALIGN", (0, 0), (-1, -1), "TOP"), *_tight()]
    return Table([[left, right]], colWidths=widths, hAlign="LEFT", splitInRow=1, style=style)


def _notice(words: str) -> Table:
    marks = [("BACKGROUND", (0, 0), (-1, -1), SOFT), ("LINEBEFORE", (0, 0), (0, -1), 2, BAR)]
    return Table([[_p(words)]], colWidths=[WIDTH], hAlign="LEFT", style=marks)


def _lines(lines: Sequence[Line], width: float) -> Table:
    rows = [[_p(line.place, muted=True), _name(line), Bar(line.confidence), _p(line.number)] for line in lines]
    widths = [6 * mm, width - 42 * mm, 23 * mm, 13 * mm]
    rules = [("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE), ("VALIGN", (0, 0), (-1, -1), "TOP")]
    return Table(rows, colWidths=widths, hAlign="LEFT", style=[*rules, *_tight(1.5)])


def _name(line: Line) -> Paragraph:
    alarm = f' <font color="{_hex(ALARM)}">must not miss</font>' if line.must_not_miss else ""
    evidence = (("For", line.speaks_for), ("Against", line.against))
    parts = [", ".join(part for part in (line.code, line.note) if part)]
    parts += [f"{name}: {'; '.join(words)}" for name, words in evidence if words]
    marked = "<br/>".join(f'<font size="7.5" color="{_hex(MUTED)}">{_text(part)}</font>' for part in parts)
    return Paragraph(f"<b>{_text(line.name)}</b>{alarm} {marked}", _style(9))


def _hex(colour: Any) -> str:
    return f"#{colour.hexval()[2:]}"


def _tight(above: float = 0) -> list[tuple[Any, ...]]:
    sides = [(f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT")]
    return [*sides, *((f"{side}PADDING", (0, 0), (-1, -1), above) for side in ("TOP", "BOTTOM"))]


class Bar(Flowable):
    """A confidence in [0, 1] as a bar; nothing for None."""

    def __init__(self, share: float | None) -> None:
        super().__init__()
        self.share, self.width, self.height = share, 20 * mm, 9

    def draw(self) -> None:
        """Called by ReportLab with the canvas at the lower left."""
        if self.share is None:
            return
        for colour, share in ((RULE, 1.0), (BAR, min(1.0, max(0.0, self.share)))):
            self.canv.setFillColor(colour)
            self.canv.rect(0, 1, share * self.width, 5, stroke=0, fill=1)
