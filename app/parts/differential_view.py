"""A differential as accessible HTML. Every word of the model or the user is escaped here."""

from __future__ import annotations

import html

from app.parts.settings import Display
from app.parts.texts import STATUS, band, bands_line, how_to_read
from ddx.differential import Diagnosis, Differential, percent

MUST_NOT_MISS = "Must not miss"
UNMATCHED = "Not in the vocabulary, no code"


def differential_html(differential: Differential, display: Display = "numbers") -> str:
    """The ranked list with its bars, and "something else" as the last row; empty without diagnoses.

    `display`: numbers with bars (and intervals where the calibrator gives them), bands as words, or the order alone.
    """
    if not differential.diagnoses:
        return ""
    rows = [_row(d, display) for d in differential.diagnoses]
    if differential.other is not None:
        rows.append(_other(differential.other, display))
    return (
        f'<table class="ddx-list ddx-{display}" role="table" aria-label="Differential, likeliest first">'
        '<thead role="rowgroup"><tr role="row">'
        '<th role="columnheader" scope="col"><span class="ddx-hidden">Rank</span></th>'
        '<th role="columnheader" scope="col">Diagnosis</th>'
        '<th role="columnheader" scope="col">Confidence</th>'
        f'</tr></thead><tbody role="rowgroup">{"".join(rows)}</tbody></table>'
    )


def status_text(differential: Differential) -> str:
    """The status in plain words, with what was repaired; empty when all is well."""
    words = STATUS.get(differential.status, "")
    if not words:
        return ""
    return f"{words} ({'; '.join(differential.repairs)})" if differential.repairs else words


def reading_html(
    differential: Differential, measured: str | None, display: Display = "numbers", adjusted: bool = False
) -> str:
    """How to read the confidences, and what was measured where that fits the case; `adjusted`: they are this site's, of
    which nothing was measured on test patients."""
    parts = [how_to_read(differential)] if display == "numbers" and not adjusted else []
    if display == "bands" and differential.diagnoses:
        parts.append(f"Chance that this is the patient's condition: {bands_line()}.")
    if differential.rescaled:
        parts.append(
            "The confidences, as written or as calibrated, added up to more than 100 % and were scaled down to it."
        )
    if measured:
        parts.append(measured)
    text = " ".join(html.escape(part) for part in parts if part)
    return f'<p class="ddx-reading">{text}</p>' if text else ""


def _row(d: Diagnosis, display: Display) -> str:
    system = '<abbr title="World Health Organization">ICD-10 (WHO)</abbr>'
    code = f"{system} {_text(d.icd10)}" if d.icd10 else UNMATCHED
    marks = f'<span class="ddx-code">{code}</span>'
    if d.must_not_miss:
        marks = f'<span class="ddx-alarm">{MUST_NOT_MISS}</span>{marks}'
    return _cells(str(d.rank), _text(d.name), marks, _confidence(d.confidence, d.interval, display), "")


def _other(p: float, display: Display) -> str:
    marks = '<span class="ddx-code">Any condition that is not listed above</span>'
    return _cells("", "Something else", marks, _confidence(p, None, display), ' class="ddx-other"')


def _confidence(p: float, interval: tuple[float, float] | None, display: Display) -> str:
    if display == "rank":
        return ""
    if display == "bands":
        return f'<span class="ddx-number">{band(p)}</span>'
    track = f'<span class="ddx-bar" style="width:{_share(p):.2f}%"></span>'
    words = html.escape(percent(p))
    if interval is not None:
        low, high = interval
        track += f'<span class="ddx-interval" style="left:{_share(low):.2f}%;width:{_share(high - low):.2f}%"></span>'
        words += f'<span class="ddx-ci">{html.escape(percent(low))} to {html.escape(percent(high))}</span>'
    return f'<span class="ddx-track" aria-hidden="true">{track}</span><span class="ddx-number">{words}</span>'


def _share(p: float) -> float:
    return min(100.0, max(0.0, 100 * p))


def _cells(rank: str, name: str, marks: str, confidence: str, attributes: str) -> str:
    return (
        f'<tr role="row"{attributes}><td role="cell" class="ddx-rank">{rank}</td>'
        f'<td role="cell" class="ddx-name"><span class="ddx-condition">{name}</span>'
        f'<span class="ddx-marks">{marks}</span></td><td role="cell" class="ddx-confidence">{confidence}</td></tr>'
    )


def _text(value: str | None) -> str:
    return html.escape(value or "")
