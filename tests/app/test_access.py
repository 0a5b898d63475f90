"""Who is let in: nobody beyond this machine without a login, and nobody where the login's settings can't be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit import config
from streamlit.runtime.secrets import secrets_singleton
from streamlit.testing.v1 import AppTest

from app.parts import records, settings

MAIN = Path(__file__).resolve().parents[2] / "app" / "main.py"


@pytest.fixture
def secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the app looks for its login's settings; the file is not there yet. The store is the test's own."""
    monkeypatch.setenv("DDX_STORE", str(tmp_path / "reviews.sqlite"))
    monkeypatch.setenv("DDX_MODEL", str(tmp_path))  # no model
    monkeypatch.setattr(secrets_singleton, "_secrets", None)
    monkeypatch.setattr(secrets_singleton, "_file_watchers_installed", True)
    before = {name: config.get_option(name) for name in ("server.address", "secrets.files")}
    config.set_option("secrets.files", [str(tmp_path / "secrets.toml")])
    records.store.clear()
    yield tmp_path / "secrets.toml"
    for name, value in before.items():
        config.set_option(name, value)
    records.store.clear()


def opened(address: str | None) -> AppTest:
    config.set_option("server.address", address)
    app = AppTest.from_file(str(MAIN), default_timeout=60).run()
    assert not app.exception
    return app


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("0.0.0.0", "0.0.0.0"),
        ("::", "::"),
        ("192.0.2.7", "192.0.2.7"),
        ("", "all addresses"),
        (None, "all addresses"),
        ("clinic.example.org", "clinic.example.org"),
        ("127.0.0.1.example.org", "127.0.0.1.example.org"),
    ],
)
def test_without_a_login_other_machines_are_refused_and_told_why(
    secrets: Path, address: str | None, named: str
) -> None:
    app = opened(address)
    [error] = app.error
    assert f"started on {named}" in error.value and "without a login" in error.value
    assert "--server.address 127.0.0.1" in error.value and "docs/app.md" in error.value
    assert not app.title and not app.button


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_this_machine_alone_needs_no_login(secrets: Path, address: str) -> None:
    assert opened(address).title[0].value == "Review a case"


@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1"])
def test_where_a_login_is_set_up_everybody_signs_in_first(secrets: Path, address: str) -> None:
    secrets.write_text('[auth]\nclient_id = "x"\n')
    app = opened(address)
    assert [button.label for button in app.button] == ["Sign in with your organisation"]
    assert [title.value for title in app.title] == ["Sign in"] and not app.error


def test_half_a_login_lets_nobody_in_and_says_what_lacks(secrets: Path) -> None:
    secrets.write_text('[auth]\nredirect_uri = "http://127.0.0.1/oauth2callback"\ncookie_secret = "hidden words"\n')
    app = opened("127.0.0.1").button(key="sign_in").click().run()
    assert not app.exception
    [error] = app.error
    assert "not set up in full" in error.value and "hidden words" not in error.value
    assert [title.value for title in app.title] == ["Sign in"]
    secrets.write_text("auth = 1\n")
    secrets_singleton._secrets = None
    assert [title.value for title in opened("127.0.0.1").title] == ["Sign in"]


def test_settings_of_a_login_that_cant_be_read_let_nobody_in(secrets: Path) -> None:
    """Also on this machine's own address: a proxy in front of it may rely on the login."""
    for content in (b'[auth\nclient_secret = "hidden words"', b"\xff\xfe\x00"):
        secrets.write_bytes(content)
        app = opened("127.0.0.1")
        [error] = app.error
        assert "nobody is let in" in error.value and "hidden words" not in error.value
        assert not app.title and not app.button


def test_secrets_without_a_login_are_no_login(secrets: Path) -> None:
    secrets.write_text('other = "x"\n')
    assert opened("127.0.0.1").title[0].value == "Review a case"
    assert "without a login" in opened("0.0.0.0").error[0].value


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"email": "ada@example.org", "name": "Ada", "sub": "1"}, "ada@example.org"),
        ({"email": "ada@example.org", "email_verified": True, "name": "Ada"}, "ada@example.org"),
        ({"email": "boss@example.org", "email_verified": False, "name": "Eve", "sub": "2"}, "Eve"),
        ({"email": "boss@example.org", "email_verified": "false", "sub": "2"}, "2"),
        ({"name": "Ada\nLovelace " + "x" * 300}, "AdaLovelace " + "x" * 68),
        ({}, ""),
    ],
)
def test_the_reviewer_is_who_the_login_vouches_for(
    monkeypatch: pytest.MonkeyPatch, claims: dict[str, object], name: str
) -> None:
    class User:
        is_logged_in = True

        def to_dict(self) -> dict[str, object]:
            return claims

    monkeypatch.setattr(st, "user", User())
    assert settings.signed_in() == name
    monkeypatch.setattr(User, "is_logged_in", False)
    assert settings.signed_in() == ""
