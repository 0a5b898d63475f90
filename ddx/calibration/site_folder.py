"""A folder of site calibrators: numbered versions that never change, and a history of which one was in use.

`site-0001.json`, `site-0002.json`, … are the versions. `history.jsonl` gets a line for each switch, with who and when,
and its last state is the version in use: nothing else says so, so nothing can disagree with it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from ddx.calibration.site import SiteCalibrator
from ddx.errors import InputError

__all__ = ["SiteFolder", "Switch"]

Action = Literal["activated", "switched off", "rolled back"]
_NAME = re.compile(r"site-(\d{4,})\.json")


@dataclass(frozen=True)
class Switch:
    """One line of the history: when (ISO 8601), who, what, and the version in use from then on (None: none)."""

    at: str
    actor: str
    action: Action
    number: int | None
    sha256: str | None


class SiteFolder:
    """The site calibrators of one folder, which need not be there yet. Every method raises InputError in one line when
    a file in it can't be read or written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def versions(self) -> tuple[SiteCalibrator, ...]:
        """All versions, oldest first."""
        return tuple(self._read(number) for number in self._numbers())

    def add(self, site: SiteCalibrator) -> SiteCalibrator:
        """Keep a new version, not yet in use; returns it with its number."""
        while True:  # another process may take a number first
            numbered = replace(site, number=max(self._numbers(), default=0) + 1)
            path = self._path(numbered.number)
            try:
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
                with open(path, "x", encoding="utf-8") as handle:
                    handle.write(numbered.to_json())
                    handle.flush()
                    os.fsync(handle.fileno())
            except FileExistsError:
                if not path.is_file():
                    raise InputError(f"{self.path}: is not a folder") from None
            except OSError as error:
                raise InputError(f"{path}: can't be written ({error.strerror})") from None
            else:
                return numbered

    def history(self) -> tuple[Switch, ...]:
        """Every switch, oldest first."""
        path = self.path / "history.jsonl"
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise InputError(f"{path}: can't be read ({error.strerror})") from None
        return tuple(_switch(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1))

    def active(self) -> SiteCalibrator | None:
        """The version in use; None when there is none. Raises InputError when its file is not the one switched to."""
        state = _states(self.history())[-1]
        return None if state is None else self._checked(state)

    def before(self) -> int | None:
        """The number of the version that `roll_back` would bring back; None for none."""
        states = _states(self.history())
        state = states[-2] if len(states) > 1 else None
        return None if state is None else state.number

    def can_roll_back(self) -> bool:
        """Whether there is a switch to go back from."""
        return len(_states(self.history())) > 1

    def activate(self, number: int, actor: str, at: str) -> SiteCalibrator:
        """Use a version from now on. Raises InputError for one that was not shown to be better than none."""
        site = self._read(number)
        if not site.better:
            raise InputError(
                f"site calibrator {number} is not shown to be better on cases that it was not fitted on; fit "
                "again with more cases"
            )
        self._write(Switch(at, actor, "activated", number, site.sha256))
        return site

    def switch_off(self, actor: str, at: str) -> None:
        """Use none from now on."""
        self._write(Switch(at, actor, "switched off", None, None))

    def roll_back(self, actor: str, at: str) -> SiteCalibrator | None:
        """Go back to what was in use before the last switch, which is gone over for good; returns what is in use now.

        Raises InputError when there is nothing to go back from.
        """
        states = _states(self.history())
        if len(states) < 2:
            raise InputError("no site calibrator was ever in use, so there is nothing to roll back")
        state = states[-2]
        found = None if state is None else self._checked(state)
        number, sha256 = (None, None) if found is None else (found.number, found.sha256)
        self._write(Switch(at, actor, "rolled back", number, sha256))
        return found

    def take_back(self, done: SiteCalibrator | Switch) -> None:
        """Undo the newest change, for a caller that could not log it: a version just added, or the history's last line.
        Anything that came after it stays, and so does the line below it."""
        try:
            if isinstance(done, SiteCalibrator):
                self._path(done.number).unlink(missing_ok=True)
            elif self.history()[-1:] == (done,):
                path = self.path / "history.jsonl"
                os.truncate(path, path.stat().st_size - len(_line(done)))
        except OSError as error:
            raise InputError(f"{self.path}: can't be written ({error.strerror})") from None

    def _numbers(self) -> list[int]:
        if not self.path.is_dir():
            return []
        return sorted(int(match[1]) for path in self.path.iterdir() if (match := _NAME.fullmatch(path.name)))

    def _path(self, number: int) -> Path:
        return self.path / f"site-{number:04d}.json"

    def _read(self, number: int) -> SiteCalibrator:
        path = self._path(number)
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{path}: can't be read ({error.strerror})") from None
        except ValueError:
            raise InputError(f"{path}: not UTF-8") from None
        found = SiteCalibrator.from_json(text, str(path))
        if found.number != number:
            raise InputError(f"{path}: holds version {found.number}")
        return found

    def _checked(self, state: Switch) -> SiteCalibrator:
        assert state.number is not None
        found = self._read(state.number)
        if found.sha256 != state.sha256:
            raise InputError(f"{self._path(state.number)}: was changed after it was put into use")
        return found

    def _write(self, switch: Switch) -> None:
        """Append one line. One write of one short line: two processes can't mix theirs."""
        path = self.path / "history.jsonl"
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(handle, _line(switch))
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise InputError(f"{path}: can't be written ({error.strerror})") from None


def _line(switch: Switch) -> bytes:
    return (json.dumps(asdict(switch), ensure_ascii=False) + "\n").encode()


def _switch(line: str, source: str) -> Switch:
    try:
        found = Switch(**json.loads(line))
    except (TypeError, ValueError):
        raise InputError(f"{source}: not a line that ddx wrote") from None
    if found.action not in get_args(Action):
        raise InputError(f"{source}: unknown action {found.action!r}")
    return found


def _states(history: Sequence[Switch]) -> list[Switch | None]:
    """What was in use, as a stack: a switch puts one on it, a roll-back takes one off. The first is none."""
    states: list[Switch | None] = [None]
    for switch in history:
        if switch.action == "rolled back":
            if len(states) > 1:
                states.pop()
        else:
            states.append(None if switch.number is None else switch)
    return states
