"""The clinician's side: their own list before the model's, and what they make of the model's."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.parts import records
from app.parts.state import Open
from ddx.differential import percent
from ddx.review import Kept
from ddx.vocabulary import load_vocabulary
from ddx.vocabulary.matching import Matcher

__all__ = ["decide", "own_list"]

_MOST_OWN = 10


def own_list(opened: Open) -> bool:
    """Ask for the clinician's own differential; whether it is given, and the model's may be shown."""
    st.html(
        '<p class="ddx-reading">Write your own differential first, the likeliest on top, one diagnosis a line. '
        "It is stored as you wrote it; the model's list comes next and does not change it.</p>"
    )
    with st.form("own_list", border=False):
        text = st.text_area(
            "Your differential", key=f"own_{opened.review.review_id}", height=140, max_chars=1000,
            placeholder="Acute coronary syndrome\nPulmonary embolism\n…",
        )  # fmt: skip
        shown = st.form_submit_button("Show the model's list", type="primary", width="stretch")
        st.caption("Ctrl+Enter in the list also shows it. An empty list is stored as empty.")
    if not shown:
        return False
    lines = [" ".join(line.split()) for line in (text or "").splitlines()]
    opened.change(own=tuple(line for line in lines if line)[:_MOST_OWN])
    return records.save(opened)


def decide(opened: Open) -> None:
    """The list that the clinician ends with: accept, reorder, strike, add, and confirm with a reason where it differs.

    Every change is saved as it is made.
    """
    review = opened.review
    st.subheader("Your list", anchor=False)
    if opened.problem:
        st.error(opened.problem, icon=":material/error:")
    if opened.decided:
        _decided(opened)
        return
    if opened.untouched:
        st.button(
            "Accept the list as it stands", type="primary", icon=":material/check:", shortcut="Alt+A", key="accept",
            on_click=_confirm, args=(opened, "accepted"),
        )  # fmt: skip
    for at, line in enumerate(review.kept):
        _line(opened, at, line)
    for at, gone in enumerate(review.struck):
        with st.container(horizontal=True, vertical_alignment="bottom", key=f"struck_{gone.name}"):
            key = f"reason_{review.review_id}_{gone.name}"
            st.text_input(
                f"Struck: {gone.name}. Why?", gone.reason, key=key, max_chars=300, placeholder="Optional",
                on_change=_reason, args=(opened, at, key),
            )  # fmt: skip
            st.button("Bring back", key=f"back_{gone.name}", on_click=_do, args=(opened, opened.bring_back, at))
    _add(opened)
    if not opened.untouched:
        _override(opened)
    key = f"notes_{review.review_id}"
    st.text_area("Notes", review.notes, key=key, height=80, max_chars=4000, on_change=_notes, args=(opened, key))
    st.caption("Every change is saved at once." if not opened.problem else "The last change is not saved.")


def _line(opened: Open, at: int, line: Kept) -> None:
    last = len(opened.review.kept) - 1
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"line_{at}"):
        origin = "added by you" if line.source == "clinician" else f"model {percent(line.confidence or 0.0)}"
        st.text(f"{at + 1}. {line.name} ({origin})", width="stretch")
        with st.container(horizontal=True, gap="small", width="content"):
            for label, by in (("Up", -1), ("Down", 1)):
                off = at == 0 if by < 0 else at == last
                st.button(
                    label, key=f"{label}_{at}", disabled=off, help=f"Move {line.name} {label.lower()}",
                    on_click=_do, args=(opened, opened.move, at, by), type="tertiary",
                )  # fmt: skip
            st.button(
                "Strike", key=f"strike_{at}", help=f"Take {line.name} off the list", type="tertiary", on_click=_do,
                args=(opened, opened.strike, at),
            )  # fmt: skip


def _add(opened: Open) -> None:
    names = sorted(condition.name for condition in load_vocabulary())
    key = f"add_{opened.review.review_id}_{len(opened.review.kept)}_{len(opened.review.struck)}"
    st.selectbox(
        "Add a diagnosis", names, index=None, key=key, accept_new_options=True, on_change=_added, args=(opened, key),
        placeholder="Type to search; any other name can be entered too",
    )  # fmt: skip


def _override(opened: Open) -> None:
    key = f"why_{opened.review.review_id}"
    st.text_input(
        "Reason for the change", opened.review.reason, key=key, max_chars=500, on_change=_why, args=(opened, key),
        placeholder="Needed to confirm a list that differs from the model's",
    )  # fmt: skip
    st.button(
        "Confirm my list", type="primary", icon=":material/check:", shortcut="Alt+A", key="override",
        disabled=not opened.review.reason.strip() or not opened.review.kept, on_click=_confirm,
        args=(opened, "overridden"),
    )  # fmt: skip


def _decided(opened: Open) -> None:
    review = opened.review
    lines = "; ".join(f"{i}. {line.name}" for i, line in enumerate(review.kept, start=1)) or "none"
    if review.decision == "accepted":
        st.success(f"Accepted as it stands: {lines}.", icon=":material/check:")
    else:
        st.success(f"Confirmed, with changes: {lines}. Reason: {review.reason}", icon=":material/check:")
    st.button("Reopen", key="reopen", type="tertiary", on_click=_confirm, args=(opened, "open"))


def _do(opened: Open, change: Callable[..., None], *arguments: int) -> None:
    change(*arguments)
    records.save(opened)


def _added(opened: Open, key: str) -> None:
    name = " ".join((st.session_state.get(key) or "").split())[:120]
    if not name:
        return
    condition = Matcher(load_vocabulary()).match(name).condition
    if condition is None:
        opened.add(Kept(name, "clinician"))
    else:
        opened.add(Kept(condition.name, "clinician", condition.key, condition.icd10 or None))
    records.save(opened)


def _reason(opened: Open, at: int, key: str) -> None:
    opened.give_reason(at, st.session_state[key].strip())
    records.save(opened)


def _why(opened: Open, key: str) -> None:
    opened.change(reason=st.session_state[key].strip())
    records.save(opened)


def _notes(opened: Open, key: str) -> None:
    opened.change(notes=st.session_state[key])
    records.save(opened)


def _confirm(opened: Open, decision: str) -> None:
    before = opened.review.decision
    opened.change(decision=decision)
    if not records.save(opened):  # it stands only once it is on the disk
        opened.change(decision=before)
