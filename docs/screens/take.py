"""Take the screenshots of the documentation in a real browser, against a running app.

`make app` in one terminal, `python docs/screens/take.py` in another: writes the pictures of the documentation
beside this file. `--every DIR` takes each page at two widths, light and dark, to be looked at.
"""

from __future__ import annotations

import argparse
import csv
import io
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from ddx.data.demo import demo_cases

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
Scheme = Literal["light", "dark"]
WIDTHS = (1280, 400)
TABLE, EXAMPLES = "examples.csv", 12  # of the batch page
LIMIT = 250_000  # bytes a picture
OURS: tuple[tuple[str, str, int, Scheme], ...] = (
    ("review.png", "review", 1280, "light"),
    ("review-dark.png", "review", 1280, "dark"),
    ("review-narrow.png", "review", 400, "light"),
    ("reliability.png", "reliability", 1280, "light"),
    ("batch.png", "batch", 1280, "light"),
    ("batch-dark.png", "batch", 1280, "dark"),
    ("batch-narrow.png", "batch", 400, "light"),
)


@contextmanager
def browser_page(width: int, scheme: Scheme, scale: float = 1.5) -> Iterator[Page]:
    """A page of Chromium at this width and colour scheme."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, device_scale_factor=scale
        )
        try:
            yield context.new_page()
        finally:
            browser.close()


def show(page: Page, url: str, name: str, patience: float) -> None:
    """Bring a page of the app to the state worth showing."""
    page.set_default_timeout(patience * 1000)
    page.goto(url if name in ("review", "start") else f"{url}/{name}")
    page.get_by_role("heading", level=1).wait_for()
    if name == "review":
        page.get_by_role("button", name="Review this case").click()
        page.get_by_label("Your differential").fill("Acute coronary syndrome\nAortic dissection")
        page.get_by_role("button", name="Show the model's list").click()
        page.locator(".ddx-list").wait_for()
    if name == "reliability":
        page.locator(".ddx-table").last.wait_for()
        page.locator("[data-testid=stVegaLiteChart] svg, [data-testid=stVegaLiteChart] canvas").nth(1).wait_for()
    if name == "batch":
        score_examples(page)
    settle(page)


def score_examples(page: Page) -> None:
    """A batch job of the first examples, and one of its rows; a job that is there already is looked at again."""
    settle(page)
    if not page.get_by_text(f"{TABLE} ·").count():
        cells = [[c.case.case_id, f"{c.case.age:g}", c.case.sex, c.case.text] for c in demo_cases()[:EXAMPLES]]
        table = io.StringIO()
        csv.writer(table).writerows([["case_id", "age", "sex", "text"], *cells])
        content = {"name": TABLE, "mimeType": "text/csv", "buffer": table.getvalue().encode()}
        page.locator("input[type=file]").set_input_files(content)  # type: ignore[arg-type]
        page.get_by_role("button", name=f"Score {EXAMPLES} rows").click()
    page.get_by_text(f"All {EXAMPLES} rows.").wait_for()
    page.get_by_label("Look at a row").scroll_into_view_if_needed()  # scrolling would close the list again
    settle(page)
    page.get_by_label("Look at a row").click()
    page.get_by_role("option").first.click()
    page.get_by_role("button", name="Open in review").wait_for()


def settle(page: Page) -> None:
    """Wait until the app has drawn everything."""
    page.wait_for_function("document.querySelector('[data-testid=stStatusWidget]') === null")
    time.sleep(1.5)


def save(page: Page, path: Path) -> None:
    """The whole page as a PNG with a palette; fails when it is over the limit."""
    height = page.evaluate("document.querySelector('.stMainBlockContainer').scrollHeight")
    page.set_viewport_size({"width": page.viewport_size["width"], "height": int(height) + 8})  # type: ignore[index]
    time.sleep(1.0)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path}: {picture.width} x {picture.height}, {size / 1000:.0f} kB")
    if size > LIMIT:
        raise SystemExit(f"{path} is over {LIMIT / 1000:.0f} kB")


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8501")
    parser.add_argument("--every", type=Path, help="a folder for every page, width and scheme")
    parser.add_argument("--patience", type=float, default=180.0, help="seconds to wait for a differential")
    args = parser.parse_args()
    folder, shots = Path(__file__).parent, OURS
    if args.every:
        folder = args.every
        folder.mkdir(parents=True, exist_ok=True)
        schemes: tuple[Scheme, ...] = ("light", "dark")
        pages = ("start", "review", "batch", "reliability", "about")
        shots = tuple((f"{p}-{w}-{s}.png", p, w, s) for p in pages for w in WIDTHS for s in schemes)
    for file, name, width, scheme in shots:
        with browser_page(width, scheme) as page:
            show(page, args.url.rstrip("/"), name, args.patience)
            save(page, folder / file)


if __name__ == "__main__":
    main()
