"""A database behind a path or an URL: connections, two kinds of transactions, migrations, and errors in one line."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from ddx.store.errors import StoreError
from ddx.store.schema import metadata

__all__ = ["Database", "read_url", "sqlite_path"]

BUSY_SECONDS = 30
VERSION_TABLE = "ddx_store_version"
_LOCK = 0x6464785F  # of PostgreSQL's advisory locks, which are per database: "ddx_"
_ALEMBIC = threading.Lock()  # it keeps the migration that is under way in module globals
_PRAGMAS = (
    # A confirmed save is on the disk: WAL's default would lose the last ones with the power. fullfsync is for macOS,
    # where a plain fsync stops at the drive's cache.
    "synchronous=FULL",
    "fullfsync=ON",
    "checkpoint_fullfsync=ON",
    "foreign_keys=ON",
    # What is erased is overwritten with zeros, and nothing of a case goes to a temporary file.
    "secure_delete=ON",
    "temp_store=MEMORY",
)


def read_url(where: str | Path) -> URL:
    """A path of an SQLite file, or an URL: sqlite:///FILE, postgresql://USER:PASSWORD@HOST/DATABASE.

    Raises StoreError for anything else, without repeating what was given: an URL may hold a password.
    """
    if isinstance(where, Path) or "://" not in where:
        if not str(where).strip():
            raise StoreError("give a store: a file, or postgresql://USER:PASSWORD@HOST/DATABASE")
        return URL.create("sqlite", database=str(Path(where).expanduser().resolve()))
    try:
        url = make_url(where)
    except (ArgumentError, ValueError):
        raise StoreError("the store's URL can't be read: postgresql://USER:PASSWORD@HOST/DATABASE, or a file") from None
    kind = url.drivername.partition("+")[0]
    if kind in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if kind != "sqlite":
        raise StoreError(f"a store is SQLite or PostgreSQL, not {kind}")
    if url.database in (None, "", ":memory:") or str(url.database).startswith("file:"):
        raise StoreError("a store needs a file: sqlite:///FILE, or just FILE")
    return URL.create("sqlite", database=str(Path(str(url.database)).expanduser().resolve()))


def sqlite_path(url: URL) -> Path | None:
    """The file of an SQLite store; None for PostgreSQL."""
    return Path(str(url.database)) if url.drivername == "sqlite" else None


class Database:
    """One database, for many threads."""

    def __init__(self, url: URL, create: bool = False, readonly: bool = False, still: bool = False) -> None:
        """`create` makes an SQLite file that is not there, readable by its owner alone; `readonly` writes nothing.

        `still`: nobody has the SQLite file open. It is then read as it lies, without the lock files that SQLite would
        leave beside it. Raises StoreError.
        """
        self.url, self.path, self.readonly, self._still = url, sqlite_path(url), readonly, still
        self.name = str(self.path) if self.path else url.render_as_string(hide_password=True)
        if self.path is not None:
            self._file(self.path, create)
        self._turn = threading.Lock()  # SQLite lets the waiting poll; threads of one process can queue instead
        self._engine = self._sqlite(self.path) if self.path else self._postgresql()
        self._writer = self._engine.execution_options(ddx_write=True)

    def _file(self, path: Path, create: bool) -> None:
        if path.is_dir():
            raise StoreError(f"{path}: is a folder, not a store")
        if path.exists():
            return
        if not create:
            raise StoreError(f"{path}: no such store")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            if not path.is_file():  # else another process was first
                raise StoreError(f"{path}: can't be made, something on the way is not a folder") from None
        except OSError as error:
            raise StoreError(f"{path}: can't be made ({error.strerror})") from None

    def _sqlite(self, path: Path) -> Engine:
        def connect() -> sqlite3.Connection:
            name = f"file:{quote(str(path))}?mode={'ro' if self.readonly else 'rw'}"
            if self._still:
                name += "&immutable=1"
            # isolation_level=None: transactions are begun below, not by the driver's guess.
            connection = sqlite3.connect(
                name, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            if not self.readonly:
                _set_up(connection)
            return connection

        engine = create_engine(self.url, creator=connect, hide_parameters=True)

        @event.listens_for(engine, "begin")
        def begin(connection: Connection) -> None:
            # IMMEDIATE takes the write lock before anything is read, so that two writers can't both build on one head.
            write = connection.get_execution_options().get("ddx_write")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

        return engine

    def _postgresql(self) -> Engine:
        url = self.url if "connect_timeout" in self.url.query else self.url.update_query_dict({"connect_timeout": "10"})
        try:
            # hide_parameters: an exception's text never holds what was to be written.
            return create_engine(url, hide_parameters=True, pool_pre_ping=True, isolation_level="REPEATABLE READ")
        except ModuleNotFoundError as error:
            raise StoreError(f"PostgreSQL needs {error.name}: pip install 'ddx[postgres]'") from None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees the database at one moment. Raises StoreError."""
        with self._in_one_line(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the one write lock from the start: all of it is stored, or nothing.

        Raises StoreError, also when another program has held the lock for 30 seconds.
        """
        with self._turn, self._in_one_line():
            engine = self._writer
            if self.path is None:
                # A repeatable read would still see the head from before it waited for the lock.
                engine = engine.execution_options(isolation_level="READ COMMITTED")
            with engine.begin() as connection:
                if self.path is None:
                    connection.execute(text(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'"))
                    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                yield connection

    def empty_wal(self) -> None:
        """SQLite: move the write-ahead log into the file and cut it off, with what it still held of erased rows."""
        with self._in_one_line(), self._engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def copy_to(self, path: Path) -> None:
        """SQLite: write the database as it is at one moment to an empty file. Raises StoreError."""
        with self._in_one_line(), self._engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute("VACUUM INTO ?", (str(path),))

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def check_version(self, connection: Connection) -> bool:
        """Whether the tables are as this ddx has them; False when there are none or older ones.

        Raises StoreError when a newer ddx wrote them, or when they are something else's.
        """
        from alembic.migration import MigrationContext

        found = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()
        known = [script.revision for script in _scripts().walk_revisions()]  # newest first
        if found is not None and found not in known:
            raise StoreError(f"{self.name}: written by a newer ddx (tables {found}, here {known[0]}); update ddx")
        if found is None:
            tables = set(inspect(connection).get_table_names())
            if tables if self.path else tables & set(metadata.tables):
                raise StoreError(f"{self.name}: is a database of something else; give ddx one of its own")
        return found == known[0]

    def migrate(self, connection: Connection) -> None:
        """Bring the tables up to date, inside the caller's transaction."""
        from alembic import command

        config = _config()
        config.attributes.update(connection=connection, version_table=VERSION_TABLE)
        with _ALEMBIC:
            command.upgrade(config, "head")

    @contextmanager
    def _in_one_line(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, sqlite3.Error) as error:
            reason = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
            # PostgreSQL's further lines may repeat a whole row.
            line = (str(reason).splitlines() or [type(reason).__name__])[0]
            if "locked" in line or "lock timeout" in line:
                line = f"busy: another program has held it for {BUSY_SECONDS} seconds; try again"
            raise StoreError(f"{self.name}: {line}") from None


def _set_up(connection: sqlite3.Connection) -> None:
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    # With a write-ahead log a reader never waits for a writer. The first to open a file turns it on, and whoever opens
    # it in that moment is told at once that it is locked: SQLite's own waiting leaves this out.
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                connection.close()
                raise
            time.sleep(0.02)


def _config() -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "ddx.store:migrations")
    return config


def _scripts() -> Any:
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config())
