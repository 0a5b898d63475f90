"""The app beyond loopback in a real browser: refused without a login; with one, signed in, named, and signed out."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from needs import BROWSER
from oidc_provider import CLIENT, Provider, provider
from served import Served, chromium, faults, served, settled
from site_reviews import fill

from ddx.store import Store

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = BROWSER
ADA = {"sub": "ada", "name": "Ada Lovelace", "email": "ada@example.org", "email_verified": True}
BEYOND = {"STREAMLIT_SERVER_ADDRESS": "0.0.0.0", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


@pytest.fixture(scope="module")
def login() -> Iterator[Provider]:
    with provider() as found:
        found.person = ADA
        yield found


@pytest.fixture(scope="module")
def app(login: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The app on all addresses with a login, 30 reviews of others, and a model that can't be loaded."""
    folder = tmp_path_factory.mktemp("login")
    fill(folder / "reviews.sqlite", 30)
    (folder / "model").mkdir()
    card = {"id": "tests/none", "base": str(folder), "format": "lines", "k": 5}
    (folder / "model" / "model.json").write_text(json.dumps(card))
    (folder / "model" / "calibrator.json").write_text("{}")
    (folder / "secrets.toml").write_text(login.secrets_toml())
    files = {"STREAMLIT_SECRETS_FILES": str(folder / "secrets.toml"), "DDX_MODEL": str(folder / "model")}
    with served(folder / "reviews.sqlite", **BEYOND, **files) as found:
        login.back = f"{found.url}/oauth2callback"
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of somebody who was never here."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(60_000)
    yield opened
    context.close()


def signed_in(page: Page, app: Served) -> None:
    page.goto(app.url)
    page.get_by_role("button", name="Sign in with your organisation").click()
    page.get_by_role("link", name="Continue as ada").click()


def store(app: Served) -> Store:
    return Store.open(app.store, create=False)


def test_without_a_login_the_app_says_why_it_refuses(page: Page, tmp_path: Path) -> None:
    nothing = {"STREAMLIT_SECRETS_FILES": str(tmp_path / "none.toml"), "DDX_MODEL": str(tmp_path)}
    with served(tmp_path / "reviews.sqlite", **BEYOND, **nothing) as alone:
        for path in ("", "/about", "/reliability"):
            page.goto(f"{alone.url}{path}")
            page.get_by_text("was started on 0.0.0.0 without a login").wait_for()
            settled(page)
            assert page.get_by_role("heading").count() == 0
    assert not (tmp_path / "reviews.sqlite").exists(), "the store is not even opened"


def test_nobody_sees_anything_before_signing_in(page: Page, app: Served) -> None:
    for path in ("", "/about", "/reliability", "/compare", "/batch"):
        page.goto(f"{app.url}{path}")
        page.get_by_role("button", name="Sign in with your organisation").wait_for()
        settled(page)
        assert page.get_by_role("heading").all_inner_texts() == ["Sign in"]
    assert faults(page) == []


def test_who_signs_in_is_the_reviewer_until_signing_out(page: Page, app: Served, login: Provider) -> None:
    from playwright.sync_api import expect

    signed_in(page, app)
    page.get_by_role("heading", name="Review a case").wait_for()
    page.get_by_role("button", name="Settings").click()
    expect(page.get_by_text("Your reviews are stored under ada@example.org")).to_be_visible(timeout=60_000)
    assert page.get_by_label("Your name or initials").count() == 0, "a name can't be typed over the login's"
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Review this case").click()
    page.get_by_label("Your differential").wait_for()  # from then on the review is stored
    with store(app) as kept:
        assert [(row.reviewer, row.decision) for row in kept.list_reviews(limit=1)] == [("ada@example.org", "open")]

    page.goto(f"{app.url}/reliability")  # the cookie holds in a new session
    page.get_by_role("button", name="Recalibrate from 30 cases").click()
    page.get_by_text("Version 1 is made").wait_for()
    with store(app) as kept:
        [entry] = kept.entries("site_calibrator")
        assert (entry.actor, entry.action) == ("ada@example.org", "calibrator made")
        assert kept.verify().intact

    page.get_by_test_id("stExpandSidebarButton").click()
    expect(page.get_by_text("Signed in as ada@example.org")).to_be_visible(timeout=60_000)
    settled(page)
    assert faults(page) == []
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in with your organisation").wait_for()
    [left] = login.left
    assert left["client_id"] == CLIENT and left["post_logout_redirect_uri"] == login.back
    assert left["id_token_hint"].count(".") == 2, "the provider ends the session of this very login"
    page.goto(f"{app.url}/about")
    page.get_by_role("button", name="Sign in with your organisation").wait_for()
    settled(page)
    assert page.get_by_role("heading").all_inner_texts() == ["Sign in"]


def test_an_identity_that_the_provider_did_not_sign_is_not_let_in(page: Page, app: Served, login: Provider) -> None:
    login.forge = True
    try:
        signed_in(page, app)
        page.wait_for_url(re.compile(re.escape(app.url)))
        page.get_by_role("button", name="Sign in with your organisation").wait_for()
        settled(page)
        assert page.get_by_role("heading").all_inner_texts() == ["Sign in"]
    finally:
        login.forge = False


@pytest.mark.parametrize("known", [True, False])
def test_a_cookie_is_only_as_good_as_its_signature(page: Page, app: Served, known: bool) -> None:
    from streamlit.web.server.starlette.starlette_app_utils import create_signed_value
    from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

    made_up = json.dumps({"is_logged_in": True, "email": "eve@example.org", "origin": app.url, "provider": "default"})
    text = app.store.with_name("secrets.toml").read_text()
    secret = tomllib.loads(text)["auth"]["cookie_secret"] if known else "another secret of the same kind"
    value = create_signed_value(secret, USER_COOKIE_NAME, made_up).decode()
    page.context.add_cookies([{"name": USER_COOKIE_NAME, "value": value, "url": app.url}])
    page.goto(app.url)
    page.get_by_role("heading", name="Review a case" if known else "Sign in").wait_for()
    settled(page)
    assert page.get_by_role("button", name="Sign in with your organisation").count() == (not known)
