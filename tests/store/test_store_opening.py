"""Opening: a new store, an older and a newer one, something else, and nothing at all."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from kept_reviews import review, tamper
from sqlalchemy import create_engine, text

from ddx.store import Store, StoreError, verify
from ddx.store.database import VERSION_TABLE, read_url
from ddx.store.schema import metadata


def test_the_migrations_give_the_tables_of_the_schema(where: str) -> None:
    Store.open(where).close()
    engine = create_engine(read_url(where))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_opening_again_changes_nothing(where: str) -> None:
    with Store.open(where) as store:
        store.save(review())
        head = store.head()
    with Store.open(where) as store:
        assert store.head() == head


def test_a_store_of_a_newer_ddx_is_refused_untouched(where: str) -> None:
    with Store.open(where) as store:
        store.save(review())
    tamper(where, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    for attempt in (lambda: Store.open(where), lambda: verify(where)):
        with pytest.raises(StoreError, match="written by a newer ddx .tables 9999, here 0001.; update ddx"):
            attempt()
    tamper(where, f"UPDATE {VERSION_TABLE} SET version_num = '0001'")
    assert verify(where).intact


def test_a_database_of_something_else_is_refused(where: str) -> None:
    engine = create_engine(read_url(where))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE reviews (stars INTEGER)"))
    engine.dispose()
    with pytest.raises(StoreError, match="is a database of something else"):
        Store.open(where)


def test_what_is_not_there_is_not_made_unless_asked_for(tmp_path: Path, where: str) -> None:
    with pytest.raises(StoreError, match="no such store|holds no store"):
        Store.open(where, create=False)
    with pytest.raises(StoreError, match="no such store|holds no store"):
        verify(where)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "empty.db").touch()
    with pytest.raises(StoreError, match="holds no store"):
        Store.open(tmp_path / "empty.db", create=False)


def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "store.db"
    with Store.open(path) as store:
        store.save(review())
        for name in (path, path.with_name("store.db-wal"), path.with_name("store.db-shm")):
            assert stat.S_IMODE(name.stat().st_mode) == 0o600


def test_a_confirmed_save_is_on_the_disk(tmp_path: Path) -> None:
    """The settings that say so: none of them can be seen from outside without pulling the plug."""
    with Store.open(tmp_path / "s.db") as store, store._database.reading() as connection:
        found = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in
                 ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "busy_timeout")}  # fmt: skip
    assert found == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1, "busy_timeout": 30_000,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("mysql://u:hunter2@h/d", "SQLite or PostgreSQL, not mysql"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
        ("postgresql://u:hunter2@h:port/d", "can't be read"),
        ("postgresql://u:hunter2@127.0.0.1:9/d", "connection"),
        (" ", "give a store"),
        ("/proc/none/store.db", "can't be made"),
        (os.devnull + "/store.db", "can't be made"),
        (".", "is a folder"),
    ],
)
def test_an_unusable_url_is_one_line_without_the_password(where: str, words: str) -> None:
    with pytest.raises(StoreError, match=words) as caught:
        Store.open(where)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("chest pain " * 200)
    for attempt in (Store.open, verify):
        with pytest.raises(StoreError, match="not a database"):
            attempt(tmp_path / "notes.txt")


def test_paths_with_strange_names_are_files(tmp_path: Path) -> None:
    for name in ("a b?mode=memory.db", "50%25.db", "ü#1.db"):
        with Store.open(tmp_path / name) as store:
            store.save(review())
        assert verify(tmp_path / name).intact
    assert {p.name for p in tmp_path.iterdir()} == {"a b?mode=memory.db", "50%25.db", "ü#1.db"}


def test_a_store_that_another_program_holds_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ddx.store.database.BUSY_SECONDS", 0.2)
    with Store.open(tmp_path / "s.db") as store, closing(sqlite3.connect(tmp_path / "s.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="busy"):
            store.save(review())
        assert store.list_reviews() == ()  # readers don't wait
        other.rollback()
        assert store.save(review()).version == 1


def test_many_open_a_new_store_at_once(where: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(lambda _: Store.open(where), range(6)))
    for store in stores:
        assert [entry.action for entry in store.entries()] == ["created"]
        store.close()


def test_opening_waits_for_whoever_else_is_setting_the_file_up(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "s.db", isolation_level=None)) as other, ThreadPoolExecutor(1) as pool:
        other.execute("BEGIN IMMEDIATE")  # SQLite answers "locked" at once to who turns the write-ahead log on now
        opened = pool.submit(Store.open, tmp_path / "s.db")
        time.sleep(0.3)
        assert not opened.done()
        other.rollback()
        with opened.result() as store:
            assert store.verify().intact


def test_nothing_of_a_case_is_logged(where: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Store.open(where) as store:
        version = store.save(review()).version
        store.save(review("r1", "overridden"), version)
        store.get("r1")
        store.erase("dr a", review_id="r1")
    for word in ("zebracough", "quaggafever", "okapirash"):
        assert word not in caplog.text


def test_closing_leaves_no_connection_open(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with Store.open(tmp_path / "s.db") as store:
            store.save(review())
    assert [p.name for p in tmp_path.iterdir()] == ["s.db"]  # the last one to close takes the write-ahead log along


def test_the_store_is_light_to_import() -> None:
    code = "import sys, ddx.store; print({'torch', 'pandas', 'alembic', 'typer', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
