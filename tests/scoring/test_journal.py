"""The journal: what goes in comes out, all of a window or nothing, and one line for all that can go wrong with it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ddx.differential import Diagnosis, Differential
from ddx.errors import DdxError, InputError
from ddx.scoring.journal import Entry, Journal, Kept, check_journal, journal_path, open_journal

MODEL = {"id": "some model"}
ANSWER = Differential("a", (Diagnosis(1, "GERD", 0.5, "GERD", "K21", 4, "gerd", 0.6, "exact", 1.0),), model=MODEL)
FINGERPRINT = {"k": 5, "input": {"sha256": "a" * 64}, "model": MODEL}


def begun(out: Path, rows: int = 0) -> Journal:
    journal = open_journal(out, FINGERPRINT, force=False, resume=False)
    if rows:
        journal.add([Entry("ok", None, replace(ANSWER, case_id=str(i)), b"%d" % i) for i in range(rows)], 1.5)
    return journal


@contextmanager
def refused(kind: type[DdxError], *reasons: str) -> Iterator[None]:
    with pytest.raises(kind) as caught:
        yield
    message = str(caught.value)
    assert "\n" not in message
    for reason in reasons:
        assert reason in message


FLOATS = st.floats(0, 1)
WORDS = st.text(max_size=9)
DIAGNOSES = st.builds(
    Diagnosis, st.integers(1, 9), WORDS, FLOATS, st.none() | WORDS, st.none() | WORDS, st.none() | st.integers(1, 5),
    WORDS, st.none() | FLOATS, st.sampled_from(["exact", "fuzzy", "unmatched"]), FLOATS,
    st.none() | st.tuples(FLOATS, FLOATS),
)  # fmt: skip
DIFFERENTIALS = st.builds(
    Differential, WORDS, st.lists(DIAGNOSES, max_size=4).map(tuple), st.sampled_from(["pathology", "membership"]),
    st.sampled_from(["ok", "repaired", "empty"]), st.lists(WORDS, max_size=3).map(tuple), st.booleans(),
    tokens=st.integers(0, 99), prompt_tokens=st.integers(0, 999), model=st.just(MODEL),
)  # fmt: skip
ENTRIES = st.builds(Entry, st.just("ok"), st.none(), DIFFERENTIALS, st.binary(min_size=16, max_size=16)) | st.builds(
    Entry, WORDS, st.sampled_from(["age", "model"])
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(windows=st.lists(st.lists(ENTRIES, max_size=4), max_size=3))
def test_what_goes_in_comes_out(tmp_path: Path, windows: list[list[Entry]]) -> None:
    with open_journal(tmp_path / "out", FINGERPRINT, force=True, resume=False) as journal:
        for window in windows:
            journal.add(window, 1.0)
        assert list(journal.entries(MODEL)) == [entry for window in windows for entry in window]
        assert journal.spent() == (len(windows), 0)


def test_a_shared_answer_comes_out_under_the_id_of_its_own_row(tmp_path: Path) -> None:
    with begun(tmp_path / "out", 2) as journal:
        found = journal.find(b"1", MODEL)
        assert found == (1, replace(ANSWER, case_id="1"))
        assert journal.find(b"9", MODEL) is None
        shared = Entry("ok", None, replace(ANSWER, case_id="\udcff, \ud800"), b"1", same_as=1)
        journal.add([shared], 0.0)
        assert list(journal.entries(MODEL))[2] == shared
        assert journal.find(b"1", MODEL) == found


def test_a_failure_is_no_answer_to_find(tmp_path: Path) -> None:
    with begun(tmp_path / "out") as journal:
        journal.add([Entry("error: row 2: the model failed", "model", None, b"x")], 0.0)
        assert journal.find(b"x", MODEL) is None


def test_a_window_enters_whole_or_not_at_all(tmp_path: Path) -> None:
    with begun(tmp_path / "out", 3) as journal:
        bad = [Entry("ok", None, ANSWER, b"a"), Entry(None)]  # type: ignore[arg-type]
        with pytest.raises(DdxError):
            journal.add(bad, 9.0)
        assert (journal.rows, len(list(journal.entries(MODEL))), journal.spent()) == (3, 3, (1.5, 0))
        journal.add(bad[:1], 0.5)
        assert journal.rows == 4


def test_going_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    begun(out, 3).close()
    assert check_journal(out, force=False, resume=True) == Kept(3)
    with open_journal(out, FINGERPRINT, force=False, resume=True) as journal:
        assert (journal.rows, journal.spent()) == (3, (1.5, 1))
        journal.allow_replacing()
    assert check_journal(out, force=False, resume=True) == Kept(3, replaceable=True)
    with refused(InputError, "3 answered rows", "--resume", "--force"):
        check_journal(out, force=False, resume=False)
    assert check_journal(out, force=True, resume=False) == Kept()
    with open_journal(out, FINGERPRINT, force=True, resume=False) as journal:
        assert (journal.rows, journal.spent()) == (0, (0.0, 0))
        journal.remove()
    assert not list(tmp_path.iterdir())


def test_another_run_is_refused_by_what_changed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    begun(out, 3).close()
    before = journal_path(out).read_bytes()
    other = {"k": 3, "input": {"sha256": "b" * 64}, "model": {"id": "another model"}}
    with refused(
        InputError, "k was 5, is 3", "input sha256 was aaaaaaaaaaaa…, is bbbbbbbbbbbb…", "model id was", "--force"
    ):
        open_journal(out, other, force=False, resume=True)
    with refused(InputError, "k was 5, is none"):  # --force does not mix them either
        open_journal(out, {key: FINGERPRINT[key] for key in ("input", "model")}, force=True, resume=True)
    assert journal_path(out).read_bytes() == before
    assert open_journal(out, json.loads(json.dumps(FINGERPRINT)), force=False, resume=True).rows == 3


def test_a_journal_without_answers_is_nothing_to_ask_about(tmp_path: Path) -> None:
    for out in (tmp_path / "empty", tmp_path / "begun"):
        journal_path(tmp_path / "empty").touch()
        begun(tmp_path / "begun").close()
        assert check_journal(out, force=False, resume=False) == check_journal(out, force=False, resume=True) == Kept()
        with open_journal(out, {"another": "run"}, force=False, resume=True) as journal:
            assert journal.rows == 0


def test_a_journal_in_use_is_refused_whatever_the_options(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with begun(out, 3) as journal:
        for force, resume in ((False, False), (False, True), (True, False), (True, True)):
            with refused(InputError, "another run is writing here"):
                open_journal(out, FINGERPRINT, force, resume)
        code = (
            "import sys; from pathlib import Path; from ddx.scoring.journal import check_journal\n"
            "check_journal(Path(sys.argv[1]), force=True, resume=False)"
        )
        other = subprocess.run([sys.executable, "-c", code, out], capture_output=True, text=True, check=False)
        assert "another run is writing here" in other.stderr.splitlines()[-1]
        journal.add([Entry("ok", None, ANSWER, b"x")], 0.0)
    assert check_journal(out, force=False, resume=True).rows == 4


def a_text(path: Path) -> None:
    path.write_text("some notes of mine, no database at all " * 50)


def a_torn_one(path: Path) -> None:
    begun(path.with_name("out"), 500).close()
    os.truncate(path, path.stat().st_size // 2)


def a_scribbled_one(path: Path) -> None:
    begun(path.with_name("out"), 500).close()
    with open(path, "r+b") as handle:
        handle.seek(4096)
        handle.write(os.urandom(path.stat().st_size - 4096))


def one_of_another_program(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE answers (position)")
    db.close()


def one_of_a_later_version(path: Path) -> None:
    begun(path.with_name("out"), 2).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()


@pytest.mark.parametrize(
    "damage", [a_text, a_torn_one, a_scribbled_one, one_of_another_program, one_of_a_later_version]
)
def test_a_damaged_journal_is_one_line_and_force_starts_anew(tmp_path: Path, damage: object) -> None:
    out = tmp_path / "out"
    damage(journal_path(out))  # type: ignore[operator]
    for resume in (False, True):
        with refused(InputError, "out.journal.sqlite", "--force"):
            open_journal(out, FINGERPRINT, force=False, resume=resume)
    with refused(InputError, "--force"):
        open_journal(out, FINGERPRINT, force=True, resume=True)
    with open_journal(out, FINGERPRINT, force=True, resume=False) as journal:
        journal.add([Entry("ok", None, ANSWER, b"x")], 0.0)
        assert len(list(journal.entries(MODEL))) == 1


def test_a_full_disk_is_one_line_and_keeps_what_was_there(tmp_path: Path) -> None:
    out = tmp_path / "out"
    window = [Entry("ok", None, replace(ANSWER, case_id=f"{i:0200}"), os.urandom(16)) for i in range(50)]
    with begun(out, 3) as journal:
        journal._db.execute("PRAGMA max_page_count = 6")  # what SQLite answers to it is what it answers to a full disk
        with refused(DdxError, "out.journal.sqlite: the disk is full", "--resume"):
            journal.add(window, 1.0)
        assert journal.rows == 3
        journal._db.execute("PRAGMA max_page_count = 1000000")
        journal.add(window, 1.0)
    with open_journal(out, FINGERPRINT, force=False, resume=True) as journal:
        assert [e.key for e in journal.entries(MODEL)] == [b"0", b"1", b"2", *(e.key for e in window)]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    journal_path(tmp_path / "out").mkdir()
    with refused(InputError, "out.journal.sqlite", "cannot be written"):
        open_journal(tmp_path / "out", FINGERPRINT, force=False, resume=False)


def test_no_case_stands_in_the_journal(tmp_path: Path) -> None:
    with begun(tmp_path / "out") as journal:
        journal.add([Entry("ok", None, replace(ANSWER, raw_text="she said: it burns"), b"x")], 0.0)
    content = journal_path(tmp_path / "out").read_bytes()
    assert b"GERD" in content
    assert b"burns" not in content
