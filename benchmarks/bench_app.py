"""The app in a real browser: seconds from submit to differential, to evidence bars, and for what needs no generation.

Every case is another one, written as free text; the model is loaded before the first is timed. Clicks on the batch
page are on a finished job of 200,000 rows. A time ends when the browser shows the change. Needs Chromium.

    python benchmarks/bench_app.py --cases 50
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "app"))

from finished_job import finished_job
from served import chromium, served, settled

from ddx.data.demo import DemoCase, demo_cases

ROWS = 200_000


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=50)
    parser.add_argument("--evidence", type=int, default=10, help="of them, with evidence bars and clicks")
    parser.add_argument("--rounds", type=int, default=5, help="of clicks on the batch page; 0 leaves it out")
    asked = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as p:
        os.environ["DDX_JOBS"] = f"{folder}/jobs"
        job = finished_job(ROWS).id if asked.rounds else ""
        with served(Path(folder) / "reviews.sqlite") as app:
            browser = p.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            page.set_default_timeout(120_000)
            page.goto(app.url)
            answers, evidence, clicks = reviewed(page, demo_cases()[: asked.cases + 1], asked.evidence)
            page.goto(f"{app.url}/batch?job={job}")
            table = [seconds for i in range(asked.rounds) for seconds in on_table(page, i)]
            browser.close()
    say("submit to differential", answers)
    say("evidence bars", evidence)
    say("a click on the review page", clicks)
    say(f"a click on {ROWS:,} rows", table)


def say(what: str, found: Sequence[float]) -> None:
    if found:
        p50, p95 = np.quantile(found, (0.5, 0.95))
        print(f"{what:<26} p50 {p50:.2f} s, p95 {p95:.2f} s, most {max(found):.2f} s (n={len(found)})")


def reviewed(page: Any, cases: Sequence[DemoCase], evidence: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds to a differential for each case but the first, which waits for the model; to bars and for clicks."""
    page.get_by_role("button", name="Settings").click()
    page.get_by_text("My own list first").click()
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="My own case").click()
    answers, bars, clicks = list[float](), list[float](), list[float]()
    for i, demo in enumerate(tqdm(cases, unit="case", disable=None)):
        settled(page)
        page.get_by_label("Case", exact=True).fill(demo.case.text)
        seconds = answered(page)
        if i:
            answers.append(seconds)
        if 0 < i <= evidence:
            clicks += on_review(page)
            bars.append(weighed(page))
    return answers, bars, clicks


def answered(page: Any) -> float:
    """From the click to a list that belongs to this case."""
    now = page.evaluate("document.querySelector('[data-review]')?.dataset.review ?? ''")
    button = page.get_by_role("button", name="Review this case")
    return until(page, button.click, "(document.querySelector('[data-review]')?.dataset.review ?? old) !== old", now)


def weighed(page: Any) -> float:
    settled(page)
    page.get_by_text("Evidence for and against", exact=True).click()
    button = page.get_by_role("button", name="Show what speaks for and against")
    button.wait_for()
    settled(page)
    return until(page, button.click, "document.querySelector('.ddx-weights') !== null")


def on_review(page: Any) -> list[float]:
    """Move the first diagnosis down and up again, strike it and take it back."""
    found = []
    for button in ("Down_0", "Up_1", "strike_0", "strike_0"):
        settled(page)
        line = page.locator(".st-key-line_0").inner_text()
        press = page.locator(f".st-key-{button} button").first
        changed = "(document.querySelector('.st-key-line_0')?.innerText ?? old) !== old"
        found.append(until(page, press.click, changed, line))
    return found


def on_table(page: Any, i: int) -> list[float]:
    """Turn the page there and back, search, and clear the search."""
    first = "document.querySelector('.ddx-rows tbody td')?.textContent"
    search, found = page.get_by_label("Search"), []
    for number, shown in ((2, "26"), (1, "1")):
        settled(page)
        turn = page.get_by_role("button", name=f"Page {number}", exact=True)
        found.append(until(page, turn.click, f"{first} === old", shown))
    for words, shown in ((f"for {ROWS - 1 - i} hours", f"{ROWS - i:,}"), ("", "1")):
        settled(page)
        search.fill(words)
        found.append(until(page, lambda: search.press("Enter"), f"{first} === old", shown))
    return found


def until(page: Any, act: Callable[[], None], condition: str, old: str = "") -> float:
    """Seconds in the browser itself, from the click or key to the frame that shows what makes the condition true.

    It looks when the page changes, not in every frame: that would take the processor from the model.
    """
    page.evaluate(
        "old => { window.ddxTook = new Promise(done => { let began = 0;"
        "const begin = () => { began ||= performance.now() };"
        "for (const kind of ['click', 'keydown']) window.addEventListener(kind, begin, {capture: true, once: true});"
        f"const look = () => {{ if (!began || !({condition})) return; observer.disconnect();"
        "requestAnimationFrame(() => done(performance.now() - began)) };"
        "const observer = new MutationObserver(look); observer.observe(document.body,"
        "{subtree: true, childList: true, attributes: true, characterData: true}) }) }",
        old,
    )
    act()
    return float(page.evaluate("window.ddxTook")) / 1000


if __name__ == "__main__":
    main()
