"""Where reviews are kept: opened once for all sessions, written after every change."""

from __future__ import annotations

import os
from pathlib import Path

import streamlit as st

from app.parts.settings import signed_in
from app.parts.state import Open
from ddx.store import Store, StoreError

__all__ = ["save", "store", "where"]


def where() -> str:
    """`$DDX_STORE` (a file or a database's URL), else a file in the user's own folder for such things."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return os.environ.get("DDX_STORE") or str(state / "ddx" / "reviews.sqlite")


@st.cache_resource(show_spinner=False)
def store() -> Store:
    """The store. `DDX_PHI=1` asks for PHI mode. Raises StoreError, in one line, when it can't be opened."""
    return Store.open(where(), phi=True if os.environ.get("DDX_PHI") == "1" else None)


def save(opened: Open) -> bool:
    """Write a review as it is now, in one transaction; whether that was possible. If not, the review says why.

    The log names whoever is signed in, who need not be the one that began the review.
    """
    try:
        seconds = opened.seconds or None
        opened.version = store().save(opened.review, opened.version, signed_in() or None, seconds).version
    except StoreError as error:  # another window was faster, the disk is full, the database is gone
        opened.problem = f"Not saved: {error}"
        return False
    opened.problem = ""
    return True
