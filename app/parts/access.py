"""Who may use the app: whoever sits at this machine, or whoever the site's own login lets in. Nobody else."""

from __future__ import annotations

import ipaddress

import streamlit as st

__all__ = ["admitted", "is_loopback"]


def admitted() -> bool:
    """Whether the page may be shown. If not, the page says why, or offers the login."""
    address = st.get_option("server.address") or ""
    if not has_login():
        if is_loopback(address):
            return True
        st.error(
            f"This app was started on {address or 'all addresses of this machine'} without a login, so anybody on the "
            "network could read patients' cases. Start it with --server.address 127.0.0.1, or set up a login "
            "(docs/app.md, “Many users”).",
            icon=":material/lock:",
        )
        return False
    if st.user.is_logged_in:
        with st.sidebar:
            st.caption(f"Signed in as {st.user.get('email') or st.user.get('name') or 'an unnamed user'}")
            st.button("Sign out", on_click=st.logout, key="sign_out")
        return True
    st.title("Sign in", anchor=False)
    st.button("Sign in with your organisation", type="primary", on_click=st.login, key="sign_in")
    return False


def has_login() -> bool:
    """Whether a login (OIDC) is set up in `.streamlit/secrets.toml`."""
    try:
        return "auth" in st.secrets
    except FileNotFoundError:
        return False


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("")
    (True, True, False, False)
    """
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"
