"""The batch page in a real browser, with the shipped model: from upload to review, through cancel, kill and restart."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from finished_job import finished_job
from needs import BROWSER, needs_model
from served import Served, chromium, faults, served, settled

from ddx.scoring.jobs import Job, all_jobs
from ddx.scoring.runner import WINDOW

STORIES = (
    "chest pain on exertion, sweating", "wheezing at night, cough", "sore throat and fever",
    "burning pain behind the breastbone after meals", "racing heart and trembling hands",
)  # fmt: skip
pytestmark = BROWSER
WAIT = 180_000  # ms, for the model beside other work


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("DDX_JOBS", str(tmp_path / "jobs"))
    with served(tmp_path / "reviews.sqlite") as found:
        yield found
    for job in all_jobs():
        job.cancel()


def a_table(rows: int) -> bytes:
    lines = ["Nr;Alter;sex;text"]
    lines += [
        f"{i + 1};{'old' if i == 4 else 20 + i % 60};{'FM'[i % 2]};{STORIES[i % 5]}, for {i + 1} hours"
        for i in range(rows)
    ]
    return "\n".join(lines).encode()


def wait_until(job: Job, state: str, rows: int = 0, seconds: float = 1800) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = job.status()
        if status.state == state and status.done >= rows:
            return
        time.sleep(0.1)
    raise AssertionError(f"still {job.status()}")


def looked_at(page: Any) -> None:
    """No serious fault and no sideways scrolling, wide, dark and narrow."""
    for width, scheme in ((1280, "dark"), (400, "light"), (1280, "light")):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        settled(page)
        assert faults(page) == [], (width, scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.fixture
def page() -> Iterator[Any]:
    from playwright.sync_api import expect, sync_playwright

    with (
        sync_playwright() as play,
        closing(play.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])) as browser,
    ):
        opened = browser.new_page(viewport={"width": 1280, "height": 900})
        opened.set_default_timeout(WAIT)
        expect.set_options(timeout=WAIT)
        yield opened


@needs_model
def test_a_table_from_upload_to_review(app: Served, page: Any, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    rows = 2 * WINDOW + 24
    (tmp_path / "Ambulanz.csv").write_bytes(a_table(rows))
    page.goto(f"{app.url}/batch")
    expect(page.get_by_role("heading", name="Batch", level=1)).to_be_visible()
    looked_at(page)

    page.locator("input[type=file]").set_input_files(tmp_path / "Ambulanz.csv")
    expect(page.get_by_text(f"separator semicolon; {rows} rows")).to_be_visible()
    page.get_by_text("Which column is what").click()
    for label, header in (("Case id", "Nr"), ("Age in years", "Alter")):
        settled(page)
        page.get_by_label(label, exact=True).click()
        page.get_by_role("option", name=header, exact=True).click()
    settled(page)
    expect(page.get_by_text("1 of the", exact=False).first).to_be_visible()
    expect(page.get_by_text("Row 6, column Alter: 'old' is not a number of years")).to_be_visible()
    looked_at(page)

    page.get_by_role("button", name=f"Score {rows} rows").click()
    expect(page.get_by_role("progressbar", name="Rows done")).to_be_visible()
    (job,) = all_jobs()
    wait_until(job, "running", 1)
    page.reload()
    expect(page.get_by_role("progressbar", name="Rows done")).to_be_visible()
    expect(page.get_by_text(f"of {rows} rows ·")).to_be_visible()
    wait_until(job, "running", WINDOW)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("The job was cancelled")).to_be_visible()
    looked_at(page)
    page.get_by_role("button", name="Resume").click()
    wait_until(job, "running", WINDOW)
    assert job.status().kept >= WINDOW
    assert faults(page) == [], "while it runs"

    app.kill()  # in the middle of the job
    app.start()
    page.goto(f"{app.url}/batch")
    expect(page.get_by_text("Ambulanz.csv").first).to_be_visible()
    wait_until(job, "finished")
    expect(page.get_by_text(f"All {rows} rows.")).to_be_visible()
    assert len(job.output(".csv").read_text().splitlines()) == rows + 1
    looked_at(page)

    page.get_by_label("Search").fill("WHEEZING")
    page.get_by_label("Search").press("Enter")
    expect(page.get_by_text(f"of {rows} rows.")).to_be_visible()
    settled(page)
    page.get_by_label("Look at a row").scroll_into_view_if_needed()  # scrolling would close the list again
    settled(page)
    page.get_by_label("Look at a row").click()
    page.get_by_role("option").first.click()
    expect(page.get_by_role("button", name="Open in review")).to_be_visible()
    looked_at(page)
    with page.expect_download() as taken:
        page.get_by_role("button", name="CSV").click()
    assert taken.value.suggested_filename == "Ambulanz-scored.csv"
    assert Path(taken.value.path()).read_bytes() == job.output(".csv").read_bytes()
    page.get_by_role("button", name="Open in review").click()
    expect(page.get_by_role("heading", name="Review a case")).to_be_visible()
    expect(page.get_by_text("wheezing at night, cough, for 2 hours").first).to_be_visible()

    page.goto(f"{app.url}/batch")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("Ambulanz.csv")).to_have_count(0)
    assert all_jobs() == []


def test_two_hundred_thousand_rows_are_sorted_searched_and_turned(app: Served, page: Any) -> None:
    from playwright.sync_api import expect

    job = finished_job(200_000)
    page.goto(f"{app.url}/batch?job={job.id}")
    expect(page.get_by_text("All 200,000 rows.")).to_be_visible()
    looked_at(page)
    first = page.locator(".ddx-rows tbody td").first
    page.get_by_role("button", name="Page 2", exact=True).click()
    expect(first).to_have_text("26")
    page.get_by_label("Sort by").scroll_into_view_if_needed()
    settled(page)
    page.get_by_label("Sort by").click()
    page.get_by_role("option", name="Confidence, high first").click()
    expect(first).to_have_text("2")
    page.get_by_label("Search").fill("for 199999 hours")
    page.get_by_label("Search").press("Enter")
    expect(first).to_have_text("200,000")
