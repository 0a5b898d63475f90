"""`ddx audit`: what it prints, what it refuses in one line, and its exit status."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from kept_reviews import CASE, review, tamper
from typer.testing import CliRunner, Result

from ddx.cli.main import app
from ddx.store import Store


def audit(*arguments: object, given: str | None = None, store: Path | None = None) -> Result:
    environment = {"DDX_STORE": str(store)} if store else {}
    return CliRunner().invoke(app, ["audit", *map(str, arguments)], input=given, env=environment)


def refused(result: Result, words: str) -> None:
    """One line on stderr, nothing on stdout, status 2."""
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.fullmatch(f"ddx: .*{words}.*\n", result.stderr), result.stderr


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Store.open(tmp_path / "s.db") as store:
        store.save(review("r1", "accepted"))
        store.save(review("r2"))
    return tmp_path / "s.db"


def test_verify_says_that_all_is_as_written_and_prints_the_head(path: Path) -> None:
    result = audit("verify", path)
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    assert first == "intact: log entries 3, rows 6"
    head = second.removeprefix("head: ")
    assert audit("verify", path, "--head", head).exit_code == 0
    assert audit("verify", store=path).stdout == result.stdout
    assert audit("verify", f"sqlite:///{path}").stdout == result.stdout


def test_verify_names_each_changed_row_and_ends_in_one(path: Path) -> None:
    tamper(str(path), "UPDATE reviews SET reviewer = 'x' WHERE review_id = 'r2'", "DELETE FROM decisions")
    result = audit("verify", path)
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "reviews/r2: changed: its hash is not the one in the log",
        "decisions/r1@1: deleted",
    ]
    assert result.stderr == "not intact: 2 of this\n"
    lost = audit("verify", path, "--head", "0" * 64)
    assert (lost.exit_code, lost.stdout.splitlines()[0][:23]) == (1, "log: no entry has the h")


def test_what_cant_be_read_ends_in_two(path: Path, tmp_path: Path) -> None:
    refused(audit("verify", tmp_path / "none.db"), "no such store")
    refused(audit("verify", path, "--head", "abc"), "64 hexadecimal digits")
    (tmp_path / "text.db").write_text("no database at all " * 100)
    refused(audit("verify", tmp_path / "text.db"), "not a database")
    for command in (("export", "--case", "c"), ("delete", "--case", "c", "--yes"), ("retention", "--days", "3")):
        refused(audit(command[0], tmp_path / "none.db", *command[1:]), "no such store")
    assert audit("verify").exit_code == 2  # no store named
    assert not (tmp_path / "none.db").exists()


def test_export_prints_or_writes_all_of_a_case(path: Path, tmp_path: Path) -> None:
    printed = audit("export", path, "--case", CASE.case_id, "--actor", "clerk")
    assert printed.exit_code == 0
    export = json.loads(printed.stdout)
    assert [r["review_id"] for r in export["reviews"]] == ["r1", "r2"]
    assert export["reviews"][0]["content"]["case"]["text"] == CASE.text
    assert export["reviews"][0]["log"][-1]["actor"] == "clerk"
    assert audit("export", path, "--review", "r2", "-o", tmp_path / "out.json").stdout == ""
    assert len(json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["reviews"]) == 1
    refused(audit("export", path), "one of the two")
    refused(audit("export", path, "--case", "c9"), "no case 'c9'")
    refused(audit("export", path, "--review", "r1", "-o", tmp_path / "no" / "out.json"), "there is no folder")


def test_delete_asks_first(path: Path) -> None:
    assert audit("delete", path, "--review", "r1", given="n\n").exit_code == 1
    assert audit("delete", path, "--review", "r1", "--actor", "clerk", given="y\n").exit_code == 0
    result = audit("delete", path, "--case", CASE.case_id, "--yes")
    assert (result.exit_code, result.stdout) == (0, "erased: r2\n")
    assert audit("verify", path).exit_code == 0
    with Store.open(path) as store:
        assert store.entries("r1")[0].actor == "clerk"
        assert store.entries("r2")[0].actor  # the user of this machine
    refused(audit("delete", path), "one of the two")


def test_retention_takes_days_or_the_stores_own(path: Path) -> None:
    refused(audit("retention", path), "has no retention setting; give --days")
    refused(audit("retention", path, "--days", "0"), "whole number of days")
    assert audit("retention", path, "--days", "1").stdout == "erased: 0\n"
    with Store.open(path) as store:
        store.set_retention(7, "admin")
    assert audit("retention", path).stdout == "erased: 0\n"


def test_a_retention_setting_is_kept_with_the_store_and_erases_nothing_itself(path: Path) -> None:
    result = audit("retention", path, "--set", "30", "--actor", "clerk")
    assert (result.exit_code, result.stdout) == (0, "kept for: 30 days\n")
    with Store.open(path) as store:
        assert store.retention_days() == 30 and len(store.list_reviews()) == 2
        [entry] = store.entries("retention_days")
        assert (entry.actor, entry.action) == ("clerk", "settings")
    assert audit("retention", path).stdout == "erased: 0\n"
    assert audit("retention", path, "--set", "ever").stdout == "kept for: ever\n"
    refused(audit("retention", path), "has no retention setting")
    refused(audit("retention", path, "--set", "0"), "whole number of days")
    refused(audit("retention", path, "--set", "a month"), "whole number of days, or ever")
    refused(audit("retention", path, "--set", "3", "--days", "3"), "one of the two")
    assert audit("verify", path).exit_code == 0


def test_phi_mode_exports_nothing(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db", phi=True) as store:
        store.save(review())
    refused(audit("export", tmp_path / "s.db", "--review", "r1"), "PHI mode")


def test_backup_writes_a_copy_that_verifies(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "copy.db"
    result = audit("backup", path, "-o", out)
    assert (result.exit_code, result.stdout) == (0, audit("verify", out).stdout)
    refused(audit("backup", path, "-o", out), "is there already")
    tamper(str(path), "DELETE FROM decisions")
    assert audit("backup", path, "-o", out, "--force").exit_code == 1
    refused(audit("backup", "postgresql://u@h/d", "-o", out), "pg_dump")


def test_without_the_extra_it_says_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "alembic", None)  # type: ignore[arg-type]
    refused(audit("verify", path), "the store needs alembic: pip install 'ddx\\[app\\]'")
