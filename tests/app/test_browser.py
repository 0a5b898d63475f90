"""The app as a clinician opens it: a real server on loopback, a real browser, the shipped model."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from ddx.differential import NOTICE
from ddx.engines.base_models import SMOLLM2, cache_dir
from ddx.provenance import shipped_folder

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.model,
    pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine"),
    pytest.mark.skipif(not (shipped_folder() / "model.json").exists(), reason="no model in ddx/assets/model"),
    pytest.mark.skipif(not (cache_dir() / SMOLLM2).exists(), reason=f"run `ddx models get {SMOLLM2}` first"),
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app/main.py", "--server.port", str(port)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{url}/_stcore/health", timeout=2)
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        yield url
    finally:
        server.terminate()
        server.wait(20)


def test_an_example_is_reviewed_and_reliability_is_shown(address: str) -> None:
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
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
