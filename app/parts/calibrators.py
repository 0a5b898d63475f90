"""The site's own calibrator: where its versions lie, which one is in use, and its application to an answer."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from app.parts import records
from ddx.calibration.site import SiteCalibrator, identity
from ddx.calibration.site import apply as applied
from ddx.calibration.site_folder import SiteFolder
from ddx.differential import Differential
from ddx.errors import InputError

__all__ = ["active", "apply", "folder", "notice", "now"]


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
