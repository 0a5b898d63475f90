"""Take the screenshots of the pages that look back: reliability with the site's own cases, compare, about.

`python docs/screens/site_pages.py` starts the app on a store of made-up reviews (`tests/app/site_reviews.py`) and on
two evaluations, drives it in Chromium, and writes the pictures beside this file. `--every DIR` takes each page in
light, dark and narrow, to be looked at.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page
from take import browser_page, save

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "app")]

from served import served  # noqa: E402
from site_reviews import fill  # noqa: E402

from app.parts.evaluation import evaluation_file  # noqa: E402

_RENAME = """([path, short]) => document.querySelectorAll('dd').forEach(
    dd => { dd.textContent = dd.textContent.replaceAll(path, short) })"""
VIEWS = ("reliability", "compare", "compare-time", "about")
OURS = (
    ("reliability-site.png", "reliability", 1280, "light"),
    ("reliability-site-narrow-dark.png", "reliability", 400, "dark"),
    ("compare.png", "compare", 1280, "light"), ("compare-dark.png", "compare", 1280, "dark"),
    ("compare-time-narrow.png", "compare-time", 400, "light"), ("about.png", "about", 1280, "light"),
)  # fmt: skip


def prepare(folder: Path) -> None:
    """A store of made-up reviews, and the shipped evaluation without its calibrator's gain as a second one."""
    import pandas as pd

    fill(folder / "reviews.sqlite", 180)
    (folder / "runs").mkdir()
    result = json.loads(evaluation_file().read_text(encoding="utf-8"))
    result["reliability"], result["model"]["id"] = result["reliability_stated"], "made-up second run"
    (folder / "runs" / "second.json").write_text(json.dumps(result))
    cases = pd.read_parquet(evaluation_file().with_suffix(".cases.parquet"))
    cases.loc[::9, ["pass@1", "pass@3"]] = 0.0
    cases["log_loss"] += 0.02
    cases.to_parquet(folder / "runs" / "second.cases.parquet")


def show(page: Page, url: str, view: str) -> None:
    """Bring a page to the state worth showing."""
    page.set_default_timeout(120_000)
    page.goto(f"{url}/{view.partition('-')[0]}")
    page.get_by_role("heading", level=1).wait_for()
    if view == "compare-time":
        page.get_by_text("Clinicians and the model over time").click()
        page.get_by_text("reviews in").first.wait_for()
    if view == "reliability":
        page.get_by_role("heading", name="This site's own calibrator").wait_for()
        if page.get_by_role("table").filter(has_text="Version 1").count() == 0:
            page.get_by_role("button", name="Recalibrate from").click()
            page.get_by_role("button", name="Put into use").click()
            page.get_by_text("in use", exact=True).first.wait_for()
    if view != "about":
        page.locator("[data-testid=stVegaLiteChart] :is(svg, canvas)").nth(1).wait_for()
    page.wait_for_function("document.querySelector('[data-testid=stStatusWidget]') === null")
    time.sleep(4.0)  # charts grow after they are there


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=Path, help="a folder for every page in light, dark and narrow")
    args = parser.parse_args()
    out, shots = Path(__file__).parent, OURS
    if args.every:
        out = args.every
        out.mkdir(parents=True, exist_ok=True)
        looks = ((1280, "light"), (1280, "dark"), (400, "light"), (400, "dark"))
        shots = tuple((f"{view}-{width}-{look}.png", view, width, look) for view in VIEWS for width, look in looks)
    folder = Path(tempfile.mkdtemp(prefix="ddx-screens-"))
    try:
        prepare(folder)
        with served(folder / "reviews.sqlite", DDX_RUNS=str(folder / "runs")) as app:
            for file, view, width, look in shots:
                with browser_page(width, look, 1.0 if width > 400 else 1.5) as page:  # type: ignore[arg-type]
                    show(page, app.url, view)
                    for path, short in ((folder, "~/ddx"), (ROOT, "~/ddx"), (Path.home(), "~")):
                        page.evaluate(_RENAME, [str(path), short])  # no path of the machine in a picture
                    save(page, out / file)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
