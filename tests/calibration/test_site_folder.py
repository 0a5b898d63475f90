"""Versions of a site's calibrator: kept, put into use, rolled back, and never taken on trust."""

from __future__ import annotations

from pathlib import Path

import pytest
from site_cases import MODEL, site_cases

from ddx.calibration.site import SiteCalibrator, fit_site
from ddx.calibration.site_folder import SiteFolder
from ddx.errors import InputError

AT = "2026-12-31T00:00:00Z"


@pytest.fixture(scope="module")
def good() -> SiteCalibrator:
    return fit_site(site_cases(300, 0.4), MODEL, AT, "dr a")


def test_an_empty_folder_has_nothing_in_use(tmp_path: Path) -> None:
    folder = SiteFolder(tmp_path / "none")
    assert (folder.versions(), folder.history(), folder.active(), folder.before()) == ((), (), None, None)
    with pytest.raises(InputError, match="nothing to roll back"):
        folder.roll_back("dr a", AT)


def test_versions_are_numbered_and_a_new_one_is_not_in_use(tmp_path: Path, good: SiteCalibrator) -> None:
    folder = SiteFolder(tmp_path / "deep" / "site")
    assert [folder.add(good).number, folder.add(good).number] == [1, 2]
    assert [site.number for site in folder.versions()] == [1, 2]
    assert folder.active() is None


def test_rolling_back_goes_back_step_by_step(tmp_path: Path, good: SiteCalibrator) -> None:
    folder = SiteFolder(tmp_path)
    for _ in range(3):
        folder.add(good)
    for number in (1, 2, 3):
        folder.activate(number, "dr a", AT)
    assert folder.before() == 2 and folder.can_roll_back()
    seen = [folder.roll_back("dr b", AT) for _ in range(3)]
    assert [site and site.number for site in seen] == [2, 1, None]
    assert folder.active() is None
    assert not folder.can_roll_back()
    with pytest.raises(InputError, match="nothing to roll back"):
        folder.roll_back("dr b", AT)
    folder.activate(2, "dr a", AT)
    folder.switch_off("dr a", AT)
    assert folder.active() is None and folder.before() == 2
    assert (found := folder.roll_back("dr a", AT)) and found.number == 2
    actions = [(one.actor, one.action, one.number) for one in SiteFolder(tmp_path).history()]
    assert actions[2:5] == [("dr a", "activated", 3), ("dr b", "rolled back", 2), ("dr b", "rolled back", 1)]
    assert len(actions) == 9


def test_a_version_not_shown_to_be_better_is_not_put_into_use(tmp_path: Path) -> None:
    folder = SiteFolder(tmp_path)
    site = folder.add(fit_site(site_cases(40, 1.0), MODEL, AT))
    assert not site.better
    with pytest.raises(InputError, match="not shown to be better"):
        folder.activate(1, "dr a", AT)
    assert folder.history() == ()


def test_a_version_changed_after_it_was_put_into_use_is_refused(tmp_path: Path, good: SiteCalibrator) -> None:
    folder = SiteFolder(tmp_path)
    folder.add(good)
    folder.activate(1, "dr a", AT)
    path = tmp_path / "site-0001.json"
    path.write_text(path.read_text().replace('"dr a"', '"dr b"'))
    with pytest.raises(InputError, match=r"site-0001\.json: was changed after"):
        folder.active()
    path.unlink()
    with pytest.raises(InputError, match=r"can't be read"):
        folder.active()


def test_what_is_no_history_and_no_folder_is_one_line(tmp_path: Path, good: SiteCalibrator) -> None:
    (tmp_path / "history.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match=r"history\.jsonl, line 1: not a line"):
        SiteFolder(tmp_path).active()
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file"):
        SiteFolder(tmp_path / "file").add(good)


def test_a_change_that_could_not_be_logged_is_taken_back_and_nothing_else(tmp_path: Path, good: SiteCalibrator) -> None:
    folder = SiteFolder(tmp_path)
    for _ in range(2):
        folder.add(good)
    folder.activate(1, "dr é", AT)
    folder.activate(2, "dr b", AT)
    first, second = folder.history()
    folder.take_back(first)
    assert folder.history() == (first, second), "it is not the newest"
    folder.take_back(second)
    assert folder.history() == (first,)
    assert (active := folder.active()) and active.number == 1
    folder.take_back(folder.add(good))
    assert [site.number for site in folder.versions()] == [1, 2]
