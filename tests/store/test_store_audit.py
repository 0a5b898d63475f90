"""A store that was changed behind its back does not verify, and the row is named."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from kept_reviews import LIST, review, tamper
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError

from ddx.errors import InputError
from ddx.store import Problem, Store, StoreError, Verification, verify
from ddx.store.chain import entries, entry_hash
from ddx.store.database import read_url
from ddx.store.hashing import canonical
from ddx.store.verify import check_store

OTHER = {**LIST, "differential": LIST["differential"][:1]}
OUTPUT = "(SELECT output_id FROM reviews WHERE review_id = 'r1')"


@pytest.fixture
def filled(where: str) -> str:
    """A store with five reviews, one of them changed, decided twice and erased; closed. Its log has nine entries."""
    with Store.open(where) as store:
        for n in range(5):
            store.save(review(f"r{n}"))
        store.save(review("r1", "accepted"), 1)
        store.save(review("r1", "overridden", differential=OTHER), 2)
        store.erase("dr a", review_id="r4")
    return where


def problems(where: str, head: str | None = None) -> list[str]:
    return [str(problem) for problem in verify(where, head).problems]


def test_an_untouched_store_is_intact(filled: str) -> None:
    found = verify(filled)
    with Store.open(filled) as store:
        assert store.verify() == found
        assert store.head() == (found.entries, found.head) == (9, store.entries(limit=1)[0].hash)
    assert found.intact
    assert found.rows == 4 + 5 + 2 + 1  # reviews, outputs, decisions, settings


CHANGED = "changed: its hash is not the one in the log"


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("UPDATE reviews SET decision = 'open' WHERE review_id = 'r1'", f"reviews/r1: {CHANGED}"),
        ("UPDATE reviews SET age = 44.5 WHERE review_id = 'r2'", f"reviews/r2: {CHANGED}"),
        ("UPDATE reviews SET content = replace(content, 'quagga', 'zebra') WHERE review_id = 'r3'",
         f"reviews/r3: {CHANGED}"),
        ("UPDATE reviews SET output_id = NULL WHERE review_id = 'r1'", f"reviews/r1: {CHANGED}"),
        ("UPDATE decisions SET reviewer = 'dr b' WHERE decision_id = 'r1@2'", f"decisions/r1@2: {CHANGED}"),
        ("DELETE FROM decisions WHERE decision_id = 'r1@3'", "decisions/r1@3: deleted"),
        ("UPDATE settings SET value = 'on'", f"settings/phi: {CHANGED}"),
        ("INSERT INTO settings VALUES ('retention_days', '1')", "settings/retention_days: added: not in the log"),
        ("UPDATE log SET actor = 'dr b' WHERE sequence = 4", "log/4: changed: its hash is not that of its content"),
        ("UPDATE log SET rows = 'none' WHERE sequence = 4", "log/4: changed: its hash is not that of its content"),
        ("UPDATE log SET at = '2020' WHERE sequence = 9", "log/9: changed: its hash is not that of its content"),
        ("DELETE FROM log WHERE sequence = 4", "log/4: deleted"),
        ("DELETE FROM log WHERE sequence IN (1, 2, 3)", "log/1 to 3: deleted"),
    ],
)  # fmt: skip
def test_a_changed_row_is_named(filled: str, sql: str, expected: str) -> None:
    tamper(filled, sql)
    assert expected in problems(filled)


def test_only_the_changed_row_is_named(filled: str) -> None:
    tamper(filled, "UPDATE reviews SET reviewer = 'dr b' WHERE review_id = 'r1'")
    assert problems(filled) == [f"reviews/r1: {CHANGED}"]


def test_a_changed_output_is_named(filled: str) -> None:
    with Store.open(filled) as store:
        outputs = store.export("dr a", review_id="r1")["reviews"][0]["outputs"]
    for output in outputs:
        name = output["output_id"]
        tamper(filled, f"UPDATE outputs SET content = replace(content, '0.6', '0.9') WHERE output_id = '{name}'")
        assert f"outputs/{name}: {CHANGED}" in problems(filled)


def test_a_deleted_review_is_named_with_all_that_went_with_it(filled: str) -> None:
    tamper(
        filled,
        "DELETE FROM decisions WHERE review_id = 'r1'",
        "DELETE FROM outputs WHERE review_id = 'r1'",
        "DELETE FROM reviews WHERE review_id = 'r1'",
    )
    found = problems(filled)
    assert "reviews/r1: deleted" in found
    assert len(found) == 1 + 2 + 2


def test_a_row_that_comes_back_from_the_dead_is_named(filled: str) -> None:
    columns = "version, 999, created_at, changed_at, reviewer, decision, kept, struck, added, salt FROM reviews"
    into = "(review_id, version, sequence, created_at, changed_at, reviewer, decision, kept, struck, added, salt)"
    tamper(
        filled,
        f"INSERT INTO reviews {into} SELECT 'r4', {columns} WHERE review_id = 'r1'",
        f"INSERT INTO reviews {into} SELECT 'new', {columns.replace('999', '998')} WHERE review_id = 'r1'",
    )
    assert problems(filled) == [
        "reviews/new: added: not in the log",
        "reviews/r4: there, but the log says that it was erased",
    ]


def test_an_entry_rewritten_with_a_fitting_hash_breaks_the_chain(filled: str) -> None:
    engine = create_engine(read_url(filled))
    with engine.connect() as connection:
        entry = next(e for e in entries(connection) if e.sequence == 5)
    engine.dispose()
    forged = replace(entry, actor="dr b")
    tamper(filled, f"UPDATE log SET actor = 'dr b', hash = '{entry_hash(forged)}' WHERE sequence = 5")
    assert problems(filled) == ["log/6: does not follow entry 5: one of the two was changed"]


def test_a_cut_off_end_shows_by_its_rows_and_always_by_a_head_kept_elsewhere(filled: str) -> None:
    head = verify(filled).head
    assert problems(filled, head) == problems(filled, head.upper()) == []
    with Store.open(filled) as store:
        store.save(review("r2", notes="later"), 1)
    assert problems(filled, head) == []  # an earlier head is still there
    tamper(filled, "DELETE FROM log WHERE sequence > 9")
    assert problems(filled) == [f"reviews/r2: {CHANGED}"]
    with Store.open(filled) as store:
        store.erase("dr a", review_id="r2")
        later = store.export("dr a", review_id="r3") and store.head()[1]
    tamper(filled, "DELETE FROM log WHERE sequence = (SELECT max(sequence) FROM log)")
    assert problems(filled) == []  # it changed no row: without a head nobody can tell
    assert problems(filled, later) == [f"log: no entry has the hash {later}: entries were cut off or rewritten"]
    for malformed in ("abc", "g" * 64, ""):
        with pytest.raises(InputError, match="64 hexadecimal digits"):
            verify(filled, malformed)


def test_the_database_refuses_to_rewrite_what_is_only_added_to(filled: str) -> None:
    statements = ["UPDATE log SET actor = 'x'", "DELETE FROM log", "UPDATE outputs SET seconds = 1"]
    statements += ["UPDATE decisions SET decision = 'open'"]
    engine = create_engine(read_url(filled))
    for statement in [*statements, *(["TRUNCATE log"] if "://" in filled else [])]:
        with pytest.raises(DBAPIError, match="only ever added to"), engine.begin() as connection:
            connection.execute(text(statement))
    engine.dispose()
    assert verify(filled).intact


def test_a_missing_trigger_is_named(filled: str) -> None:
    engine = create_engine(read_url(filled))
    with engine.begin() as connection:
        connection.execute(text(f"DROP TRIGGER log_no_update{' ON log' if '://' in filled else ''}"))
    engine.dispose()
    assert problems(filled) == ["log: its trigger log_no_update is gone or off"]


def test_the_log_holds_no_word_of_a_case(filled: str) -> None:
    with Store.open(filled) as store:
        log = canonical([vars(entry) for entry in store.entries()])
    for word in ("zebracough", "quaggafever", "okapirash", "dodoitch", "Moasyndrome", "MRN", "Pericarditis"):
        assert word not in log


def test_bytes_in_a_column_of_text_are_a_changed_row(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        store.save(review())
    tamper(str(tmp_path / "s.db"), "UPDATE reviews SET content = x'00ff'")
    assert problems(str(tmp_path / "s.db")) == [f"reviews/r1: {CHANGED}"]


def test_verifying_a_copy_changes_no_byte_of_it(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        store.save(review())
    copy = tmp_path / "evidence" / "copy.db"
    copy.parent.mkdir()
    shutil.copy(tmp_path / "s.db", copy)
    before, names = copy.read_bytes(), sorted(tmp_path.rglob("*"))
    os.chmod(copy, 0o400)
    os.chmod(copy.parent, 0o500)
    try:
        assert verify(copy).intact
        assert copy.read_bytes() == before
        assert sorted(tmp_path.rglob("*")) == names
    finally:
        os.chmod(copy.parent, 0o700)


def test_a_store_that_is_opened_while_it_is_verified_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(tmp_path / "s.db") as store:
        store.save(review())
    module, calls = sys.modules["ddx.store.verify"], []

    def check_and_write(connection: Connection, head: str | None) -> Verification:
        calls.append(head)
        if len(calls) == 1:
            with Store.open(tmp_path / "s.db") as other:
                other.save(review("r2"))
            return Verification(0, 0, "", (Problem("reviews", "r1", "read from two moments"),))
        return check_store(connection, head)

    monkeypatch.setattr(module, "check_store", check_and_write)
    found = verify(tmp_path / "s.db")
    assert (found.intact, found.entries, len(calls)) == (True, 3, 2)


def test_a_copy_without_its_write_ahead_log_is_an_older_state_and_verifies(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        store.save(review())
        head = store.head()[1]
        shutil.copy(tmp_path / "s.db", tmp_path / "copy.db")
        shutil.copy(tmp_path / "s.db", tmp_path / "whole.db")
        shutil.copy(tmp_path / "s.db-wal", tmp_path / "whole.db-wal")
    assert verify(tmp_path / "whole.db", head).intact
    with pytest.raises(StoreError, match="no store|no such table"):
        verify(tmp_path / "copy.db", head)  # everything was still in the log beside it


def test_verify_looks_at_one_moment_while_others_write(where: str) -> None:
    with Store.open(where) as store, Store.open(where) as other:
        with store._database.reading() as connection:
            first = check_store(connection, None)
            other.save(review())
            assert check_store(connection, None) == first
        assert store.verify().entries == first.entries + 1


def test_a_file_cut_short_is_one_line(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        for n in range(20):
            store.save(review(f"r{n}"))
    whole = (tmp_path / "s.db").read_bytes()
    (tmp_path / "s.db").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StoreError) as caught:
        verify(tmp_path / "s.db")
    assert "\n" not in str(caught.value)
    assert "zebracough" not in str(caught.value)
