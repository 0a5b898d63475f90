"""Reliability: do the confidences mean what they say, on which patients, and against what."""

import html
import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.parts import theme
from app.parts.evaluation import load_evaluation
from app.parts.reliability_chart import draw, two_series
from app.parts.reliability_reviews import GROUPS
from app.parts.reliability_site import choose, recalibration, second_series
from app.parts.reliability_tables import by_stage, by_subgroup
from ddx.errors import InputError
from ddx.evaluation import charts
from ddx.evaluation.words import LEVELS, OUTCOMES, STAGES, UNITS, count

READING = """
**How to read it.** If confidence means what it says, the line follows the dashed diagonal: of all
statements made at 60 %, 60 % were right. Below the diagonal the model claims too much, above it too little.
The shaded band shows where chance alone would put the line of a perfectly calibrated model at this number
of cases, so only what leaves the band says something about the model.
"""
PATIENTS = STAGES | {group: group[:1].upper() + group[1:] for group in GROUPS}


def page() -> None:
    """The whole page."""
    st.title("Reliability", anchor=False)
    try:
        data = load_evaluation()
    except InputError as error:
        st.info(str(error), icon=":material/terminal:")
        return
    st.html(f'<p class="ddx-reading">{html.escape(_source(data))}</p>')
    level, group, series, logit = _choices(data)
    found = (data.get(series) or {}).get(level, {}).get(group)
    st.subheader(f"{LEVELS[level]} · {PATIENTS[group].lower()}", anchor=False)
    site = choose()
    if not found or not found.get("bins"):
        st.info("The evaluation holds nothing for this choice.")
    else:
        of = data.get("model") or {}
        own, line = second_series(site, level, group, of) if series == "reliability" else (None, "")
        _diagram(found, own, line, level, logit)
    st.subheader("By evidence stage, beside two references", anchor=False)
    by_stage(data)
    by_subgroup(data, group if group in STAGES else "all")
    st.download_button(
        "Download the evaluation as JSON", json.dumps(data, indent=1, ensure_ascii=False),
        file_name="ddx-evaluation-standard.json", mime="application/json", icon=":material/download:",
        on_click="ignore", key="download_evaluation",
    )  # fmt: skip
    recalibration(site)


def _choices(data: Mapping[str, Any]) -> tuple[str, str, str, bool]:
    left, right = st.columns([5, 7], gap="large")
    with left:
        level = st.segmented_control(
            "Level", list(LEVELS), format_func=LEVELS.__getitem__, default="item", required=True, key="level",
            persist_state="session",
            help="A single diagnosis, the first one only, or: is it on the list at all?",
        )  # fmt: skip
    with right:
        group = st.selectbox(
            "Patients", list(PATIENTS), format_func=PATIENTS.__getitem__, key="stage",
            persist_state="session", width=320,
            help="By evidence stage (how much of what is known about a patient the model was shown), sex or age.",
        )  # fmt: skip
    with st.container(horizontal=True, gap="medium"):
        logit = st.toggle("Spread out both ends (logit axes)", key="logit", persist_state="session")
        before = bool(data.get("reliability_stated")) and st.toggle(
            "Before calibration, as the model stated it", key="before", persist_state="session"
        )
    return level or "item", group or "all", "reliability_stated" if before else "reliability", logit


def _diagram(found: Mapping[str, Any], own: Mapping[str, Any] | None, line: str, level: str, logit: bool) -> None:
    colours, words = theme.palette(), charts.in_words(found, UNITS[level])
    if own is not None:
        words += f" This site, dashed: {charts.in_words(own, UNITS[level])}"
    left, right = st.columns([6, 5], gap="large")
    with left, st.container(width=480):
        made_of = (found, own, colours, logit, OUTCOMES[level])
        draw(lambda: two_series(*made_of), words, "diagram", *made_of)
        draw(lambda: charts.histogram(found, colours), "Where the confidences lie", "histogram", found, colours)
    with right:
        st.html(_facts(found, level))
        if line:
            st.html(f'<p class="ddx-reading">{html.escape(line)}</p>')
        if own is not None:
            st.html(_facts(own, level, "Site's cases"))
        st.markdown(READING)
        with st.expander("The diagram in words and as a table"):
            st.markdown(words)
            st.html(charts.bins_table(found))
            if own is not None:
                st.caption("This site")
                st.html(charts.bins_table(own))
        st.caption(
            "Line: CORP recalibration curve. Band: where it falls in "
            f"{100 * found['band']['level']:.0f} % of draws from a calibrated model. Points: groups of "
            "equal size with Wilson 95 % intervals. This site's cases, where shown, are dashed "
            "and square. Lower chart: how many confidences lie where, from those groups."
        )


def _facts(found: Mapping[str, Any], level: str, cases: str = "Test cases") -> str:
    null, corp = found.get("ece_null") or {}, found["corp"]
    parts = [
        (
            cases,
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
