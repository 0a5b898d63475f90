"""The journal of a run: every answer as soon as it is there, in one SQLite file beside the output.

A window of rows enters in one transaction: after a crash, a kill or a full disk it is there whole or not at all, and
none before it is lost. (Where the machine itself goes down, those of the last second may be.)
The run holds the file's lock from its first line to its last (`locking_mode=EXCLUSIVE`), so a second run at the
same output is refused, and a killed one leaves no lock behind.

The case itself is not kept, only a hash of it. Of an answer everything is kept that a table can show; what the
model wrote word for word, and the time it took, are not.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ddx.differential import Diagnosis, Differential
from ddx.errors import DdxError, InputError

__all__ = [
    "Entry",
    "Journal",
    "Kept",
    "changes",
    "check_journal",
    "differential_body",
    "journal_path",
    "open_journal",
    "read_body",
]

_APPLICATION = 0x64647873  # "ddxs", in the file's header: this is a journal of ours
_VERSION = 1
_LEFT_OUT = ("diagnoses", "raw_text", "seconds", "model")  # the first stands beside, the last is the same for all
_KEPT = tuple(f.name for f in fields(Differential) if f.name not in _LEFT_OUT)
_SYNCED = 1.0  # seconds: waiting for the disk after every window would cost a fast engine more than its answers
_FILES = ("", "-wal", "-shm", "-journal")
_SCHEMA = """
CREATE TABLE run (
  fingerprint TEXT NOT NULL,     -- JSON: what the answers depend on
  replaceable INTEGER NOT NULL,  -- whether a file at the output's place may be replaced
  resumptions INTEGER NOT NULL,
  seconds REAL NOT NULL          -- spent on the rows that are in `answers`
);
CREATE TABLE answers (
  position INTEGER PRIMARY KEY,  -- 0, 1, 2, … in the order of the input
  key BLOB,                      -- hash of the case and the model; none where a row is no case
  same_as INTEGER,               -- the earlier position whose answer this row shares
  status TEXT NOT NULL,
  fault TEXT,                    -- the kind of fault; none for an answer
  body TEXT                      -- JSON: the differential, or the case's id alone where the answer is shared
);
CREATE INDEX asked ON answers (key) WHERE fault IS NULL AND same_as IS NULL;
"""
_FOUND = "SELECT position, body FROM answers WHERE key = ? AND fault IS NULL AND same_as IS NULL"
_ALL = """
SELECT a.status, a.fault, a.key, a.same_as, a.body, s.body
FROM answers a LEFT JOIN answers s ON s.position = a.same_as ORDER BY a.position
"""


@dataclass(frozen=True)
class Entry:
    """One row's outcome: `ddx_status`, and a differential or the kind of fault.

    `key` is the hash of the case and the model. `same_as` is the position of the earlier row with the same key
    that the model was asked about, None when it was asked about this one.
    """

    status: str
    fault: str | None = None
    differential: Differential | None = None
    key: bytes | None = None
    same_as: int | None = None


@dataclass(frozen=True)
class Kept:
    """What an interrupted run left: how many rows, and whether the output may be replaced without asking again."""

    rows: int = 0
    replaceable: bool = False


class _Damaged(InputError):
    """No journal that can be read."""


def journal_path(out: Path) -> Path:
    """`<out>.journal.sqlite`."""
    return out.with_name(out.name + ".journal.sqlite")


def check_journal(out: Path, force: bool, resume: bool) -> Kept:
    """What a run at `out` starts from: looked up before the model is loaded, and again when the run begins.

    Raises InputError for a journal that another run is writing, a damaged one, and one with answers that are
    neither to be gone on with (`resume`) nor to be thrown away (`force` alone).
    """
    path = journal_path(out)
    if not path.exists():
        return Kept()
    try:
        with _spoken(path), closing(_connect(path)) as db:
            kept = _kept(db)
    except _Damaged:
        if force and not resume:
            return Kept()
        raise
    if kept.rows and not (resume or force):
        raise InputError(
            f"{path}: an unfinished run left {kept.rows:,} answered rows here; "
            "--resume goes on with it, --force starts anew"
        )
    return kept if resume else Kept()


def open_journal(out: Path, fingerprint: Mapping[str, Any], force: bool, resume: bool) -> Journal:
    """The journal of a run at `out`: the one that is there with `resume`, if it holds any answer, else a new one.

    Raises what `check_journal` raises, and InputError, naming what changed, when the answers there were made
    with another `fingerprint`.
    """
    path, kept = journal_path(out), check_journal(out, force, resume)
    if not kept.rows:
        _remove(path)
    with _spoken(path):
        db = _connect(path)
        try:
            _go_on(db, path, fingerprint, force) if kept.rows else _begin(db, fingerprint, force)
            return Journal(path, db)
        except BaseException:
            db.close()
            raise


class Journal:
    """An open journal; use it in a with statement. Whatever SQLite can't do is raised as DdxError, in one line."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path, self._db, self._synced = path, db, time.monotonic()
        (self.rows,) = db.execute("SELECT count(*) FROM answers").fetchone()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        self._db.close()

    def add(self, entries: Sequence[Entry], seconds: float) -> None:
        """The next rows, all or none, and the time they took."""
        rows = [
            (self.rows + i, e.key, e.same_as, e.status, e.fault, None if e.differential is None else _body(e))
            for i, e in enumerate(entries)
        ]
        with self._transaction():
            self._db.executemany("INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?)", rows)
            self._db.execute("UPDATE run SET seconds = seconds + ?", (seconds,))
        self.rows += len(rows)

    def find(self, key: bytes, model: Mapping[str, Any]) -> tuple[int, Differential] | None:
        """(position, differential) of the row that the model was asked about under this key."""
        with _spoken(self.path):
            row = self._db.execute(_FOUND, (key,)).fetchone()
        return None if row is None else (row[0], read_body(row[1], model))

    def entries(self, model: Mapping[str, Any]) -> Iterator[Entry]:
        """All rows in the order of the input, read as a stream."""
        with _spoken(self.path):
            for status, fault, key, same_as, body, shared in self._db.execute(_ALL):
                differential = None
                if same_as is not None:
                    differential = replace(read_body(shared, model), case_id=json.loads(body))
                elif body is not None:
                    differential = read_body(body, model)
                yield Entry(status, fault, differential, key, same_as)

    def allow_replacing(self) -> None:
        """Note that the result is about to take its place: whoever goes on from here may replace it."""
        with self._transaction():
            self._db.execute("UPDATE run SET replaceable = 1")

    def spent(self) -> tuple[float, int]:
        """(seconds, how often the run was gone on with), over all its parts."""
        with _spoken(self.path):
            seconds, resumptions = self._db.execute("SELECT seconds, resumptions FROM run").fetchone()
        return seconds, resumptions

    def remove(self) -> None:
        """The run is done: close the journal and delete it."""
        with _spoken(self.path):
            self._db.execute("PRAGMA synchronous = OFF")  # nothing need be brought to the disk on closing
        self.close()
        _remove(self.path)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Out of this process's hands at its end, and at most _SYNCED seconds later on the disk itself."""
        with _spoken(self.path):
            due = time.monotonic() >= self._synced + _SYNCED
            self._db.execute(f"PRAGMA synchronous = {'FULL' if due else 'NORMAL'}")
            with _transaction(self._db):
                yield
            if due:
                self._synced = time.monotonic()


def changes(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """What differs between two fingerprints, one short line each.

    >>> changes({"k": 5, "input": {"rows": 9}}, {"k": 3, "input": {"rows": 9}})
    ['k was 5, is 3']
    """
    lines: list[str] = []
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            lines += changes(before, after, f"{prefix}{name} ")
        elif before != after:
            lines.append(f"{prefix}{name} was {_short(before)}, is {_short(after)}")
    return lines


def _short(value: Any) -> str:
    text = "none" if value is None else " ".join(str(value).split())
    return text if len(text) <= 40 else f"{text[:12]}…"


def _connect(path: Path) -> sqlite3.Connection:
    """An open file, empty or a journal of ours, whose lock we hold until it is closed."""
    db = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if (application, version) != (_APPLICATION, _VERSION) and not _empty(db):
            raise _Damaged(f"{path}: not a journal of this version of `ddx score`; --force replaces it by a new one")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA wal_autocheckpoint = 4000")
        with _transaction(db):  # the first one takes the lock
            pass
    except BaseException:
        db.close()
        raise
    return db


def _empty(db: sqlite3.Connection) -> bool:
    """Whether there is no table yet, as when a run was killed at its first breath."""
    return db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def _kept(db: sqlite3.Connection) -> Kept:
    if _empty(db):
        return Kept()
    (rows,) = db.execute("SELECT count(*) FROM answers").fetchone()
    (replaceable,) = db.execute("SELECT replaceable FROM run").fetchone()
    return Kept(rows, bool(replaceable))


def _begin(db: sqlite3.Connection, fingerprint: Mapping[str, Any], replaceable: bool) -> None:
    with _transaction(db):
        for statement in _SCHEMA.split(";\n"):
            db.execute(statement)
        db.execute("INSERT INTO run VALUES (?, ?, 0, 0.0)", (json.dumps(_whole(fingerprint)), replaceable))
        db.execute(f"PRAGMA application_id = {_APPLICATION}")
        db.execute(f"PRAGMA user_version = {_VERSION}")


def _go_on(db: sqlite3.Connection, path: Path, fingerprint: Mapping[str, Any], replaceable: bool) -> None:
    (begun,) = db.execute("SELECT fingerprint FROM run").fetchone()
    # through JSON, as the other one went: a tuple becomes a list
    changed = changes(json.loads(begun), json.loads(json.dumps(_whole(fingerprint))))
    if changed:
        more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise InputError(
            f"{path}: this run was begun otherwise ({'; '.join(changed[:3])}{more}), and answers are not mixed; "
            "go on as it was begun, or start anew with --force"
        )
    with _transaction(db):
        db.execute("UPDATE run SET resumptions = resumptions + 1, replaceable = max(replaceable, ?)", (replaceable,))


def _whole(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """With the form of the answers here: those of another version of this file are not mixed in either."""
    form = {"version": _VERSION, "differential": _KEPT, "diagnosis": [f.name for f in fields(Diagnosis)]}
    return {**fingerprint, "journal": form}


def _remove(path: Path) -> None:
    for ending in _FILES:  # the database first: without it SQLite ignores the rest
        path.with_name(path.name + ending).unlink(missing_ok=True)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has rolled it back already
            db.execute("ROLLBACK")
        raise


@contextmanager
def _spoken(path: Path) -> Iterator[None]:
    """What SQLite can't do, in one line that says what to do."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise InputError(f"{path}: another run is writing here; wait for it, or give another output") from None
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            why = "the disk is full" if code == sqlite3.SQLITE_FULL else f"{error}: is the disk full, or at its limit?"
            raise DdxError(f"{path}: {why}; the rows answered before are kept, --resume goes on with them") from None
        if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            raise InputError(f"{path}: cannot be written ({error})") from None
        raise _Damaged(f"{path}: a damaged journal ({error}); --force starts anew") from None


def _body(entry: Entry) -> str:
    assert entry.differential is not None
    if entry.same_as is not None:
        return json.dumps(entry.differential.case_id)
    return differential_body(entry.differential)


def differential_body(differential: Differential) -> str:
    """A differential as the journal keeps it: all but the model, what it wrote word for word, and the time it took."""
    diagnoses = [list(vars(d).values()) for d in differential.diagnoses]
    return json.dumps([*(getattr(differential, name) for name in _KEPT), diagnoses], separators=(",", ":"))


def read_body(body: str, model: Mapping[str, Any]) -> Differential:
    """What `differential_body` wrote, of this model."""
    *values, diagnoses = json.loads(body)
    rows = tuple(Diagnosis(*_tuples(row)) for row in diagnoses)
    return Differential(diagnoses=rows, model=model, **dict(zip(_KEPT, _tuples(values), strict=True)))


def _tuples(values: list[Any]) -> list[Any]:
    """JSON has lists where the fields have tuples."""
    return [tuple(v) if isinstance(v, list) else v for v in values]
