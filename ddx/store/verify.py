"""Whether a store is as it was written: the log's chain, and every row against what the log says of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, select, text

from ddx.errors import InputError
from ddx.store.chain import EMPTY, Entry, entry_hash, entry_of
from ddx.store.database import Database, read_url, sqlite_path
from ddx.store.errors import StoreError
from ddx.store.hashing import row_hash
from ddx.store.schema import CHECKED, log, row_name

__all__ = ["Problem", "Verification", "check_store", "verify"]

_TRIGGERS = {"log_no_update", "log_no_delete", "outputs_no_update", "decisions_no_update"}


@dataclass(frozen=True)
class Problem:
    """One row that is not as the log has it: its table, its key ("" for the table as a whole), and what is wrong."""

    table: str
    row: str
    what: str

    def __str__(self) -> str:
        return f"{self.table}{'/' if self.row else ''}{self.row}: {self.what}"


@dataclass(frozen=True)
class Verification:
    """What a check found: the number of log entries and of rows, the newest entry's hash, and what is wrong."""

    entries: int
    rows: int
    head: str
    problems: tuple[Problem, ...]

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(where: str | Path, head: str | None = None) -> Verification:
    """Check a store without writing to it: a path or an URL, as `Store.open` takes it.

    Raises StoreError when it can't be read, or its tables are not this ddx's.
    """
    url = read_url(where)
    path = sqlite_path(url)
    lying = None if path is None else _at_rest(path)
    if path is not None and lying is not None:
        try:
            found: Verification | StoreError = _read(url, head, still=True)
        except StoreError as error:
            found = error
        if _at_rest(path) == lying:  # else someone began to write to it: what was read is of two moments
            if isinstance(found, StoreError):
                raise found
            return found
    return _read(url, head, still=False)


def _read(url: URL, head: str | None, still: bool) -> Verification:
    database = Database(url, readonly=True, still=still)
    try:
        with database.reading() as connection:
            if not database.check_version(connection):
                raise StoreError(f"{database.name}: holds no store, or one of an older ddx; open it once to update it")
            return check_store(connection, head)
    finally:
        database.close()


def _at_rest(path: Path) -> tuple[int, int] | None:
    """Size and time of a file without a write-ahead log; None if it has one, as every file has that is in use."""
    try:
        wal, file = path.with_name(path.name + "-wal"), path.stat()
        return None if wal.exists() and wal.stat().st_size else (file.st_size, file.st_mtime_ns)
    except OSError:
        return None


def check_store(connection: Connection, head: str | None = None) -> Verification:
    """Recompute the chain, then compare every row with the newest entry about it, at one moment.

    `head` is the hash of an entry, kept elsewhere, from some earlier time: the log must still hold that entry. Without
    it entries cut off the end are noticed only by the rows that they changed. Raises InputError for a malformed `head`.
    """
    if head is not None and (len(head) != 64 or set(head.lower()) - set("0123456789abcdef")):
        raise InputError("a head is 64 hexadecimal digits, as `ddx audit verify` prints it")
    log_of = _Log(None if head is None else head.lower())
    for entry in connection.execute(select(log).order_by(log.c.sequence)):
        log_of.read(entry)
    log_of.end()
    problems, rows = [*_missing_triggers(connection), *log_of.problems], 0
    for table, column in CHECKED.items():
        left = {name for name, hashed in log_of.expected.items() if hashed and name.startswith(row_name(table, ""))}
        for row in connection.execute(select(table).order_by(table.c[column])).mappings():
            key, rows = str(row[column]), rows + 1
            name = row_name(table, key)
            left.discard(name)
            what = _wrong(row, log_of.expected[name]) if name in log_of.expected else "added: not in the log"
            if what:
                problems.append(Problem(table.name, key, what))
        problems += [Problem(table.name, name.partition("/")[2], "deleted") for name in sorted(left)]
    return Verification(log_of.entries, rows, log_of.newest, tuple(problems))


class _Log:
    """The log as read so far: what is wrong with it, and the hash that each row should have (None: erased)."""

    def __init__(self, head: str | None) -> None:
        self.head, self.found = head, head is None
        self.entries, self.sequence, self.newest = 0, 0, EMPTY
        self.expected: dict[str, str | None] = {}
        self.problems: list[Problem] = []

    def read(self, row: Any) -> None:
        follows = row.sequence == self.sequence + 1
        if not follows:
            first, last = self.sequence + 1, row.sequence - 1
            self._wrong(str(first) if first == last else f"{first} to {last}", "deleted")
        entry = entry_of(row)
        if entry is None or not _sound(entry):
            self._wrong(str(row.sequence), "changed: its hash is not that of its content")
        elif follows and entry.previous != self.newest:
            self._wrong(str(row.sequence), f"does not follow entry {self.sequence}: one of the two was changed")
        if entry is not None:
            self.expected.update(entry.rows)
        self.entries, self.sequence, self.newest = self.entries + 1, row.sequence, row.hash
        self.found = self.found or row.hash == self.head

    def end(self) -> None:
        if not self.found:
            self._wrong("", f"no entry has the hash {self.head}: entries were cut off or rewritten")

    def _wrong(self, row: str, what: str) -> None:
        self.problems.append(Problem("log", row, what))


def _wrong(row: Mapping[Any, Any], expected: str | None) -> str | None:
    if expected is None:
        return "there, but the log says that it was erased"
    try:
        found = row_hash(row)
    except InputError:  # bytes in a column of text: SQLite takes anything
        found = ""
    return None if found == expected else "changed: its hash is not the one in the log"


def _sound(entry: Entry) -> bool:
    try:
        return entry_hash(entry) == entry.hash
    except InputError:
        return False


def _missing_triggers(connection: Connection) -> Iterator[Problem]:
    sqlite = connection.dialect.name == "sqlite"
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if sqlite
        else "SELECT tgname FROM pg_trigger WHERE tgenabled IN ('O', 'A')"
    )
    there = set(connection.execute(text(query)).scalars())
    for name in sorted(_TRIGGERS - there if sqlite else (_TRIGGERS | {"log_no_truncate"}) - there):
        table, _, _ = name.partition("_")
        yield Problem(table, "", f"its trigger {name} is gone or off")
