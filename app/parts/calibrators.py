"""The site's own calibrator: where its versions lie, which one is in use, its application to an answer; and changes of
it, each with an entry in the store's log."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from app.parts import records
from ddx.calibration.site import SiteCalibrator, identity
from ddx.calibration.site import apply as applied
from ddx.calibration.site_folder import SiteFolder, Switch
from ddx.differential import Differential
from ddx.errors import InputError
from ddx.store import CalibratorAction

__all__ = ["activate", "active", "add", "apply", "folder", "notice", "now", "roll_back", "switch_off"]


def folder() -> SiteFolder:
    """`$DDX_CALIBRATORS`, else the folder `site_calibrators` beside the store; for a database on a server, beside where
    a store of this machine would lie."""
    given = os.environ.get("DDX_CALIBRATORS")
    if given:
        return SiteFolder(Path(given).expanduser())
    where = records.where()
    if "://" in where and not where.startswith("sqlite:"):
        state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        return SiteFolder(state / "ddx" / "site_calibrators")
    return SiteFolder(Path(where.removeprefix("sqlite:///")).expanduser().parent / "site_calibrators")


def active() -> SiteCalibrator | None:
    """The version in use; None when there is none. Raises InputError when its file can't be read or was changed."""
    return folder().active()


def add(site: SiteCalibrator, who: str) -> SiteCalibrator:
    """Keep a new version, not yet in use; returns it with its number. Raises DdxError when it can't be kept or logged,
    as the switches below do: then nothing has changed."""
    made: list[SiteCalibrator] = []

    def act(place: SiteFolder) -> dict[str, str | None]:
        made.append(place.add(site))
        return _row("made", made[0].number, made[0].sha256)

    _logged(who, "calibrator made", act, made)
    return made[0]


def activate(number: int, who: str) -> None:
    """Use a version from now on."""
    _switch(who, "calibrator put into use", lambda place: place.activate(number, who, now()))


def switch_off(who: str) -> None:
    """Use none from now on."""
    _switch(who, "calibrator switched off", lambda place: place.switch_off(who, now()))


def roll_back(who: str) -> None:
    """Go back to what was in use before."""
    _switch(who, "calibrator rolled back", lambda place: place.roll_back(who, now()))


def _switch(who: str, action: CalibratorAction, do: Callable[[SiteFolder], object]) -> None:
    done: list[Switch] = []

    def act(place: SiteFolder) -> dict[str, str | None]:
        old = place.history()[-1:]
        do(place)
        done.append(place.history()[-1])
        before = _row("before", old[0].number, old[0].sha256) if old else _row("before", None, None)
        return _row("now", done[0].number, done[0].sha256) | before

    _logged(who, action, act, done)


def _logged(
    who: str,
    action: CalibratorAction,
    act: Callable[[SiteFolder], dict[str, str | None]],
    done: list[SiteCalibrator] | list[Switch],
) -> None:
    """Change the folder and log it. What was `done` is taken back when the entry could not be written after it."""
    place = folder()
    try:
        records.store().note(who, action, lambda: act(place))
    except BaseException:
        if done:
            place.take_back(done[0])
        raise


def _row(what: str, number: int | None, sha256: str | None) -> dict[str, str | None]:
    return {f"site_calibrator/{what}/{'none' if number is None else number}": sha256}


def apply(differential: Differential) -> Differential:
    """The model's answer with the site's confidences, where a calibrator is in use that was fitted for this model; else
    the answer as it is. Never raises: `notice` says why a calibrator in use was not applied."""
    try:
        site = active()
        return differential if site is None else applied(site, differential)
    except InputError:
        return differential


def notice(differential: Differential) -> str | None:
    """One line about the site calibrator to show beside an answer that `apply` gave: which one made the confidences, or
    why the one in use did not; None when none is in use or there is nothing to say."""
    made = differential.model.get("site_calibrator")
    if made:
        return (
            f"Confidences adjusted to this site by its calibrator {made['version']}, fitted on {made['n_cases']:,} "
            "reviewed cases: it follows how often clinicians agreed, not how often the model was right."
        )
    try:
        site = active()
    except InputError as error:
        return f"The site calibrator could not be used: {error}. The confidences are the model's own."
    if site is None or not differential.diagnoses or identity(differential.model) == dict(site.model):
        return None
    return (
        f"Site calibrator {site.number} was fitted for another model and is not used here; the confidences are the "
        "model's own."
    )


def now() -> str:
    """The time as the versions keep it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
