"""A table that was uploaded: how it is read, which column is what, what is wrong with it, and the start."""

from __future__ import annotations

import html
from dataclasses import replace
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import streamlit as st

from app.parts import engine
from app.parts.batch_progress import attempt
from app.parts.batch_words import literal
from ddx.case import read_sex
from ddx.errors import InputError
from ddx.provenance import read_model_card
from ddx.scoring.check import Check, check_table, recognised
from ddx.scoring.from_excel import visible_sheets
from ddx.scoring.job_worker import plain
from ddx.scoring.jobs import FORMS, Job, Order
from ddx.scoring.mapping import KNOWN_COLUMNS, ColumnMapping
from ddx.scoring.readers import look_over, tell_apart
from ddx.scoring.table import Record, Table
from ddx.scoring.writers import check_output

CHECKED = 1_000  # rows that are checked at once; all of them on request
SHOWN = 5  # rows of the preview
_LABELS = {
    "case_id": "Case id",
    "age": "Age in years",
    "sex": "Sex",
    "text": "Case as text",
    "findings": "Findings as codes",
    "evidences": "DDXPlus evidences",
    "initial_evidence": "DDXPlus first evidence",
}
_MEANINGS = {"": "Not stated", "F": "Female", "M": "Male"}


def setup(job: Job, order: Order) -> None:
    """Everything before the start. What is chosen is noted with the job at once, so that a reload keeps it."""
    try:
        order = _where(job, order)
        looked, head = _looked(str(job.input), job.input.stat().st_mtime_ns, order.sheet, order.on)
    except (InputError, OSError) as error:
        st.error(literal(plain(str(error), job)), icon=":material/error:")
        st.html('<p class="ddx-job-line">Correct the file and upload it again; this one can be deleted.</p>')
        return
    order = _mapped(job, order, looked)
    try:
        table = tell_apart(looked, order.mapping)
        for form in FORMS:
            check_output(table, job.output(form), order.k, force=True)
    except InputError as error:
        st.html(_preview(looked, head, {}))
        st.error(literal(plain(str(error), job)), icon=":material/rule:")
        return
    st.html(_read_as(job, table))
    st.html(_preview(table, head, {at: name for name, at in table.columns.items()}))
    check = _problems(job, table, head)
    order = _sexes(job, order, table, head, check)
    _start(job, order, table)


def _where(job: Job, order: Order) -> Order:
    """Which sheet of a workbook; for FHIR, at which day patients are as old as their row says."""
    if job.input.suffix in (".xlsx", ".xlsm"):
        sheets = _sheets(str(job.input), job.input.stat().st_mtime_ns)
        if len(sheets) > 1:
            at = sheets.index(order.sheet) if order.sheet in sheets else 0
            sheet = st.selectbox("Sheet", sheets, at, key=f"sheet_{job.id}")
            return _note(job, order, sheet=sheet)
    return order


def _mapped(job: Job, order: Order, table: Table) -> Order:
    """The columns, chosen by the person; prefilled by their own names and by what was chosen before."""
    headers = list(dict.fromkeys(name.strip() for name in table.header if name.strip()))
    own = {name.casefold(): name for name in reversed(headers)}
    if table.kind == "fhir":
        on = st.date_input(
            "Day at which ages are counted", order.on, date(1900, 1, 1), key=f"on_{job.id}",
            help="Empty: for each patient, the last day that the resources name.",
        )  # fmt: skip
        return _note(job, order, on=on) if isinstance(on, date) or on is None else order
    usual = not set(own).isdisjoint({"text", "findings", "evidences"}) and order.mapping == ColumnMapping()
    columns: dict[str, str] = {}
    with st.expander("Which column is what", expanded=not usual, icon=":material/view_column:"):
        for i, name in enumerate(KNOWN_COLUMNS):
            if i % 3 == 0:  # a row of its own for each three: they stay in order where columns are stacked
                places = st.columns(3)
            # a column that is called by the name itself is read in any case: there is no "none" then
            options: list[str | None] = [*headers] if name in own else [None, *headers]
            wanted = order.mapping.columns.get(name) or own.get(name)
            header = places[i % 3].selectbox(
                _LABELS[name], options, options.index(wanted) if wanted in options else 0,
                format_func=lambda h: "None" if h is None else h, key=f"column_{job.id}_{name}",
            )  # fmt: skip
            if header is not None and header != own.get(name):
                columns[name] = header
        text = st.multiselect(
            "Further columns to join to the text, each behind its header", headers,
            [h for h in order.mapping.text_columns if h in headers], key=f"text_{job.id}",
        )  # fmt: skip
    mapping = ColumnMapping(columns=columns, values=order.mapping.values, text_columns=tuple(text))
    return _note(job, order, mapping=mapping)


def _read_as(job: Job, table: Table) -> str:
    lines = [plain(line, job) for line in recognised(table)]
    items = "".join(f"<li>{html.escape(line[:1].upper() + line[1:])}</li>" for line in lines)
    return f'<ul class="ddx-lines" aria-label="How the table is read">{items}</ul>'


def _preview(table: Table, head: list[Record], known: dict[int, str]) -> str:
    """The first rows, with what each column is read as."""
    texts = dict.fromkeys(table.text_columns, "joined to the text")
    heads = []
    for at, name in enumerate(table.header):
        meaning = texts.get(at) or (_LABELS[known[at]].lower() if at in known else "")
        mark = f'<span class="ddx-as">{html.escape(meaning)}</span>' if meaning else ""
        heads.append(f'<th scope="col">{html.escape(name.strip() or f"column {at + 1}")}{mark}</th>')
    rows = []
    for record in head[:SHOWN]:
        cells = [_short(cell) for cell in record.cells[: len(table.header)]]
        cells += [""] * (len(table.header) - len(cells))
        rows.append(
            f'<tr><th scope="row">{record.number}</th>{"".join(f"<td>{html.escape(c)}</td>" for c in cells)}</tr>'
        )
    return (
        '<div class="ddx-scroll" tabindex="0" role="region" aria-label="First rows of the table">'
        '<table class="ddx-table ddx-preview"><caption>First rows</caption>'
        f'<thead><tr><th scope="col">Row</th>{"".join(heads)}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _short(cell: str) -> str:
    text = " ".join(cell.split())
    return text if len(text) <= 90 else f"{text[:88]} …"


def _problems(job: Job, table: Table, head: list[Record]) -> Check:
    """What is wrong with the first rows, and on request with all of them."""
    key = f"batch_check_{job.id}"
    done: tuple[Any, Check] | None = st.session_state.get(key)
    if table.rows > CHECKED and (done is None or done[0] != table.describe()):
        check, scope = check_table(replace(table, read=lambda: iter(head))), "first "
        if st.button(f"Check all {table.rows:,} rows", icon=":material/fact_check:", key="batch_check_all"):
            bar, heard = st.progress(0.0, "Checking …"), 0

            def rows(more: int) -> None:
                nonlocal heard
                heard += more
                if heard % 1_000 == 0:
                    bar.progress(min(1.0, heard / table.rows), f"{heard:,} rows checked")

            check, scope = check_table(table, rows), ""
            bar.empty()
            st.session_state[key] = (table.describe(), check)
    else:
        check, scope = (
            done[1] if done and table.rows > CHECKED else check_table(replace(table, read=lambda: iter(head))),
            "",
        )
    failed = check.problems.total()
    if not failed:
        st.success(f"No problem found: all {scope}{check.rows:,} rows can be scored.", icon=":material/check_circle:")
        return check
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in check.problems.most_common())
    st.warning(
        f"{failed:,} of the {scope}{check.rows:,} rows can't be scored ({kinds}). They stay in the table with their "
        "reason; correct them in the file, or start all the same.",
        icon=":material/rule:",
    )
    items = "".join(f"<li>{html.escape(_sentence(message))}</li>" for message in check.first)
    more = f"<li>and {failed - len(check.first):,} more</li>" if failed > len(check.first) else ""
    st.html(f'<ul class="ddx-lines" aria-label="First problems">{items}{more}</ul>')
    return check


def _sexes(job: Job, order: Order, table: Table, head: list[Record], check: Check) -> Order:
    """What a cell of the sex column means, where it is not one of the words that are known."""
    if "sex" not in table.columns or not (check.problems["sex"] or order.mapping.values.get("sex")):
        return order
    at, unknown = table.columns["sex"], dict.fromkeys(order.mapping.values.get("sex", {}))
    for record in head:
        cell = record.cells[at].strip() if at < len(record.cells) else ""
        if cell and len(cell) <= 12 and len(unknown) < 6 and cell not in unknown:
            try:
                read_sex(cell)
            except InputError:
                unknown[cell] = None
    meanings: dict[str, str] = {}
    known = order.mapping.values.get("sex", {})
    with st.container(horizontal=True):
        for cell in unknown:
            options = [None, *_MEANINGS]
            meaning = st.selectbox(
                f"Sex “{literal(cell)}” means", options, options.index(known.get(cell)) if cell in known else 0,
                format_func=lambda m: "Unknown: leave the row out" if m is None else _MEANINGS[m],
                key=f"sex_{job.id}_{cell}", width=260,
            )  # fmt: skip
            if meaning is not None:
                meanings[cell] = meaning
    values = {**order.mapping.values, "sex": meanings} if meanings else {}
    changed = _note(job, order, mapping=order.mapping.model_copy(update={"values": values}))
    if changed != order:
        st.rerun()  # the problems above are others now
    return changed


def _start(job: Job, order: Order, table: Table) -> None:
    """How many diagnoses a row, and the start."""
    missing = engine.missing()
    if missing:
        st.error(missing, icon=":material/download:")
        return
    most = int(read_model_card(engine.model_folder())["k"])
    k = st.number_input(
        "Diagnoses a row", 1, most, min(order.k, most), key=f"k_{job.id}", width=180,
        help="The model ranks as many as this; what is left out counts to “something else”.",
    )  # fmt: skip
    order = _note(job, order, k=int(k))
    st.button(
        f"Score {table.rows:,} row{'s' * (table.rows != 1)}", type="primary", icon=":material/play_arrow:",
        key="batch_start", on_click=attempt, args=(job.start,),
    )  # fmt: skip


def _note(job: Job, order: Order, **changes: Any) -> Order:
    """Note what has changed with the job."""
    if all(getattr(order, name) == value for name, value in changes.items()):
        return order
    return job.change(**changes)


def _sentence(message: str) -> str:
    return f"{message[:1].upper()}{message[1:]}"


@st.cache_resource(max_entries=8, show_spinner="Reading the table …")
def _looked(path: str, changed: int, sheet: str | None, on: date | None) -> tuple[Table, list[Record]]:
    """The table, and its first rows, which every click needs."""
    table = look_over(Path(path), sheet, on)
    return table, list(islice(table.records(), CHECKED))


@st.cache_resource(max_entries=8, show_spinner=False)
def _sheets(path: str, changed: int) -> list[str]:
    return visible_sheets(Path(path))
