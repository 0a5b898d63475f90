"""The tables of the reliability page: by evidence stage beside two references, and by sex and age."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.parts.evaluation import figure, list_metric
from ddx.evaluation.subgroups import SMALL
from ddx.evaluation.words import STAGES, interval

__all__ = ["by_stage", "by_subgroup", "table"]

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
_SUBGROUP_METRICS = {
    "First diagnosis right": "pass@1", "Among the first three": "pass@3", "Brier score of the list": "brier_list"
}  # fmt: skip


def by_stage(data: Mapping[str, Any]) -> None:
    """A figure of the reader's choice at each evidence stage, for the model and two references."""
    metric = st.selectbox("Figure", list(METRICS), key="metric", persist_state="session", width=420)
    names = METRICS[metric] or (list_metric(data),)
    baselines = data.get("baselines") or {}
    shown = [(label, data["metrics"] if key is None else baselines.get(key)) for label, key in _WHO]
    groups = [(label, group) for label, group in shown if group]
    rows = []
    for stage in [*(s for s in STAGES if s != "all"), "all"]:
        figures = [figure(group, stage, *names) for _, group in groups]
        if any(figures):
            n = next((f["n"] for f in figures if f.get("n")), None)
            rows.append((STAGES[stage], [f"{n:,}" if n else "–", *(_figure(f, names[0], n) for f in figures)]))
    if not rows:
        st.info("The evaluation holds no such figure.")
        return
    heads = ["Evidence", "n", *(label for label, _ in groups)]
    st.html(table(f"{metric}, with 95 % bootstrap intervals over cases", "Figures by evidence stage", heads, rows))


def by_subgroup(data: Mapping[str, Any], stage: str) -> None:
    """Three figures for each sex and age band at a stage; nothing where the evaluation has no subgroups."""
    rows = []
    for groups in (data.get("subgroups") or {}).values():
        for name, stages in groups.items():
            found = stages.get(stage) or {}
            n = next((f["n"] for f in found.values()), 0)
            if n:
                few = n < SMALL
                cells = [_figure(found.get(metric) or {}, metric, n, few) for metric in _SUBGROUP_METRICS.values()]
                rows.append((name[:1].upper() + name[1:], [f"{n:,}", *cells]))
    if not rows:
        return
    st.subheader(f"By sex and age · {STAGES[stage].lower()}", anchor=False)
    note = f"95 % bootstrap intervals over cases; of fewer than {SMALL} cases in grey, too few to compare by"
    st.html(table(note, "Figures by sex and age", ["Patients", "n", *_SUBGROUP_METRICS], rows))


def table(caption: str, label: str, heads: list[str], rows: list[tuple[str, list[str]]]) -> str:
    """A table that scrolls by itself. Heads and row names are text, cells are HTML."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in heads)
    body = "".join(
        f'<tr><th scope="row">{html.escape(name)}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for name, cells in rows
    )
    return (
        f'<div class="ddx-scroll" tabindex="0" role="region" aria-label="{html.escape(label)}">'
        f'<table class="ddx-table"><caption>{html.escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _figure(found: Mapping[str, Any], name: str, n: int | None, few: bool = False) -> str:
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
    value = f'<span class="ddx-ci">{html.escape(value)}</span>' if few else f"<b>{html.escape(value)}</b>"
    return f'{value}<span class="ddx-ci">{html.escape(note)}</span>'
