"""Two evaluations on the same cases: the differences as a picture, as a table, and both reliability diagrams."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import altair as alt
import streamlit as st

from app.parts import theme
from app.parts.reliability_chart import draw, two_series
from app.parts.reliability_tables import table
from ddx.evaluation import charts
from ddx.evaluation.cases import METRICS
from ddx.evaluation.charts import Palette
from ddx.evaluation.compare import BETTER
from ddx.evaluation.words import LEVELS, OUTCOMES, STAGES, UNITS

__all__ = ["calibration_of_both", "difference_chart", "difference_words", "differences"]

_SHARES = {"pass@1", "pass@3", "listed", "recall", "valid"}


def differences(found: Mapping[str, Any]) -> None:
    """The chosen figure's paired differences by stage: chart and table; all figures behind a fold."""
    metric = st.selectbox(
        "Figure", list(METRICS), format_func=lambda name: METRICS[name].capitalize(), key="compare_metric", width=320
    )
    words = difference_words(found, metric)
    colours = theme.palette()
    each = {stage: _difference(found, stage, metric) for stage in found["stages"]}
    draw(lambda: difference_chart(found, metric, colours), words, "differences", metric, each, colours)
    st.html(f'<p class="ddx-reading">{html.escape(words)}</p>')
    st.html(_table(found, metric))
    with st.expander("Every figure, all stages together"):
        rows = [(METRICS[name].capitalize() + _sense(name), _cells(found, "all", name)) for name in METRICS]
        st.html(table(_caption(found), "Every figure, all stages together", ["Figure", "n", *_heads(found)], rows))


def difference_chart(found: Mapping[str, Any], metric: str, colours: Palette) -> alt.LayerChart:
    """The differences with their intervals, a line a stage, and the line of no difference."""
    rows = [{"stage": _stage(stage), **_difference(found, stage, metric)} for stage in found["stages"]]
    share = metric in _SHARES
    x = alt.X(
        "low:Q", title=f"Second minus first: {METRICS[metric]}", scale=alt.Scale(zero=True, nice=True),
        axis=alt.Axis(
            labelExpr=f"datum.value ? format(datum.value, '{'+.0%' if share else '+.3~f'}') : '0'", tickCount=5
        ),
    )  # fmt: skip
    y = alt.Y("stage:N", title=None, sort=[row["stage"] for row in rows], axis=alt.Axis(labelLimit=220))
    form = "+.1%" if share else "+.3f"
    tips = [
        alt.Tooltip("stage:N", title="Evidence"), alt.Tooltip("value:Q", title="Difference", format=form),
        alt.Tooltip("low:Q", title="From", format=form), alt.Tooltip("high:Q", title="To", format=form),
        alt.Tooltip("n:Q", title="Cases", format=","),
    ]  # fmt: skip
    base = alt.Chart(alt.Data(values=rows))
    none = alt.Chart(alt.Data(values=[{"low": 0}])).mark_rule(color=colours.diagonal, strokeDash=[5, 4])
    layers = alt.layer(
        none.encode(x=x),
        base.mark_rule(color=colours.line, strokeWidth=2.5).encode(x=x, x2="high:Q", y=y, tooltip=tips),
        base.mark_point(filled=True, color=colours.points, size=80, opacity=1).encode(
            x=alt.X("value:Q"), y=y, tooltip=tips
        ),
    )
    return charts.dressed(layers.properties(height=44 * len(rows)), colours)


def difference_words(found: Mapping[str, Any], metric: str) -> str:
    """The chart for a reader who can't see it."""
    names, lines = found["runs"], []
    better = BETTER.get(metric, 1)
    for stage in found["stages"]:
        one = _difference(found, stage, metric)
        if one["low"] > 0 or one["high"] < 0:
            side = "better" if (one["value"] > 0) == (better > 0) else "worse"
            if metric == "tokens":
                side = "longer" if one["value"] > 0 else "shorter"
            lines.append(f"{_stage(stage)}: {names[1]} is {side}, {_text(one, metric)}.")
        else:
            lines.append(f"{_stage(stage)}: no difference that can be told from chance, {_text(one, metric)}.")
    return f"{METRICS[metric].capitalize()}, {names[1]} minus {names[0]}, on the same cases. {' '.join(lines)}"


def calibration_of_both(first: Mapping[str, Any], second: Mapping[str, Any], names: tuple[str, str]) -> None:
    """Both reliability diagrams in one, at the level and stage of the reader's choice."""
    with st.container(horizontal=True, gap="medium"):
        level = st.selectbox("Level", list(LEVELS), format_func=LEVELS.__getitem__, key="compare_level", width=200)
        stage = st.selectbox("Evidence", list(STAGES), format_func=STAGES.__getitem__, key="compare_stage", width=260)
    both = [(one.get("reliability") or {}).get(level, {}).get(stage) for one in (first, second)]
    if not all(one and one.get("bins") for one in both):
        st.info("One of the two holds no reliability data for this choice.")
        return
    words = " ".join(f"{name}: {charts.in_words(one, UNITS[level])}" for name, one in zip(names, both, strict=True))
    with st.container(width=480):
        made_of = (both[0], both[1], theme.palette(), False, OUTCOMES[level])
        draw(lambda: two_series(*made_of), words, "diagram", *made_of)
    st.caption(f"Solid line, round points, and the band: {names[0]}. Dashed line, square points: {names[1]}.")
    with st.expander("The diagram in words"):
        st.text(words)


def _table(found: Mapping[str, Any], metric: str) -> str:
    rows = [(_stage(stage), _cells(found, stage, metric)) for stage in found["stages"]]
    return table(_caption(found), f"Differences: {METRICS[metric]}", ["Evidence", "n", *_heads(found)], rows)


def _caption(found: Mapping[str, Any]) -> str:
    left = f" {found['left_out']:,} cases that only one of them has were left out." if found["left_out"] else ""
    return (
        f"{found['n']:,} cases in common, differences paired by case, 95 % bootstrap intervals over cases; * marks an "
        f"interval without 0. No correction for the number of comparisons.{left}"
    )


def _heads(found: Mapping[str, Any]) -> list[str]:
    return [*found["runs"], "Second minus first"]


def _cells(found: Mapping[str, Any], stage: str, metric: str) -> list[str]:
    each = found["stages"][stage][metric]
    values = [each[name]["value"] for name in found["runs"]]
    one = _difference(found, stage, metric)
    star = "*" if one["low"] > 0 or one["high"] < 0 else ""
    value, _, bounds = _text(one, metric).partition(" (")
    cells = [f"{values[0]['n']:,}", *(html.escape(_number(v["value"], metric)) for v in values)]
    return [*cells, f'<b>{html.escape(value)}{star}</b><span class="ddx-ci">({html.escape(bounds)}</span>']


def _difference(found: Mapping[str, Any], stage: str, metric: str) -> dict[str, Any]:
    return dict(found["stages"][stage][metric][found["runs"][1]]["minus_first"])


def _text(one: Mapping[str, float], metric: str) -> str:
    value, low, high = (one[name] for name in ("value", "low", "high"))
    if metric in _SHARES:
        return f"{100 * value:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f})"
    digits = 1 if metric == "tokens" else 3
    return f"{value:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"


def _number(value: float, metric: str) -> str:
    if metric in _SHARES:
        return f"{100 * value:.1f} %"
    return f"{value:.1f}" if metric == "tokens" else f"{value:.3f}"


def _sense(metric: str) -> str:
    return " (lower is better)" if BETTER.get(metric) == -1 and metric != "tokens" else ""


def _stage(stage: str) -> str:
    return STAGES.get(stage, stage)
