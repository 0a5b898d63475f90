"""The pages that look back in a real browser: recalibrate and roll back, compare two runs, agreement over time; with
axe on each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import served
from needs import BROWSER
from served import Served, chromium, settled
from site_reviews import fill

from app.parts.evaluation import evaluation_file
from ddx.provenance import read_model_card, shipped_folder

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = BROWSER


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("site")
    fill(folder / "reviews.sqlite", 150)
    (folder / "runs").mkdir()
    result = json.loads(evaluation_file().read_text(encoding="utf-8"))
    (folder / "runs" / "second.json").write_text(json.dumps(result))
    cases = evaluation_file().with_suffix(".cases.parquet").read_bytes()
    (folder / "runs" / "second.cases.parquet").write_bytes(cases)
    with served.served(folder / "reviews.sqlite", DDX_RUNS=str(folder / "runs")) as app:
        yield app


@pytest.fixture(params=[(1280, "light"), (1280, "dark"), (400, "light")], ids=["wide", "dark", "narrow"])
def page(request: pytest.FixtureRequest) -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    width, scheme = request.param
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        opened = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
        opened.set_default_timeout(60_000)
        yield opened
        browser.close()


def faults(page: Page) -> list[str]:
    """What axe finds on the page as it stands, with the pointer away: what that is on has other colours."""
    page.mouse.move(1, 1)
    settled(page, 1500)  # charts are drawn after the page is
    return served.faults(page)


def fits(page: Page) -> bool:
    """Whether nothing makes the page itself scroll sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_a_calibrator_is_made_put_into_use_and_rolled_back(site: Served, page: Page) -> None:
    from playwright.sync_api import expect

    page.goto(f"{site.url}/reliability")
    expect(page.get_by_text("This site: 150 reviewed cases")).to_be_visible(timeout=120_000)
    page.get_by_role("button", name="Recalibrate from 150 cases").click()
    versions = page.get_by_role("region", name="Versions of the site's calibrator")
    expect(versions.get_by_text("better", exact=True).first).to_be_visible(timeout=60_000)
    settled(page)
    page.get_by_role("button", name="Put into use").click()
    expect(versions.get_by_text("in use", exact=True)).to_be_visible(timeout=60_000)
    assert faults(page) == [] and fits(page)
    page.get_by_role("button", name="Roll back to the model's own").click()
    expect(versions.get_by_text("in use", exact=True)).to_have_count(0, timeout=60_000)
    page.get_by_text("History, and what the chosen version is").click()
    history = page.get_by_role("region", name="History of the site's calibrator")
    expect(history.get_by_text("rolled back").first).to_be_visible()
    assert faults(page) == []


def test_two_runs_are_compared_and_agreement_over_time_is_shown(site: Served, page: Page) -> None:
    from playwright.sync_api import expect

    page.goto(f"{site.url}/compare")
    expect(page.get_by_text("2,000 cases in common").first).to_be_visible(timeout=120_000)
    expect(page.get_by_text("no difference that can be told from chance").first).to_be_visible()
    assert faults(page) == [] and fits(page)
    page.get_by_text("Clinicians and the model over time").click()
    expect(page.get_by_text("150 reviews in 8 months")).to_be_visible()
    page.get_by_text("Week", exact=True).click()
    expect(page.get_by_text("fewer than 12 reviews in grey").first).to_be_visible()
    assert faults(page) == [] and fits(page)


def test_about_has_no_fault(site: Served, page: Page) -> None:
    from playwright.sync_api import expect

    page.goto(f"{site.url}/about")
    expect(page.get_by_text("What is kept, and where")).to_be_visible(timeout=120_000)
    page.get_by_text("Model card").click()
    shipped = read_model_card(shipped_folder())["id"]
    expect(page.get_by_role("heading", name=f"The shipped model: {shipped}")).to_be_visible()
    assert faults(page) == [] and fits(page)
