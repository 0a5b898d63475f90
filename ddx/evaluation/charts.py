"""The charts of an evaluation (Altair), and the reliability diagram in words and as a table."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from ddx.differential import percent
from ddx.evaluation.words import count

SIDE = 400  # pixels of the plot's side
CELLS = 20  # of the histogram: 5 points of confidence each
_ENDS = 0.002  # logit axes stop here and at 1 minus this
_LOGIT_TICKS = (0.005, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.995)

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Palette:
    """Colours of a chart."""

    line: str
    band: str
    points: str
    diagonal: str
    text: str
    grid: str


LIGHT = Palette("#0f766e", "#b9d9d6", "#16425b", "#5b6b70", "#37474d", "#e3eaea")
DARK = Palette("#3fb8a8", "#234a4a", "#d8e6ee", "#93a5aa", "#b9c7ca", "#26363c")


def reliability_chart(data: Mapping[str, Any], colours: Palette, logit: bool, outcome: str) -> alt.LayerChart:
    """Diagonal, consistency band, CORP curve, and equal-mass bins with Wilson intervals; a square."""
    place = _logit if logit else _same
    x = alt.X("x:Q", title="Calibrated confidence", **_axis(logit))
    y = alt.Y("y:Q", title=outcome, **_axis(logit))
    band = [
        {"x": place(a), "low": place(b), "high": place(c)}
        for a, b, c in zip(data["band"]["x"], data["band"]["low"], data["band"]["high"], strict=True)
    ]
    corners = [{"x": place(p), "y": place(p)} for p in (0.0, 1.0)]
    curve = [{"x": place(a), "y": place(b)} for a, b in corp_points(data["corp"]["x"], data["corp"]["y"])]
    points = [
        {
            "x": place(b["confidence"]), "y": place(b["rate"]), "low": place(b["rate_low"]),
            "high": place(b["rate_high"]), "n": b["n"], "confidence": b["confidence"], "rate": b["rate"],
        }
        for b in data["bins"]
    ]  # fmt: skip
    tips = [
        alt.Tooltip("confidence:Q", title="Mean confidence", format=".1%"),
        alt.Tooltip("rate:Q", title="Observed", format=".1%"),
        alt.Tooltip("n:Q", title="n", format=","),
    ]
    shade = alt.Chart(_values(band)).mark_area(color=colours.band, opacity=0.75, line=False)
    line = alt.Chart(_values(corners)).mark_line(color=colours.diagonal, strokeDash=[5, 4], strokeWidth=1.25)
    corp = alt.Chart(_values(curve)).mark_line(color=colours.line, strokeWidth=2.5, interpolate="linear")
    base = alt.Chart(_values(points))
    whisker = base.mark_rule(color=colours.points, strokeWidth=1.25)
    size = alt.Size("n:Q", legend=None, scale=alt.Scale(domainMin=0, range=[18, 95]))
    dot = base.mark_point(filled=True, color=colours.points, opacity=1, shape="circle")
    layers = alt.layer(
        shade.encode(x=x, y=alt.Y("low:Q", title=outcome, **_axis(logit)), y2="high:Q"),
        line.encode(x=x, y=y),
        corp.encode(x=x, y=y),
        whisker.encode(x=x, y=alt.Y("low:Q", title=outcome, **_axis(logit)), y2="high:Q"),
        dot.encode(x=x, y=y, size=size, tooltip=tips),
    )
    return dressed(layers.properties(height=SIDE), colours)


def histogram(data: Mapping[str, Any], colours: Palette) -> alt.Chart:
    """How many confidences lie where, in cells of 5 points, from the bins' counts and ranges."""
    rows = [
        {"left": i / CELLS, "right": (i + 1) / CELLS, "zero": 0, "n": n}
        for i, n in enumerate(cell_counts(data["bins"]))
        if n > 0
    ]
    chart = alt.Chart(_values(rows)).mark_rect(color=colours.line, opacity=0.8, stroke=None)
    return dressed(
        chart.encode(
            x=alt.X("left:Q", title="Calibrated confidence", **_axis(False)),
            x2="right:Q",
            y=alt.Y("n:Q", title="Count", axis=alt.Axis(tickCount=3, format="~s", grid=True, minExtent=34)),
            y2="zero:Q",
            tooltip=[
                alt.Tooltip("left:Q", title="From", format=".0%"),
                alt.Tooltip("right:Q", title="To", format=".0%"),
                alt.Tooltip("n:Q", title="About", format=",.0f"),
            ],
        ).properties(height=110),
        colours,
    )


def risk_coverage_chart(found: Mapping[str, Any], names: Mapping[str, str], colours: Palette) -> alt.Chart:
    """Risk against coverage, a line for each group of `ddx.evaluation.decisions.selective_figures`."""
    rows = [
        {"coverage": c, "risk": r, "evidence": names[group]}
        for group, curve in found.items()
        if group != "all"
        for c, r in zip(curve["coverage"], curve["risks"], strict=True)
    ]
    chart = alt.Chart(_values(rows)).mark_line(strokeWidth=2)
    return dressed(
        chart.encode(
            x=alt.X("coverage:Q", title="Share of cases answered", axis=alt.Axis(format=".0%")),
            y=alt.Y("risk:Q", title="Wrong among those answered", axis=alt.Axis(format=".0%")),
            color=_lines("evidence", [names[g] for g in found if g != "all"]),
        ),
        colours,
    )


def decision_chart(curve: Mapping[str, Any], colours: Palette) -> alt.Chart:
    """Net benefit with its interval over thresholds, beside working up everybody and nobody."""
    ways = {"by the list": "model", "everybody": "treat_all"}
    rows = [
        {"threshold": t, "value": e["value"], "low": e["low"], "high": e["high"], "who": who}
        for who, key in ways.items()
        for t, e in zip(curve["thresholds"], curve[key], strict=True)
    ]
    rows += [{"threshold": t, "value": 0, "low": 0, "high": 0, "who": "nobody"} for t in curve["thresholds"]]
    base = alt.Chart(_values(rows)).encode(
        x=alt.X("threshold:Q", title="Acted on from this probability up", axis=alt.Axis(format=".0%")),
        color=_lines("who", [*ways, "nobody"]),
    )
    lowest = min(e["low"] for e in curve["model"])
    scale = alt.Scale(domain=[min(-0.05, lowest), max(e["high"] for e in curve["treat_all"])], clamp=True)
    band = base.mark_area(opacity=0.18).encode(
        y=alt.Y("low:Q", title="Net benefit, cases found", scale=scale), y2="high:Q"
    )
    line = base.mark_line(strokeWidth=2, clip=True).encode(y=alt.Y("value:Q", scale=scale))
    return dressed(alt.layer(band, line), colours)


def _lines(name: str, order: Sequence[str]) -> alt.Color:
    """Colours that can be told apart without seeing red and green (Okabe & Ito 2008)."""
    shades = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"]
    return alt.Color(
        f"{name}:N", title=None, sort=list(order), scale=alt.Scale(domain=list(order), range=shades[: len(order)]),
        legend=alt.Legend(orient="bottom", columns=2),
    )  # fmt: skip


def cell_counts(bins: Sequence[Mapping[str, Any]]) -> list[float]:
    """Counts in even cells, each bin's count spread evenly over its range; their sum is the bins' sum.

    >>> cell_counts([{"low": 0.0, "high": 0.1, "n": 10}, {"low": 0.5, "high": 0.5, "n": 4}])[:3]
    [5.0, 5.0, 0.0]
    """
    cells = [0.0] * CELLS
    for b in bins:
        low, high, n = b["low"], b["high"], b["n"]
        if high - low < 1e-9:
            cells[min(CELLS - 1, int(low * CELLS))] += n
            continue
        for i in range(CELLS):
            overlap = min(high, (i + 1) / CELLS) - max(low, i / CELLS)
            cells[i] += n * max(0.0, overlap) / (high - low)
    return cells


def corp_points(x: Sequence[float], y: Sequence[float]) -> list[tuple[float, float]]:
    """The curve without the inner points of its flat parts, which draw nothing.

    >>> corp_points([0.1, 0.2, 0.3, 0.9], [0.0, 0.0, 0.0, 0.5])
    [(0.1, 0.0), (0.3, 0.0), (0.9, 0.5)]
    """
    last = len(x) - 1
    return [
        (a, b) for i, (a, b) in enumerate(zip(x, y, strict=True)) if i in (0, last) or not y[i - 1] == b == y[i + 1]
    ]


def in_words(data: Mapping[str, Any], what: str) -> str:
    """The diagram for a reader who can't see it."""
    if not data["bins"]:
        return "There is nothing to show."
    first, last = data["bins"][0], data["bins"][-1]
    outside = sum(not b["rate_low"] <= b["confidence"] <= b["rate_high"] for b in data["bins"])
    agree = "in every group" if not outside else f"in all but {outside} of the {len(data['bins'])} groups"
    return (
        f"Reliability diagram of {count(data['n_items'], what)} in {count(data['n_cases'], 'case')}. "
        f"From a mean confidence of {percent(first['confidence'])} (observed {percent(first['rate'])}) "
        f"to {percent(last['confidence'])} (observed {percent(last['rate'])}). "
        f"The mean confidence lies inside the 95 % interval of what was observed {agree}."
    )


def bins_table(data: Mapping[str, Any]) -> str:
    """The bins as an HTML table."""
    rows = "".join(
        f'<tr><th scope="row">{_range(b["low"], b["high"])}</th><td>{b["n"]:,}</td>'
        f"<td>{100 * b['confidence']:.1f} %</td>"
        f"<td>{100 * b['rate']:.1f} % ({100 * b['rate_low']:.1f}–{100 * b['rate_high']:.1f})</td></tr>"
        for b in data["bins"]
    )
    heads = "".join(
        f'<th scope="col">{html.escape(h)}</th>'
        for h in ("Confidence", "n", "Mean confidence", "Observed (95 % interval)")
    )
    return (
        f'<div class="ddx-scroll" tabindex="0" role="region" aria-label="The groups as a table">'
        f'<table class="ddx-table"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _range(low: float, high: float) -> str:
    return f"{100 * low:.1f} – {100 * high:.1f} %"


def _axis(logit: bool) -> dict[str, Any]:
    if not logit:
        ticks = [i / 5 for i in range(6)]
        return {
            "scale": alt.Scale(domain=[0, 1], nice=False, clamp=True),
            "axis": alt.Axis(values=ticks, format=".0%", minExtent=34),
        }
    edge = _logit(1.0)
    label = "format(1 / (1 + exp(-datum.value)), abs(datum.value) > 4.5 ? '.1%' : '.0%')"
    return {
        "scale": alt.Scale(domain=[-edge, edge], nice=False, clamp=True),
        "axis": alt.Axis(values=[_logit(p) for p in _LOGIT_TICKS], labelExpr=label, minExtent=34),
    }


def _logit(p: float) -> float:
    p = min(1 - _ENDS, max(_ENDS, p))
    return math.log(p / (1 - p))


def _same(p: float) -> float:
    return p


def _values(rows: Rows) -> alt.Data:
    return alt.Data(values=rows)


def dressed(chart: Any, colours: Palette) -> Any:
    """The chart with the frame, axes and letters that all charts of the project have."""
    return (
        chart.configure(background="transparent", padding={"left": 0, "right": 12, "top": 8, "bottom": 0})
        .configure_view(stroke=colours.grid)
        .configure_axis(
            labelColor=colours.text, titleColor=colours.text, gridColor=colours.grid,
            domainColor=colours.grid, tickColor=colours.grid, labelFontSize=12, titleFontSize=13,
            titleFontWeight="normal", titlePadding=8,
        )
    )  # fmt: skip
