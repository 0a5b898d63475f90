"""Clinician and model over time: how often they put the same diagnosis first, and how often it was overridden."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Literal

import altair as alt
import streamlit as st

from app.parts import theme
from app.parts.reliability_chart import draw
from app.parts.reliability_reviews import load
from app.parts.reliability_tables import table
from ddx.calibration.reliability import wilson
from ddx.errors import DdxError
from ddx.evaluation import charts
from ddx.evaluation.charts import Palette
from ddx.evaluation.words import count
from ddx.store import Reviewed

__all__ = ["Period", "agreement_chart", "agreement_words", "over_time", "periods"]

Step = Literal["week", "month"]
# Below this number of reviews a share is grey: its 95 % interval (Wilson) spans half of the scale or more.
FEW = 12
SHOWN = 52  # periods drawn at most, the newest
WHAT = {"agrees": "Same diagnosis first", "overridden": "Overridden"}
_HEADS = {"week": "Week from", "month": "Month"}
READING = """
Every decided review counts, in the week or month of its decision. “Same diagnosis first”: the clinician's final list
begins with the model's first diagnosis. “Overridden”: the clinician did not leave the model's list as it stood. Most
clinicians saw the model's list before they decided. Agreement is not correctness: a model that clinicians follow into
an error agrees with them.
"""


@dataclass(frozen=True)
class Period:
    """A week (from Monday) or a month that begins on `start`: n reviews, of which so many agree, and are overridden."""

    start: date
    n: int
    agrees: int
    overridden: int


def periods(reviewed: Sequence[Reviewed], step: Step) -> list[Period]:
    """One for each week or month from the first decision to the last, those without reviews among them.

    Days are those of UTC, as the store keeps them.
    """
    found: dict[date, list[Reviewed]] = {}
    for one in reviewed:
        found.setdefault(_start(datetime.fromisoformat(one.decided_at).date(), step), []).append(one)
    if not found:
        return []
    at, rows = min(found), []
    while at <= max(found):
        here = found.get(at, [])
        agrees, overridden = sum(o.first_agrees for o in here), sum(o.decision == "overridden" for o in here)
        rows.append(Period(at, len(here), agrees, overridden))
        at = _start(at + timedelta(days=7 if step == "week" else 31), step)
    return rows


def over_time() -> None:
    """The whole part: choices, chart, table."""
    try:
        reviewed = [one.reviewed for one in load()]
    except DdxError as error:
        st.info(f"Agreement over time can't be shown: {error}")
        return
    if not reviewed:
        st.info("No review was decided at this site yet. Confirm a list on the page Review; agreement appears here.")
        return
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        chosen = st.segmented_control(
            "By", ["week", "month"], format_func=str.capitalize, default="month", required=True, key="time_step"
        )
        reviewed = _chosen("Reviewer", "time_reviewer", reviewed, "reviewer")
        reviewed = _chosen("Model", "time_model", reviewed, "model_id")
    step: Step = "week" if chosen == "week" else "month"
    rows = periods(reviewed, step)[-SHOWN:]
    words = agreement_words(rows, step)
    colours, made_of = theme.palette(), [(row.start.isoformat(), row.n, row.agrees, row.overridden) for row in rows]
    for name, what in WHAT.items():
        make = partial(agreement_chart, rows, step, name, colours)
        draw(make, f"{what}, by {step}. {words}", "agreement", step, name, colours, made_of)
    st.html(f'<p class="ddx-reading">{html.escape(words)}</p>')
    with st.expander("As a table"):
        st.html(_table(rows, step))
    st.markdown(READING)


def _chosen(label: str, key: str, reviewed: list[Reviewed], name: str) -> list[Reviewed]:
    """Those with one value of the attribute, or all; no choice where all have the same."""
    values = sorted({str(getattr(one, name) or "") for one in reviewed})
    if len(values) < 2:
        return reviewed
    chosen = st.selectbox(
        label, [None, *values], format_func=lambda v: "All" if v is None else v or "not stated", key=key, width=240
    )
    return [one for one in reviewed if chosen is None or str(getattr(one, name) or "") == chosen]


def agreement_chart(rows: Sequence[Period], step: Step, name: str, colours: Palette) -> alt.LayerChart:
    """One of the shares in `WHAT` with Wilson's 95 % intervals; few reviews in grey, a gap where there were none."""
    values = []
    for row in rows:
        if row.n:
            share, low, high = _share(getattr(row, name), row.n)
            few = row.n < FEW
            values.append(
                {"start": _label(row, step), "n": row.n, "share": share, "low": low, "high": high, "few": few}
            )
    shade = alt.condition("datum.few", alt.value(colours.diagonal), alt.value(colours.line))
    # Dates as text, so that the axis names the periods and not days between them.
    domain = [_label(row, step) for row in rows]
    x = alt.X("start:O", title=None, scale=alt.Scale(domain=domain), axis=alt.Axis(labelOverlap="greedy", labelAngle=0))
    axis = alt.Axis(format=".0%", tickCount=5, minExtent=40)
    y = alt.Y("low:Q", title=WHAT[name], scale=alt.Scale(domain=[0, 1]), axis=axis)
    tips = [
        alt.Tooltip("start:O", title="From"), alt.Tooltip("share:Q", title="Share", format=".0%"),
        alt.Tooltip("low:Q", title="95 % interval from", format=".0%"),
        alt.Tooltip("high:Q", title="to", format=".0%"), alt.Tooltip("n:Q", title="Reviews"),
    ]  # fmt: skip
    base = alt.Chart(alt.Data(values=values))
    rule = base.mark_rule(strokeWidth=2).encode(x=x, y=y, y2="high:Q", color=shade, tooltip=tips)
    dot = base.mark_point(filled=True, size=75, opacity=1).encode(
        x=x, y=alt.Y("share:Q", title=WHAT[name]), color=shade, tooltip=tips,
        shape=alt.condition("datum.few", alt.value("diamond"), alt.value("circle")),
    )  # fmt: skip
    return charts.dressed(alt.layer(rule, dot).properties(height=180), colours)


def agreement_words(rows: Sequence[Period], step: Step) -> str:
    """The chart for a reader who can't see it."""
    n, agrees, overridden = (sum(getattr(row, name) for row in rows) for name in ("n", "agrees", "overridden"))
    some = [row for row in rows if row.n]
    words = (
        f"{count(n, 'review')} in {count(len(some), step)} from {_label(some[0], step)} on: the same diagnosis first "
        f"in {_text(agrees, n)}, overridden in {_text(overridden, n)}."
    )
    few = sum(row.n < FEW for row in some)
    if few:
        words += f" {count(few, step).capitalize()} with fewer than {FEW} reviews in grey."
    return words


def _table(rows: Sequence[Period], step: Step) -> str:
    body = []
    for row in reversed(rows):
        cells = [_cell(getattr(row, name), row.n) for name in WHAT]
        body.append((_label(row, step), [f"{row.n:,}", *cells]))
    note = f"Shares of reviews with Wilson's 95 % intervals; of fewer than {FEW} reviews in grey"
    return table(note, "Agreement over time", [_HEADS[step], "n", *WHAT.values()], body)


def _cell(hits: int, n: int) -> str:
    if not n:
        return "–"
    value, _, bounds = _text(hits, n).partition(" (")
    bold = f"<b>{value}</b>" if n >= FEW else f'<span class="ddx-ci">{value}</span>'
    return f'{bold}<span class="ddx-ci">({bounds}</span>'


def _text(hits: int, n: int) -> str:
    share, low, high = _share(hits, n)
    return f"{100 * share:.0f} % ({100 * low:.0f} to {100 * high:.0f})"


def _share(hits: int, n: int) -> tuple[float, float, float]:
    return (hits / n, *wilson(hits, n))


def _label(row: Period, step: Step) -> str:
    return row.start.isoformat() if step == "week" else row.start.isoformat()[:7]


def _start(day: date, step: Step) -> date:
    return day - timedelta(days=day.weekday()) if step == "week" else day.replace(day=1)
