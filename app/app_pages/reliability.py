"""Reliability: do the confidences mean what they say, on which patients, and against what."""

import html
import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.parts import theme
from app.parts.evaluation import figure, list_metric, load_evaluation
from ddx.errors import InputError
from ddx.evaluation import charts
from ddx.evaluation.words import LEVELS, OUTCOMES, STAGES, UNITS, count, interval

READING = """
**How to read it.** If confidence means what it says, the line follows the dashed diagonal: of all
statements made at 60 %, 60 % were right. Below the diagonal the model claims too much, above it too little.
The shaded band shows where chance alone would put the line of a perfectly calibrated model at this number
of cases, so only what leaves the band says something about the model.
"""
METRICS: dict[str, tuple[str, ...]] = {
    "First diagnosis is right": ("pass@1",),
    "Right one among the first three": ("pass@3",),
    "Right one anywhere on the list": (),  # pass@k, for the k that was measured
    "Share of the reference list found": ("recall@5",),
    "Brier score of the list (lower is better)": ("brier_list",),
    "Brier skill of the first diagnosis": ("brier_skill", "brier_skill_top1"),
    "Calibration error, each diagnosis (ECE)": ("ece_item",),
    "Calibration error, first diagnosis (ECE)": ("ece_top1",),
    "Answers that could be read in full": ("validity",),
    "Tokens written per case": ("tokens",),
    "Seconds per case, median": ("seconds_p50",),
}
_PERCENT = {"pass", "recall", "validity"}
_WHO = (("This model", None), ("Tabular classifier", "tabular"), ("Base model, untrained", "label-list"))


def page() -> None:
    """The whole page."""
    st.title("Reliability", anchor=False)
    try:
        data = load_evaluation()
    except InputError as error:
        st.info(str(error), icon=":material/terminal:")
        return
    st.html(f'<p class="ddx-reading">{html.escape(_source(data))}</p>')
    level, stage, series, logit = _choices(data)
    found = (data.get(series) or {}).get(level, {}).get(stage)
    st.subheader(f"{LEVELS[level]} · {STAGES[stage].lower()}", anchor=False)
    if not found or not found.get("bins"):
        st.info("The evaluation holds nothing for this choice.")
    else:
        _diagram(found, level, logit)
    st.subheader("By evidence stage, beside two references", anchor=False)
    _comparison(data)
    st.download_button(
        "Download the evaluation as JSON", json.dumps(data, indent=1, ensure_ascii=False),
        file_name="ddx-evaluation-standard.json", mime="application/json", icon=":material/download:",
        on_click="ignore", key="download_evaluation",
    )  # fmt: skip


def _choices(data: Mapping[str, Any]) -> tuple[str, str, str, bool]:
    left, right = st.columns([5, 7], gap="large")
    with left:
        level = st.segmented_control(
            "Level", list(LEVELS), format_func=LEVELS.__getitem__, default="item", required=True, key="level",
            persist_state="session",
            help="A single diagnosis, the first one only, or: is it on the list at all?",
        )  # fmt: skip
    with right:
        stage = st.selectbox(
            "Evidence stage", list(STAGES), format_func=STAGES.__getitem__, key="stage",
            persist_state="session",
            help="How much of what is known about a patient the model was shown.", width=320,
        )  # fmt: skip
    with st.container(horizontal=True, gap="medium"):
        logit = st.toggle("Spread out both ends (logit axes)", key="logit", persist_state="session")
        before = bool(data.get("reliability_stated")) and st.toggle(
            "Before calibration, as the model stated it", key="before", persist_state="session"
        )
    return level or "item", stage or "all", "reliability_stated" if before else "reliability", logit


def _diagram(found: Mapping[str, Any], level: str, logit: bool) -> None:
    colours, words = theme.palette(), charts.in_words(found, UNITS[level])
    left, right = st.columns([6, 5], gap="large")
    with left, st.container(width=480):
        st.altair_chart(charts.reliability_chart(found, colours, logit, OUTCOMES[level]), width="stretch", alt=words)
        st.altair_chart(charts.histogram(found, colours), width="stretch", alt="Where the confidences lie")
    with right:
        st.html(_facts(found, level))
        st.markdown(READING)
        with st.expander("The diagram in words and as a table"):
            st.markdown(words)
            st.html(charts.bins_table(found))
        st.caption(
            "Line: CORP recalibration curve. Band: where it falls in "
            f"{100 * found['band']['level']:.0f} % of draws from a calibrated model. Points: groups of "
            "equal size with Wilson 95 % intervals. Lower chart: how many confidences lie where, from those groups."
        )


def _facts(found: Mapping[str, Any], level: str) -> str:
    null, corp = found.get("ece_null") or {}, found["corp"]
    parts = [
        (
            "Test cases",
            f"{found['n_cases']:,}",
            count(found["n_items"], UNITS[level]) if level == "item" else "",
        )
    ]
    if found.get("mean_confidence") is not None:
        observed = f"observed {100 * found['hit_rate']:.1f} %"
        parts.append(("Mean confidence", f"{100 * found['mean_confidence']:.1f} %", observed))
    if found.get("ece") is not None:
        note = ""
        if null.get("low") is not None and null.get("high") is not None:
            note = f"a perfectly calibrated model would score {null['low']:.3f}–{null['high']:.3f} at this n"
        parts.append(("Calibration error (ECE)", f"{found['ece']:.3f}", note))
    if corp.get("skill") is not None:
        note = "1 is perfect, 0 is no better than always saying the average"
        parts.append(("Brier skill", f"{corp['skill']:.3f}", note))
    cells = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}<small>{html.escape(note)}</small></dd></div>"
        for name, value, note in parts
    )
    return f'<dl class="ddx-facts">{cells}</dl>'


def _comparison(data: Mapping[str, Any]) -> None:
    metric = st.selectbox("Figure", list(METRICS), key="metric", persist_state="session", width=420)
    names = METRICS[metric] or (list_metric(data),)
    baselines = data.get("baselines") or {}
    shown = [(label, data["metrics"] if key is None else baselines.get(key)) for label, key in _WHO]
    groups = [(label, group) for label, group in shown if group]
    heads = "".join(f'<th scope="col">{html.escape(label)}</th>' for label, _ in groups)
    rows = []
    for stage in [*(s for s in STAGES if s != "all"), "all"]:
        figures = [figure(group, stage, *names) for _, group in groups]
        if any(figures):
            n = next((f["n"] for f in figures if f.get("n")), None)
            cells = "".join(f"<td>{_figure(f, names[0], n)}</td>" for f in figures)
            rows.append(f'<tr><th scope="row">{STAGES[stage]}</th><td>{n or "–":,}</td>{cells}</tr>')
    if not rows:
        st.info("The evaluation holds no such figure.")
        return
    st.html(
        '<div class="ddx-scroll" tabindex="0" role="region" aria-label="Figures by evidence stage">'
        '<table class="ddx-table">'
        f"<caption>{html.escape(metric)}, with 95 % bootstrap intervals over cases</caption>"
        f'<thead><tr><th scope="col">Evidence</th><th scope="col">n</th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _figure(found: Mapping[str, Any], name: str, n: int | None) -> str:
    if found.get("value") is None:
        return "–"
    scale = "percent" if name.split("@")[0] in _PERCENT else "number"
    digits = 1 if name in ("tokens", "seconds_p50") else 3
    value, _, bounds = interval(found, scale, digits).partition(" (")
    note = f"({bounds}" if bounds else ""
    if found.get("null_low") is not None and found.get("null_high") is not None:
        note = f"calibrated: {found['null_low']:.3f}–{found['null_high']:.3f}"
    if found.get("n") not in (None, n):
        note = f"{note} n = {found['n']:,}".strip()
    return f'<b>{html.escape(value)}</b><span class="ddx-ci">{html.escape(note)}</span>'


def _source(data: Mapping[str, Any]) -> str:
    about, model = data.get("data") or {}, data.get("model") or {}
    parts = [f"Model {model.get('id', 'not stated')}", f"{data.get('n', 0):,} test cases"]
    parts += [str(value) for value in (about.get("source"), about.get("split")) if value]
    if data.get("created"):
        parts.append(f"measured {str(data['created'])[:10]}")
    if data.get("protocol"):
        parts.append(f"protocol {data['protocol']}")
    return " · ".join(parts) + ". The patients are synthetic; the model never saw them in training."


page()
