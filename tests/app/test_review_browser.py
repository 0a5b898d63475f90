"""A review from the case to the next one, in a real browser with the real model; and an app killed on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from needs import BROWSER, MODEL
from served import Served, chromium, faults, served, settled

from ddx.store import Store

pytestmark = [*BROWSER, *MODEL]
WAIT = 180_000  # ms, for the model beside other work
CASE = "62-year-old man, sudden chest pain on breathing in, short of breath, swollen left calf. No fever, no cough."


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("store") / "reviews.sqlite") as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield found
        found.close()


def opened(browser: Any, app: Served, **context: Any) -> Any:
    page = browser.new_context(viewport={"width": 1280, "height": 1000}, **context).new_page()
    page.set_default_timeout(WAIT)
    page.goto(app.url)
    page.get_by_role("heading", name="Review a case").wait_for()
    return page


def written(page: Any, text: str) -> None:
    page.get_by_role("radio", name="My own case").click()
    page.get_by_label("Case", exact=True).fill(text)
    page.get_by_role("button", name="Review this case").click()


def store(app: Served) -> Store:
    return Store.open(app.store, create=False)


def test_a_case_from_the_own_list_to_the_next_case(browser: Any, app: Served) -> None:
    page = opened(browser, app)
    written(page, CASE)
    page.get_by_label("Your differential").fill("Pulmonary embolism\nPleurisy")
    assert page.locator(".ddx-list").count() == 0, "the model's list is not shown before one's own"
    page.get_by_role("button", name="Show the model's list").click()
    page.get_by_role("table", name="Differential, likeliest first").wait_for()
    assert page.get_by_text("Your own list before:").is_visible()
    page.get_by_text("Evidence for and against", exact=True).click()
    page.get_by_role("button", name="Show what speaks for and against").click()
    page.get_by_role("table", name=re.compile("Evidence for and against")).wait_for()
    link = page.locator(".ddx-weights a").first
    words = link.inner_text()
    target = page.locator(link.get_attribute("href") or "")
    assert words.rstrip("., ") in target.inner_text(), "a bar leads to its words in the case"
    page.get_by_text("What to ask next", exact=True).click()
    page.get_by_role("button", name="Rank what to ask").click()
    page.get_by_role("region", name="What to ask next").wait_for()
    settled(page)  # the table comes before the button below it has its place
    page.get_by_role("button", name=re.compile("Ask with")).click()
    page.locator(".ddx-short").nth(1).wait_for()
    assert faults(page) == []
    page.locator(".st-key-Down_0 button").first.click()
    page.get_by_label("Reason for the change").fill("calf swelling")
    page.get_by_label("Reason for the change").press("Enter")
    page.get_by_role("button", name="Confirm my list").click()
    page.get_by_text(re.compile("Confirmed, with changes")).wait_for()
    with store(app) as kept:
        [row] = kept.list_reviews(decision="overridden")
        review = kept.get(row.review_id).review
        assert review.own == ("Pulmonary embolism", "Pleurisy") and review.reason == "calf swelling"
        assert kept.verify().intact
    page.get_by_role("radio", name="Example case").click()
    settled(page)
    case = page.locator(".ddx-case").inner_text()
    page.keyboard.press("Alt+n")
    page.wait_for_function("old => document.querySelector('.ddx-case')?.innerText !== old", arg=case)
    written(page, "25-year-old woman, itchy eyes and sneezing every spring.")
    page.get_by_label("Your differential").wait_for()
    assert page.locator(".ddx-list").count() == 0, "no list of another case stands beside this one"
    page.context.close()


def test_typing_is_never_taken_for_a_shortcut(browser: Any, app: Served) -> None:
    page = opened(browser, app)
    page.get_by_role("radio", name="My own case").click()
    page.get_by_label("Case", exact=True).press_sequentially("Nausea and night sweats, afebrile")
    assert page.get_by_label("Case", exact=True).input_value() == "Nausea and night sweats, afebrile"
    page.context.close()


def test_findings_are_found_by_typing_and_reviewed(browser: Any, app: Served) -> None:
    page = opened(browser, app)
    page.get_by_role("radio", name="Findings").click()
    settled(page)
    for label, words in (("Present", "fever"), ("Absent", "cough")):
        box = page.get_by_role("combobox", name=re.compile(label))
        box.click()
        box.press_sequentially(words)
        page.get_by_role("option").first.click()
        page.keyboard.press("Escape")
        settled(page)  # a click while the page is drawn again would be lost
    page.get_by_text("What the model will see", exact=True).click()
    page.locator(".ddx-seen").first.wait_for()
    assert "cough" in page.locator(".ddx-seen").first.inner_text().lower()
    page.context.close()


@pytest.mark.parametrize(("look", "width"), [("light", 1280), ("dark", 1280), ("light", 400)])
def test_it_is_readable_in_every_look(browser: Any, app: Served, tmp_path: Path, look: str, width: int) -> None:
    page = opened(browser, app, color_scheme=look)
    page.set_viewport_size({"width": width, "height": 1700})
    page.get_by_role("button", name="Review this case").click()
    page.get_by_role("button", name="Show the model's list").click()
    page.get_by_role("table", name="Differential, likeliest first").wait_for()
    settled(page, 1000)
    assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "nothing is cut off"
    page.screenshot(path=str(tmp_path / "page.png"))
    page.context.close()


def test_an_app_killed_in_mid_review_has_lost_nothing_that_was_confirmed(browser: Any, tmp_path: Path) -> None:
    with served(tmp_path / "reviews.sqlite") as app:
        page = opened(browser, app)
        written(page, CASE)
        page.get_by_label("Your differential").fill("Pneumothorax")
        page.get_by_role("button", name="Show the model's list").click()
        page.get_by_role("table", name="Differential, likeliest first").wait_for()
        page.locator(".st-key-strike_0 button").first.click()
        page.get_by_label(re.compile("Struck: ")).wait_for()
        app.kill()
        page.context.close()
        app.start()
        page = opened(browser, app)
        page.get_by_role("radio", name="Earlier", exact=True).click()
        page.get_by_role("combobox", name=re.compile("latest reviews")).click()
        page.get_by_role("option").first.click()
        page.get_by_label(re.compile("Struck: ")).wait_for()
        assert page.get_by_text("Pneumothorax").first.is_visible()
        with store(app) as kept:
            assert kept.verify().intact
        page.context.close()
