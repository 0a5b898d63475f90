"""One row of a scored table: its case, its whole list, and the way to the review page."""

from __future__ import annotations

import html

import streamlit as st

from app.parts.batch_words import literal
from app.parts.case_entry import MAX_CHARACTERS, OWN
from app.parts.texts import case_line
from ddx.case import Case
from ddx.differential import percent
from ddx.errors import InputError
from ddx.scoring.jobs import Job
from ddx.scoring.results import Line, Results
from ddx.vignette import header, render

ALARM = ' <span class="ddx-alarm">Must not miss</span>'


def row_detail(job: Job, found: Results, lines: list[Line]) -> None:
    """Choose one of the rows that the page shows, and look at it."""
    by_position = {line.position: line for line in lines}
    if not by_position:
        return
    key = f"row_{job.id}"
    if st.session_state.get(key) not in by_position:
        st.session_state[key] = None
    position = st.selectbox(
        "Look at a row", list(by_position), None, key=key, placeholder="Choose one of the rows above",
        format_func=lambda at: _label(by_position[at]) if at in by_position else str(at),
    )  # fmt: skip
    if position is None:
        return
    line = by_position[position]
    try:
        case = found.case(position)
    except InputError:  # its status says it in the file's own terms
        st.warning(f"This row can't be scored: {literal(line.status.removeprefix('error: '))}.", icon=":material/rule:")
        return
    left, right = st.columns([5, 7], gap="large")
    with left:
        st.html(
            f'<article class="ddx-case"><p class="ddx-case-line">{html.escape(case_line(case))}</p>'
            f"<p>{html.escape(prose(case))}</p></article>"
        )
    with right:
        st.html(_list(line))
        _open_in_review(case)


def prose(case: Case) -> str:
    """What a case says beside age and sex: its text, with coded findings written out."""
    return render(case).removeprefix(header(case)).strip()


def _label(line: Line) -> str:
    what = line.diagnoses[0].name if line.diagnoses else line.status.partition(":")[0]
    return " · ".join(part for part in (f"No. {line.position + 1:,}", line.case_id[:40], what) if part)


def _list(line: Line) -> str:
    """The row's list as the table has it."""
    if not line.diagnoses:
        return f'<p class="ddx-reading">{html.escape(line.status)}</p>'
    rows = [
        f'<tr><th scope="row">{rank}</th><td>{html.escape(d.name)}'
        f"{ALARM if d.must_not_miss else ''}</td>"
        f"<td>{html.escape(d.icd10 or '–')}</td><td>{html.escape(percent(d.confidence))}</td></tr>"
        for rank, d in enumerate(line.diagnoses, start=1)
    ]
    if line.other is not None:
        rows.append(
            '<tr><th scope="row"><span class="ddx-hidden">Rest</span></th><td>Something else</td><td>–</td>'
            f"<td>{html.escape(percent(line.other))}</td></tr>"
        )
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("Rank", "Diagnosis", "ICD-10", "Confidence"))
    return (
        '<div class="ddx-scroll" tabindex="0" role="region" aria-label="Differential of this row">'
        f'<table class="ddx-table"><caption>Differential of this row</caption><thead><tr>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _open_in_review(case: Case) -> None:
    text = prose(case)
    if len(text) > MAX_CHARACTERS:
        limit = f"The review page takes cases of up to {MAX_CHARACTERS:,} characters; this one has {len(text):,}."
        st.html(f'<p class="ddx-job-line">{limit}</p>')
        return
    if st.button("Open in review", icon=":material/stethoscope:", key="batch_review"):
        st.session_state["source"] = OWN
        st.session_state["own_text"] = text
        st.session_state["own_age"] = case.age
        st.session_state["own_sex"] = case.sex
        st.switch_page("app_pages/review.py")
