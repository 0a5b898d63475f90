"""A copy made while the store is in use verifies, and the steps of `docs/storage.md` bring it back."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from kept_reviews import review, tamper
from postgres_server import Programs
from sqlalchemy import make_url

from ddx.store import Store, StoreError, backup, verify


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Store.open(tmp_path / "s.db") as store:
        store.save(review())
    return tmp_path / "s.db"


def test_a_copy_has_everything_and_is_its_owners_alone(path: Path) -> None:
    out = path.with_name("copy.db")
    with Store.open(path) as store:
        store.save(review("r2"))  # still in the write-ahead log
        found = backup(path, out)
        assert (found.entries, found.head) == store.head()
        assert found.intact
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert verify(out, found.head).intact
    with Store.open(out) as copy:
        assert copy.get("r2").review == review("r2")
        copy.save(review("r3"))


def test_nothing_is_written_over_unless_asked(path: Path) -> None:
    out = path.with_name("copy.db")
    out.write_text("something")
    with pytest.raises(StoreError, match="is there already"):
        backup(path, out)
    assert out.read_text() == "something"
    assert backup(path, out, force=True).intact
    for refused in (path, path.parent):
        with pytest.raises(StoreError):
            backup(path, refused, force=True)
    with pytest.raises(StoreError, match="no such store"):
        backup(path.with_name("none.db"), path.with_name("other.db"))
    assert sorted(p.name for p in path.parent.iterdir() if p.suffix == ".db") == ["copy.db", "s.db"]
    assert not list(path.parent.glob("*.partial*"))
    assert verify(path).intact


def test_the_copy_of_a_changed_store_is_kept_and_does_not_verify(path: Path) -> None:
    tamper(str(path), "UPDATE reviews SET reviewer = 'dr b'")
    found = backup(path, path.with_name("copy.db"))
    assert [(p.table, p.row) for p in found.problems] == [("reviews", "r1")]
    assert path.with_name("copy.db").exists()


def test_a_copy_made_under_writing_is_one_moment(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    worker = Path(__file__).with_name("saving_worker.py")
    with subprocess.Popen([sys.executable, worker, path, "p", "1000000"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        heads = []
        for n in range(3):
            found = backup(path, tmp_path / f"copy{n}.db")
            assert found.intact
            heads.append(found.head)
            process.stdout.readline()
        process.kill()
    assert all(verify(path, head).intact for head in heads)


def test_a_backup_is_restored_over_a_lost_store(path: Path) -> None:
    out = path.with_name("copy.db")
    head = backup(path, out).head
    store = Store.open(path)
    store.save(review("later", notes="x" * 10_000))
    # The machine is lost here: what stands beside the file belongs to the old one, and would be read into the new.
    for left in ("-wal", "-shm"):
        shutil.copy(f"{path}{left}", f"{path}{left}.old")
    store.close()
    for left in ("-wal", "-shm"):
        shutil.move(f"{path}{left}.old", f"{path}{left}")
    restore = f"rm -f '{path}-wal' '{path}-shm' && install -m 600 '{out}' '{path}'"
    subprocess.run(restore, shell=True, check=True)
    assert verify(path, head).intact
    with Store.open(path) as store:
        assert [row.review_id for row in store.list_reviews()] == ["r1"]
        store.save(review("r2"))
        assert store.verify(head).intact


def test_postgresql_is_backed_up_by_its_own_means(
    postgres: tuple[Programs, Path], new_database: Callable[[], str], tmp_path: Path
) -> None:
    programs, home = postgres
    source, target = new_database(), new_database()
    with Store.open(source) as store:
        version = store.save(review()).version
        store.save(review("r1", "accepted"), version)
        head = store.head()[1]
    with pytest.raises(StoreError, match="pg_dump"):
        backup(source, tmp_path / "out.db")
    at = ("-h", home, "-U", "ddx")
    dumped = programs.run("pg_dump", *at, "-Fc", "-f", home / "store.dump", make_url(source).database)
    assert dumped.returncode == 0, dumped.stdout
    restored = programs.run("pg_restore", *at, "-d", make_url(target).database, "--exit-on-error", home / "store.dump")
    assert restored.returncode == 0, restored.stdout
    assert verify(target, head).intact
    with Store.open(target) as store:
        assert store.get("r1").review == review("r1", "accepted")
        store.save(review("r2"))


RIGHTS = """
GRANT SELECT ON ddx_store_version TO app;
GRANT SELECT, INSERT, UPDATE, DELETE ON reviews TO app;
GRANT SELECT, INSERT, DELETE ON outputs, decisions, settings TO app;
GRANT SELECT, INSERT ON log TO app;
"""


def test_on_postgresql_the_app_needs_no_right_to_change_the_log(new_database: Callable[[], str]) -> None:
    page = Path(__file__).parents[2] / "docs" / "storage.md"
    assert RIGHTS in page.read_text(encoding="utf-8")
    owner = new_database()
    Store.open(owner).close()
    url = make_url(owner)
    connect = {"host": str(url.query["host"]), "dbname": url.database}
    with psycopg.connect(user="ddx", **connect) as connection:  # type: ignore[arg-type]
        connection.execute("DROP ROLE IF EXISTS app; CREATE ROLE app LOGIN")
        connection.execute(RIGHTS)  # type: ignore[arg-type]
    with Store.open(owner.replace("ddx@", "app@")) as store:
        version = store.save(review()).version
        store.save(review("r1", "accepted"), version)
        store.set_retention(30, "app")
        store.export("app", review_id="r1")
        store.apply_retention()
        store.erase("app", review_id="r1")
        assert store.verify().intact
    for statement in ("DELETE FROM log", "ALTER TABLE log DISABLE TRIGGER ALL", "UPDATE log SET actor = 'x'"):
        with (
            psycopg.connect(user="app", **connect) as connection,  # type: ignore[arg-type]
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)  # type: ignore[call-overload]
    with psycopg.connect(user="ddx", **connect) as connection:  # type: ignore[arg-type]
        connection.execute("DROP OWNED BY app; DROP ROLE app")
