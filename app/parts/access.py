"""Who may use the app: whoever sits at this machine, or whoever the site's own login lets in. Nobody else."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import streamlit as st
from streamlit.errors import StreamlitAuthError

from app.parts.batch_words import literal
from app.parts.settings import signed_in
from ddx.errors import InputError

__all__ = ["admitted", "has_login", "is_loopback"]

_PROBLEM = "sign_in_problem"


def admitted() -> bool:
    """Whether the page may be shown. If not, the page says why, or offers the login."""
    address = st.get_option("server.address") or ""
    try:
        login = has_login()
    except InputError as error:  # a login that can't be read is not the same as none: nobody is let in
        st.error(f"{error}, so nobody is let in.", icon=":material/lock:")
        return False
    if not login:
        if is_loopback(address):
            return True
        st.error(
            f"This app was started on {address or 'all addresses of this machine'} without a login, so anybody on the "
            "network could read patients' cases. Start it with --server.address 127.0.0.1, or set up a login "
            "(docs/app.md, “Many users”).",
            icon=":material/lock:",
        )
        return False
    if getattr(st.user, "is_logged_in", False):
        with st.sidebar:
            st.caption(f"Signed in as {literal(signed_in()) or 'an unnamed user'}")
            st.button("Sign out", on_click=st.logout, key="sign_out")
        return True
    st.title("Sign in", anchor=False)
    st.button("Sign in with your organisation", type="primary", on_click=_sign_in, key="sign_in")
    if problem := st.session_state.pop(_PROBLEM, None):
        st.error(problem, icon=":material/lock:")
    return False


def has_login() -> bool:
    """Whether a login (OIDC) is set up in `.streamlit/secrets.toml`, or wherever else the app looks for secrets.

    Raises InputError when there is such a file and it can't be read.
    """
    try:
        return "auth" in st.secrets
    except (OSError, ValueError) as error:
        absent = isinstance(error, FileNotFoundError)
        if absent and not any(Path(path).exists() for path in st.get_option("secrets.files")):
            return False
    raise InputError("The login's settings (secrets.toml) are no TOML, or can't be read")


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("")
    (True, True, False, False)
    """
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _sign_in() -> None:
    try:
        st.login()
    except StreamlitAuthError as error:
        words = " ".join(str(error).replace("`", "").split())
        st.session_state[_PROBLEM] = literal(f"The login is not set up in full. {words}")
