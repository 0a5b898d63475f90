"""The app in a real browser: seconds from submit to differential, to evidence bars, and for what needs no generation.

Every case is another one, written as free text; the model is loaded before the first is timed. Needs Chromium.

    python benchmarks/bench_app.py --cases 50
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "app"))

from served import chromium, served

from ddx.data.demo import demo_cases


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=50)
    parser.add_argument("--evidence", type=int, default=10, help="of them, with evidence bars")
    asked = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with (
        tempfile.TemporaryDirectory() as folder,
        served(Path(folder) / "reviews.sqlite") as app,
        sync_playwright() as p,
    ):
        browser = p.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(120_000)
        page.goto(app.url)
        page.get_by_role("button", name="Settings").click()
        page.get_by_text("My own list first").click()
        page.keyboard.press("Escape")
        page.get_by_role("radio", name="My own case").click()
        answers, evidence, clicks = [], [], []
        for i, demo in enumerate(demo_cases()[: asked.cases + 1]):
            page.get_by_label("Case", exact=True).fill(demo.case.text)
            seconds = timed(page, "Review this case", f"{len(demo.case.text.split())} words")
            if i:  # the first one waits for the model to load
                answers.append(seconds)
            if 0 < i <= asked.evidence:
                evidence.append(weighed(page))
                clicks += moved(page)
        browser.close()
    for what, found in (("submit to differential", answers), ("evidence bars", evidence), ("a click", clicks)):
        if not found:
            continue
        p50, p95 = np.quantile(found, (0.5, 0.95))
        print(f"{what:<24} p50 {p50:.2f} s, p95 {p95:.2f} s, most {max(found):.2f} s (n={len(found)})")


def timed(page: Any, button: str, words: str) -> float:
    """Seconds from the click to a list that belongs to this case."""
    before = page.locator(".ddx-list").count() and page.locator("[data-review]").first.get_attribute("data-review")
    began = time.perf_counter()
    page.get_by_role("button", name=button).click()
    page.wait_for_function(
        "old => { const e = document.querySelector('[data-review]'); return e && e.dataset.review !== old }",
        arg=before or "",
    )
    return time.perf_counter() - began


def weighed(page: Any) -> float:
    page.wait_for_function("document.querySelector('[data-testid=stStatusWidget]') === null")
    page.wait_for_timeout(500)  # the last parts of the page still change place
    page.get_by_text("Evidence for and against", exact=True).click()
    page.get_by_role("button", name="Show what speaks for and against").wait_for()
    began = time.perf_counter()
    page.get_by_role("button", name="Show what speaks for and against").click()
    page.locator(".ddx-weights").wait_for()
    return time.perf_counter() - began


def moved(page: Any) -> list[float]:
    """Move the first diagnosis down and up again: until the list on the screen has changed."""
    found = []
    for button in ("Down", "Up"):
        first = page.locator(".st-key-line_0").inner_text()
        began = time.perf_counter()
        page.locator(f".st-key-{button}_{0 if button == 'Down' else 1} button").first.click()
        page.wait_for_function("old => document.querySelector('.st-key-line_0').innerText !== old", arg=first)
        found.append(time.perf_counter() - began)
    return found


if __name__ == "__main__":
    main()
