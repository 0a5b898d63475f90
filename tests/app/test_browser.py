"""The app as a clinician opens it: a real server on loopback, a real browser, the shipped model."""

from __future__ import annotations

from pathlib import Path

from needs import BROWSER, MODEL
from served import chromium, served

from ddx.differential import NOTICE

pytestmark = [*BROWSER, *MODEL]


def test_an_example_is_reviewed_and_reliability_is_shown(tmp_path: Path) -> None:
    from playwright.sync_api import expect, sync_playwright

    with served(tmp_path / "reviews.sqlite") as app, sync_playwright() as play:
        address = app.url
        browser = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(120_000)
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        page.goto(address)
        page.get_by_role("button", name="Review this case").click()
        page.get_by_role("button", name="Show the model's list").click()
        table = page.get_by_role("table", name="Differential, likeliest first")
        expect(table.get_by_text("Something else")).to_be_visible(timeout=120_000)
        expect(page.get_by_role("note")).to_have_text(NOTICE)
        page.goto(f"{address}/reliability")
        expect(page.get_by_role("heading", name="Reliability")).to_be_visible(timeout=60_000)
        expect(page.get_by_text("test cases").first).to_be_visible(timeout=60_000)
        browser.close()
    outside = [
        url for url in requests if not url.startswith((address, "data:", "blob:", address.replace("http", "ws")))
    ]
    assert outside == []  # nothing leaves the machine
