"""Case entry: pick an example, or write a case."""

from __future__ import annotations

import html
from dataclasses import dataclass

import streamlit as st

from app.parts.texts import SEXES, case_line
from ddx.case import MAX_AGE, Case, read_sex
from ddx.data.demo import DemoCase, demo_cases

EXAMPLE, OWN = "Example case", "My own case"
MAX_CHARACTERS = 5000  # about 1,250 tokens: well inside what the model reads, so nothing is cut
_PLACEHOLDER = (
    "58-year-old man, heavy central chest pressure for 50 minutes, spreads to the left arm. Sweating. "
    "No cough, no fever. Smoker. BP 148/92, pulse 96 …"
)


@dataclass(frozen=True)
class Entry:
    """What the entry holds: the case (None while there is none), its example, whether to review it."""

    case: Case | None
    demo: DemoCase | None
    submitted: bool


def case_entry() -> Entry:
    """Show the entry, return what it holds."""
    source = st.segmented_control(
        "Source of the case", [EXAMPLE, OWN], default=EXAMPLE, required=True, key="source",
        persist_state="session", label_visibility="collapsed", width="stretch",
    )  # fmt: skip
    return _own() if source == OWN else _example()


def _example() -> Entry:
    examples = demo_cases()
    index = st.selectbox(
        "Example", range(len(examples)), key="example", persist_state="session",
        format_func=lambda i: f"{i + 1}. {examples[i].title}",
        help=f"{len(examples)} cases that the project wrote itself. Type to search.",
    )  # fmt: skip
    demo = examples[index or 0]
    st.html(
        '<article class="ddx-case">'
        f'<p class="ddx-case-line">{html.escape(case_line(demo.case, demo.setting))}</p>'
        f"<p>{html.escape(demo.case.text)}</p></article>"
    )
    submitted = st.button(
        "Review this case", type="primary", width="stretch", shortcut="Ctrl+Enter", key="review_example"
    )
    with st.container(horizontal=True):
        st.button("Next example", type="tertiary", on_click=_next, args=(len(examples),), key="next_example")
        st.button("Edit as my own case", type="tertiary", on_click=_edit, args=(demo.case,), key="edit_example")
    return Entry(demo.case, demo, submitted)


def _own() -> Entry:
    with st.form("own_case", border=False):
        text = st.text_area(
            "Case", key="own_text", persist_state="session", height=260, max_chars=MAX_CHARACTERS,
            placeholder=_PLACEHOLDER, help="Leave out names, dates of birth, addresses and record numbers.",
        )  # fmt: skip
        left, right = st.columns(2)
        age = left.number_input(
            "Age in years", 0.0, MAX_AGE, None, 1.0, format="%g", key="own_age", persist_state="session",
            placeholder="Not stated", help="For an infant a fraction: 0.5 is six months.",
        )  # fmt: skip
        sex = right.selectbox(
            "Sex", [None, "F", "M"], format_func=SEXES.__getitem__, key="own_sex", persist_state="session"
        )
        submitted = st.form_submit_button("Review this case", type="primary", width="stretch")
        st.caption("Ctrl+Enter in the text also starts the review. Leave out names and record numbers.")
    if submitted and not (text or "").strip():
        st.error(
            "There is no case to review yet: write a sentence or two about the patient.",
            icon=":material/edit:",
        )
    if not (text or "").strip():
        return Entry(None, None, False)
    return Entry(Case("own-case", age, read_sex(sex), text=text or ""), None, submitted)


def _next(n: int) -> None:
    st.session_state["example"] = ((st.session_state.get("example") or 0) + 1) % n


def _edit(case: Case) -> None:
    st.session_state["source"] = OWN
    st.session_state["own_text"] = case.text
    st.session_state["own_age"] = case.age
    st.session_state["own_sex"] = case.sex
