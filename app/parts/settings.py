"""A session's settings, and who is at work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import streamlit as st

from app.parts.batch_words import literal

Display = Literal["numbers", "bands", "rank"]
MAX_NAME = 80
DISPLAYS: dict[Display, str] = {
    "numbers": "Numbers and bars",
    "bands": "Words (likely, possible, …)",
    "rank": "Order only",
}


@dataclass(frozen=True)
class Settings:
    """`own_first`: the clinician writes a list before the model's is shown. `reviewer`: "" where nobody said."""

    own_first: bool
    display: Display
    reviewer: str


def signed_in() -> str:
    """The e-mail address or the name that the site's login gave, where there is a login (see docs/app.md); else "".

    An address that the login says it has not verified could be anybody's, so it does not count.
    """
    if not getattr(st.user, "is_logged_in", False):
        return ""
    user = st.user.to_dict()
    verified = str(user.get("email_verified", True)).casefold() == "true"
    name = (user.get("email") if verified else "") or user.get("name") or user.get("sub") or ""
    return "".join(letter for letter in str(name) if letter.isprintable())[:MAX_NAME].strip()


def settings() -> Settings:
    """Show the settings behind a button, return them."""
    with st.popover("Settings", icon=":material/tune:", key="settings"):
        own = st.toggle(
            "My own list first", True, key="own_first", persist_state="session",
            help="You write your own differential before you see the model's: a list that is seen sticks.",
        )  # fmt: skip
        display = st.radio(
            "Show confidence as", list(DISPLAYS), format_func=DISPLAYS.__getitem__, key="display",
            persist_state="session",
        )  # fmt: skip
        name = signed_in()
        if name:
            st.caption(f"Your reviews are stored under {literal(name)}, the name from your login.")
        else:
            name = st.text_input(
                "Your name or initials", key="reviewer", persist_state="session", max_chars=MAX_NAME,
                help="Stored with your reviews. Leave it empty to stay unnamed.",
            )  # fmt: skip
    return Settings(own, display or "numbers", name.strip())
