"""The app as a server on loopback, for tests and benchmarks that drive it with a real browser."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Served:
    """A running app; `kill` ends it as a power cut would."""

    def __init__(self, port: int, store: Path, extra: dict[str, str]) -> None:
        self.port, self.url = port, f"http://127.0.0.1:{port}"
        self.store = store
        self._environment = {**os.environ, "DDX_STORE": str(store), **extra}
        self.start()

    def start(self) -> None:
        """Start (again), and wait until it answers."""
        command = [sys.executable, "-m", "streamlit", "run", "app/main.py", "--server.port", str(self.port)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=self._environment
        )
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2)
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.5)
        raise AssertionError("the app did not start")

    def kill(self) -> None:
        """End it at once: nothing is written any more."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(20)

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(20)


@contextmanager
def served(store: Path, **extra: str) -> Iterator[Served]:
    """The app with a store of its own, on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = Served(port, store, extra)
    try:
        yield app
    finally:
        app.stop()


def chromium() -> str | None:
    """The browser of this machine, if it has one."""
    return shutil.which("chromium")


def settled(page: Any, still: int = 500) -> None:
    """Wait until the app has run and has not begun to run again for `still` ms."""
    ran = "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
    page.wait_for_timeout(100)  # what was just clicked has been sent
    while True:
        page.wait_for_function(ran)
        page.wait_for_timeout(still)
        if page.evaluate(ran):
            return


def faults(page: Any) -> list[str]:
    """What axe finds on a page that is serious or critical: rule, element and why."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{fault['id']}: {node['html'][:300]} {[why['message'] for why in node['any']]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]
