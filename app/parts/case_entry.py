"""Case entry: an example, free text, findings, a file, or a review that was left earlier."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import streamlit as st

from app.parts import earlier
from app.parts.case_file import KINDS, MOST, cases_of
from app.parts.findings_form import findings_form
from app.parts.texts import SEXES, case_line
from ddx.case import MAX_AGE, Case, Sex, read_sex
from ddx.data.demo import DemoCase, demo_cases
from ddx.errors import InputError
from ddx.phi import looks_like_identifiers, warning
from ddx.vignette import render

EXAMPLE, OWN, FINDINGS, FILE, EARLIER = "Example case", "My own case", "Findings", "File", "Earlier"
MAX_CHARACTERS = 5000  # about 1,250 tokens: well inside what the model reads, so nothing is cut
_PLACEHOLDER = (
    "58-year-old man, heavy central chest pressure for 50 minutes, spreads to the left arm. Sweating. "
    "No cough, no fever. Smoker. BP 148/92, pulse 96 …"
)
_REVIEW = "Review this case"


@dataclass(frozen=True)
class Entry:
    """What the entry holds: the case (None while there is none), its example, whether to review it, and what to store
    with the review."""

    case: Case | None
    demo: DemoCase | None = None
    submitted: bool = False
    meta: Mapping[str, Any] = field(default_factory=dict)


def case_entry() -> Entry:
    """Show the entry, return what it holds."""
    source = st.segmented_control(
        "Source of the case", [EXAMPLE, OWN, FINDINGS, FILE, EARLIER], default=EXAMPLE, required=True, key="source",
        persist_state="session", label_visibility="collapsed", width="stretch",
    )  # fmt: skip
    entry = {OWN: _own, FINDINGS: _findings, FILE: _file, EARLIER: _earlier}.get(source or EXAMPLE, _example)()
    if entry.case is not None:
        _warn(entry.case.text)
        with st.expander("What the model will see"):
            st.html(f'<p class="ddx-seen">{html.escape(render(entry.case))}</p>')
    return entry


def _warn(text: str) -> None:
    """Say what looks like a name or a number of the patient; never that a text without it has none."""
    if found := looks_like_identifiers(text):
        st.warning(warning(found), icon=":material/visibility:")


def _example() -> Entry:
    examples = demo_cases()
    index = st.selectbox(
        "Example", range(len(examples)), key="example", persist_state="session",
        format_func=lambda i: f"{i + 1}. {examples[i].title}",
        help=f"{len(examples)} cases that the project wrote itself. Type to search.",
    )  # fmt: skip
    demo = examples[index or 0]
    _show(demo.case, demo.setting)
    submitted = st.button(_REVIEW, type="primary", width="stretch", shortcut="Ctrl+Enter", key="review_example")
    with st.container(horizontal=True):
        _next_button("example", len(examples), "Next example")
        st.button("Edit as my own case", type="tertiary", on_click=_edit, args=(demo.case,), key="edit_example")
    return Entry(demo.case, demo, submitted, {"source": "example"})


def _own() -> Entry:
    with st.form("own_case", border=False):
        text = st.text_area(
            "Case", key="own_text", persist_state="session", height=260, max_chars=MAX_CHARACTERS,
            placeholder=_PLACEHOLDER, help="Leave out names, dates of birth, addresses and record numbers.",
        )  # fmt: skip
        age, sex = _age_and_sex("own")
        submitted = st.form_submit_button(_REVIEW, type="primary", width="stretch")
        st.caption("Ctrl+Enter in the text also starts the review. Leave out names and record numbers.")
    if submitted and not (text or "").strip():
        st.error(
            "There is no case to review yet: write a sentence or two about the patient.",
            icon=":material/edit:",
        )
    if not (text or "").strip():
        return Entry(None)
    return Entry(Case("own-case", age, sex, text=text or ""), None, submitted, {"source": "text"})


def _findings() -> Entry:
    age, sex = _age_and_sex("form")
    findings = findings_form()
    submitted = st.button(_REVIEW, type="primary", width="stretch", shortcut="Ctrl+Enter", key="review_findings")
    if not findings:
        if submitted:
            st.error("There is no finding yet: type one under Present.", icon=":material/edit:")
        return Entry(None)
    return Entry(Case("findings-case", age, sex, findings), None, submitted, {"source": "findings"})


def _file() -> Entry:
    file = st.file_uploader(
        "Case file", KINDS, key="case_file",
        help="A case as JSON, a FHIR bundle, or a table as `ddx score` reads it. It is read here and not kept.",
    )  # fmt: skip
    if file is None:
        st.caption(f"JSON, FHIR, CSV, Excel or Parquet; of a table the first {MOST} cases. More: the Batch page.")
        return Entry(None)
    try:
        cases = cases_of(file)
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        return Entry(None)
    index = 0
    if len(cases) > 1:
        index = st.selectbox(
            f"Case ({len(cases)} in the file)", range(len(cases)), key="file_case",
            format_func=lambda i: f"{i + 1}. {cases[i].case_id or case_line(cases[i])}",
        )  # fmt: skip
    case = cases[index]
    _show(case)
    submitted = st.button(_REVIEW, type="primary", width="stretch", shortcut="Ctrl+Enter", key="review_file")
    if len(cases) > 1:
        _next_button("file_case", len(cases), "Next case")
    return Entry(case, None, submitted, {"source": "file"})


def _earlier() -> Entry:
    case = earlier.choose()
    if case is None:
        return Entry(None)
    _show(case)
    return Entry(case)


def _show(case: Case, setting: str = "") -> None:
    st.html(
        '<article class="ddx-case">'
        f'<p class="ddx-case-line">{html.escape(case_line(case, setting))}</p>'
        f"<p>{html.escape(case.text or render(case))}</p></article>"
    )


def _age_and_sex(name: str) -> tuple[float | None, Sex | None]:
    left, right = st.columns(2)
    age = left.number_input(
        "Age in years", 0.0, MAX_AGE, None, 1.0, format="%g", key=f"{name}_age", persist_state="session",
        placeholder="Not stated", help="For an infant a fraction: 0.5 is six months.",
    )  # fmt: skip
    sex = right.selectbox(
        "Sex", [None, "F", "M"], format_func=SEXES.__getitem__, key=f"{name}_sex", persist_state="session"
    )
    return age, read_sex(sex)


def _next_button(key: str, n: int, label: str) -> None:
    st.button(
        label, type="tertiary", shortcut="Alt+N", on_click=_next, args=(key, n), key=f"next_{key}",
        icon=":material/arrow_forward:",
    )  # fmt: skip


def _next(key: str, n: int) -> None:
    st.session_state[key] = ((st.session_state.get(key) or 0) + 1) % n


def _edit(case: Case) -> None:
    st.session_state["source"] = OWN
    st.session_state["own_text"] = case.text
    st.session_state["own_age"] = case.age
    st.session_state["own_sex"] = case.sex
