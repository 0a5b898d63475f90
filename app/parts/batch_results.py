"""A scored table: what it came to, its rows to look through, and the files to take away."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, get_args

import altair as alt
import numpy as np
import streamlit as st

from app.parts import theme
from app.parts.batch_row import ALARM, row_detail
from app.parts.batch_words import duration
from ddx.differential import percent
from ddx.errors import InputError
from ddx.scoring.jobs import FORMS, Job
from ddx.scoring.jobs import Order as JobOrder
from ddx.scoring.results import Line, Order, Results

PAGE = 25  # rows
_MNM = {None: "All rows", "first": "A must-not-miss condition first", "anywhere": "A must-not-miss condition listed"}
_ORDERS: dict[str, str] = {
    "file": "Order of the file",
    "confidence, high first": "Confidence, high first",
    "confidence, low first": "Confidence, low first",
    "first diagnosis": "First diagnosis, A to Z",
    "status": "Status",
}
_FILES = {
    ".csv": ("CSV", "text/csv", "For Excel and everything else; cells that Excel would run as a formula are escaped."),
    ".parquet": ("Parquet", "application/vnd.apache.parquet", "With types, for data frames."),
    ".jsonl": ("JSON Lines", "application/jsonl", "The whole differential of each row."),
}
assert set(_ORDERS) == set(get_args(Order)) and set(_FILES) == set(FORMS)


def results(job: Job, order: JobOrder) -> None:
    """Everything about a finished job."""
    try:
        found = _open(str(job.output()), job.output().stat().st_mtime_ns, str(job.sidecar))
    except (InputError, OSError) as error:
        message = error.strerror if isinstance(error, OSError) else str(error)
        st.error(f"The results can't be read ({message}).", icon=":material/error:")
        return
    left, right = st.columns([6, 5], gap="large")
    with left:
        st.html(_facts(found.facts))
    with right:
        _histogram(found.facts["confidence_of_first"]["counts"])
    _downloads(job, order, found.facts)
    st.subheader("Rows", anchor=False)
    _rows_of(job, found)


@st.fragment
def _rows_of(job: Job, found: Results) -> None:
    """The rows; only this part is drawn again when another page or filter is chosen."""
    lines = _page(found, *_select(job, found))
    row_detail(job, found, lines)


def _facts(facts: dict[str, Any]) -> str:
    rows, answered, failed = facts["rows"], facts["answered"], facts["failed"]
    statuses = ", ".join(f"{name} {n:,}" for name, n in facts["statuses"].items() if n)
    kinds = ", ".join(f"{name} {n:,}" for name, n in facts["failed_by_kind"].items())
    shared = f"{facts['shared']:,} of them share the answer of an identical row" if facts["shared"] else ""
    each = facts["seconds_per_case"]
    parts = [
        ("Rows", f"{rows:,}", shared),
        ("Answered", f"{answered:,}", statuses),
        ("Not scored", f"{failed:,}", kinds or "every row could be read"),
        ("Time", duration(facts["seconds"]), "" if each is None else _speed(each)),
    ]
    cells = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}<small>{html.escape(note)}</small></dd></div>"
        for name, value, note in parts
    )
    model = facts["model"].get("id", "not stated")
    return (
        f'<dl class="ddx-facts">{cells}</dl>'
        f'<p class="ddx-job-line">Model {html.escape(str(model))} · {facts["k"]} diagnoses a row</p>'
    )


def _speed(each: float) -> str:
    return f"{each:.2f} seconds a case" if each >= 0.05 else f"{1 / each:,.0f} cases a second" if each else ""


def _histogram(counts: list[int]) -> None:
    if not sum(counts):
        return
    colours, width = theme.palette(), 100 / len(counts)
    rows = [{"from": i * width, "to": (i + 1) * width, "rows": n} for i, n in enumerate(counts)]
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(color=colours.line, binSpacing=1)
        .encode(
            x=alt.X("from:Q", bin="binned", title="Confidence of the first diagnosis, %", axis=alt.Axis(grid=False)),
            x2="to:Q",
            y=alt.Y("rows:Q", title="Rows", axis=alt.Axis(tickMinStep=1, format=",d", tickCount=4)),
            tooltip=[alt.Tooltip("from:Q", title="From %"), alt.Tooltip("to:Q", title="To %"), alt.Tooltip("rows:Q")],
        )
        .properties(height=130)
        .configure(background="transparent", padding={"left": 0, "right": 12, "top": 8, "bottom": 0})
        .configure_view(stroke=colours.grid)
        .configure_axis(
            labelColor=colours.text, titleColor=colours.text, gridColor=colours.grid, domainColor=colours.grid,
            tickColor=colours.grid, labelFontSize=12, titleFontSize=13, titleFontWeight="normal", titlePadding=8,
        )
    )  # fmt: skip
    top = int(np.argmax(counts))
    most = f"{top * width:.0f} to {(top + 1) * width:.0f} %"
    words = f"How many rows have a first diagnosis of which confidence; most lie at {most}"
    st.altair_chart(chart, width="stretch", alt=words)


def _downloads(job: Job, order: JobOrder, facts: dict[str, Any]) -> None:
    name = Path(order.name.split(".")[0] or "table").name
    with st.container(horizontal=True):
        for form, (label, mime, hint) in _FILES.items():
            st.download_button(
                label, _opened(job.output(form)), file_name=f"{name}-scored{form}", mime=mime, help=hint,
                icon=":material/download:", on_click="ignore", key=f"batch_download{form}",
            )  # fmt: skip
        said = {**facts, "input": {**facts["input"], "file": order.name}, "output": f"{name}-scored.*"}
        st.download_button(
            "Record of the run", json.dumps(said, indent=1, ensure_ascii=False),
            file_name=f"{name}-scored.summary.json", mime="application/json", icon=":material/download:",
            help="Model, hashes, settings, counts and times: no case.", on_click="ignore", key="batch_record",
        )  # fmt: skip


def _opened(path: Path) -> Callable[[], BinaryIO]:
    """Read from the disk only once somebody wants the file."""
    return lambda: open(path, "rb")


def _select(job: Job, found: Results) -> tuple[np.ndarray, str]:
    """The positions of the rows that the filters leave, and a name for this choice of them."""
    first, second, third = st.columns(3)
    text = first.text_input("Search", key=f"search_{job.id}", placeholder="In case id, text and diagnoses")
    alarm = second.selectbox("Must not miss", list(_MNM), format_func=_MNM.__getitem__, key=f"alarm_{job.id}")
    order = third.selectbox("Sort by", list(_ORDERS), format_func=_ORDERS.__getitem__, key=f"order_{job.id}")
    statuses = [
        *(name for name, n in found.facts["statuses"].items() if n),
        *(["error"] if found.facts["failed"] else []),
    ]
    left, right = st.columns([1, 2])
    kinds = left.multiselect("Status", statuses, key=f"kinds_{job.id}", placeholder="Any")
    low, high = right.slider(
        "Confidence of the first diagnosis, %", 0, 100, (0, 100), 5, key=f"confidence_{job.id}"
    )  # fmt: skip
    choice = (tuple(kinds), alarm, low / 100, high / 100, text or "", order)
    return _selected(found, str(found.path), found.path.stat().st_mtime_ns, *choice), f"page_{job.id}_{hash(choice)}"


def _page(found: Results, positions: np.ndarray, key: str) -> list[Line]:
    """One page of the chosen rows; another choice begins at its first page, by another `key`."""
    pages = max(1, -(-len(positions) // PAGE))
    number = st.session_state.get(key, 1)
    lines = found.lines(positions[(number - 1) * PAGE : number * PAGE])
    what = f"{len(positions):,} of {found.rows:,} rows" if len(positions) < found.rows else f"All {found.rows:,} rows"
    if not lines:
        st.info("No row fits. Widen the filters above.", icon=":material/filter_alt_off:")
        return []
    st.html(_rows(lines, what))
    if pages > 1:
        st.pagination(pages, key=key)
    return lines


def _rows(lines: list[Line], what: str) -> str:
    heads = "".join(
        f'<th role="columnheader" scope="col">{name}</th>' for name in ("No.", "Case", "Differential", "Confidence")
    )
    return (
        f'<table class="ddx-rows" role="table" aria-label="{html.escape(what)}"><thead role="rowgroup"><tr role="row">'
        f'{heads}</tr></thead><tbody role="rowgroup">{"".join(map(_row, lines))}</tbody></table>'
        f'<p class="ddx-job-line">{html.escape(what)}. No. counts the rows below the header.</p>'
    )


def _row(line: Line) -> str:
    who = " · ".join(part for part in (line.age, line.sex) if part and len(part) <= 12)
    case = f"{html.escape(line.case_id[:40])}<small>{html.escape(who)}</small>"
    start = (
        f'<tr role="row"><td role="cell">{line.position + 1:,}</td><td role="cell">{case}</td>'
    )  # fmt: skip
    if not line.diagnoses:
        return f'{start}<td role="cell" class="ddx-why">{html.escape(line.status)}</td></tr>'
    first, rest = line.diagnoses[0], line.diagnoses[1:4]
    others = "; ".join(f"{d.name} {percent(d.confidence)}" for d in rest)
    more = f"; {len(line.diagnoses) - 4} more" if len(line.diagnoses) > 4 else ""
    status = "" if line.status == "ok" else f"<small>{html.escape(line.status)}</small>"
    width, alarm = min(100.0, max(0.0, 100 * first.confidence)), ALARM if first.must_not_miss else ""
    return (
        f'{start}<td role="cell"><span class="ddx-first">{html.escape(first.name)}</span>{alarm}'
        f"<small>{html.escape(others + more)}</small>{status}</td>"
        '<td role="cell"><span class="ddx-confidence"><span class="ddx-track" aria-hidden="true">'
        f'<span class="ddx-bar" style="width:{width:.2f}%"></span></span>'
        f'<span class="ddx-number">{html.escape(percent(first.confidence))}</span></span></td></tr>'
    )


@st.cache_resource(max_entries=4, show_spinner="Reading the results …")
def _open(path: str, changed: int, sidecar: str) -> Results:
    return Results(Path(path), Path(sidecar))


@st.cache_data(max_entries=32, show_spinner=False)
def _selected(_found: Results, path: str, changed: int, *choice: Any) -> np.ndarray:
    return _found.select(*choice)
