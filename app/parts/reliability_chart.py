"""Two series in one reliability diagram, and charts that are made once and shown often."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import altair as alt
import streamlit as st

from ddx.evaluation import charts
from ddx.evaluation.charts import DARK, Palette

__all__ = ["draw", "second_colour", "two_series"]


def two_series(
    first: Mapping[str, Any], second: Mapping[str, Any] | None, colours: Palette, logit: bool, outcome: str
) -> alt.LayerChart:
    """The diagram of `first`, and on it curve and groups of `second`: dashed and square, so that the two can be told
    apart without colours. The band stays that of the first."""
    chart = charts.reliability_chart(first, colours, logit, outcome)
    if second is None:
        return chart
    shade = second_colour(colours)
    other = charts.reliability_chart(second, replace(colours, line=shade, points=shade), logit, outcome)
    _, _, curve, whisker, dot = other.layer  # band and diagonal are drawn already
    curve.mark.strokeDash, dot.mark.shape = [7, 4], "square"
    for layer in (curve, whisker, dot):
        chart += layer
    return chart


def second_colour(colours: Palette) -> str:
    """The second series' colour, told apart from the first without seeing red and green (Okabe & Ito 2008)."""
    return "#f0a35c" if colours == DARK else "#b4590f"


def draw(make: Callable[[], Any], words: str, *made_of: Any) -> None:
    """Show a chart, with `words` for a reader who can't see it.

    `made_of` is all that the chart depends on, JSON-like: a chart takes Altair some tenths of a second to make, so one
    made of the same is shown again.
    """
    st.vega_lite_chart(spec=_spec(json.dumps(made_of, default=vars), make), width="stretch", alt=words)


@st.cache_data(show_spinner=False, max_entries=128)
def _spec(key: str, _make: Callable[[], Any]) -> dict[str, Any]:
    spec = _make().to_dict(validate=False)  # a test validates; here it would take most of the time
    for size in ("continuousWidth", "continuousHeight"):  # Altair's default theme; the page decides
        spec["config"]["view"].pop(size, None)
    return dict(spec)
