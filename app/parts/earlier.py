"""Reviews that were left earlier, to go on with."""

from __future__ import annotations

import streamlit as st

from app.parts import records, state
from ddx.case import Case
from ddx.differential import Differential
from ddx.store import ReviewRow, StoreError

__all__ = ["choose"]

_SHOWN = 50
_DECISIONS = {"open": "open", "accepted": "accepted", "overridden": "overridden"}


def choose() -> Case | None:
    """Show the latest reviews; the case of the chosen one, whose review this session is then at."""
    try:
        store = records.store()
        if store.phi:
            st.info("In PHI mode no case is stored, so there is none to go back to.", icon=":material/lock:")
            return None
        rows = store.list_reviews(limit=_SHOWN)
        if not rows:
            st.info("No review is stored yet. A review is saved from the moment that it begins.")
            return None
        row = st.selectbox(
            f"The {len(rows)} latest reviews", rows, index=None, format_func=_line, key="earlier",
            placeholder="Choose one to go on with",
        )  # fmt: skip
        if row is None:
            return None
        return _go_on(row)
    except StoreError as error:
        st.error(f"The store of reviews can't be read: {error}", icon=":material/error:")
        return None


def _go_on(row: ReviewRow) -> Case:
    stored = records.store().get(row.review_id)
    at = state.current(stored.review.case)
    if at is None or at.review.review_id != row.review_id:
        opened = state.Open(stored.review, version=stored.version)
        if stored.review.differential is not None:
            opened.differential = Differential.from_dict(stored.review.differential)
        state.resume(opened)
    return stored.review.case


def _line(row: ReviewRow) -> str:
    sex = {"F": "woman or girl", "M": "man or boy"}.get(row.sex or "", "sex not stated")
    who = f"{row.age:g} years, {sex}" if row.age is not None else sex
    first = f", first: {row.first}" if row.first else ""
    by = f", {row.reviewer}" if row.reviewer else ""
    return f"{row.changed_at[:16].replace('T', ' ')} UTC: {who}{first} ({_DECISIONS[row.decision]}{by})"
