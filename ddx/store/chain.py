"""The append-only log: each entry carries the hash of the one before it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from sqlalchemy import Connection, select

from ddx.store.hashing import canonical, sha256
from ddx.store.schema import log

__all__ = [
    "EMPTY",
    "Action",
    "CalibratorAction",
    "Entry",
    "append",
    "entries",
    "entry_hash",
    "entry_of",
    "last",
    "stamp",
]

CalibratorAction = Literal[
    "calibrator made", "calibrator put into use", "calibrator switched off", "calibrator rolled back"
]  # fmt: skip
Action = Literal[
    "created", "saved", "decided", "reopened", "exported", "erased", "erased by retention", "settings", CalibratorAction
]  # fmt: skip
EMPTY = "0" * 64  # what the first entry names as the one before it


@dataclass(frozen=True)
class Entry:
    """One entry of the log.

    `rows`: the SHA-256 of each row that the action left behind, None for one that it erased; named "table/key". Of a
    `CalibratorAction` they are the versions "site_calibrator/made/N", or "…/now/N" and "…/before/N" (N may be "none").
    `previous` and `hash` are hexadecimal; `hash` is over everything else here, `previous` included.
    """

    sequence: int
    at: str
    actor: str
    action: Action
    subject: str
    rows: Mapping[str, str | None]
    previous: str
    hash: str = ""


def entry_hash(entry: Entry) -> str:
    """SHA-256 of the canonical JSON of an entry without its own hash."""
    content = asdict(entry)
    del content["hash"]
    return sha256(canonical(content))


def stamp(moment: datetime) -> str:
    """A time as the store writes it.

    >>> stamp(datetime(2026, 1, 31, 12, tzinfo=UTC))
    '2026-01-31T12:00:00.000000Z'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def last(connection: Connection) -> tuple[int, str]:
    """Sequence number and hash of the newest entry; (0, EMPTY) of an empty log."""
    row = connection.execute(select(log.c.sequence, log.c.hash).order_by(log.c.sequence.desc()).limit(1)).first()
    return (0, EMPTY) if row is None else (row.sequence, row.hash)


def append(
    connection: Connection, at: str, actor: str, action: Action, subject: str, rows: Mapping[str, str | None]
) -> Entry:
    """Add an entry. The caller holds the write lock, so that no other entry can take the same place."""
    sequence, previous = last(connection)
    bare = Entry(sequence + 1, at, actor, action, subject, rows, previous)
    values = {**asdict(bare), "rows": canonical(rows), "hash": entry_hash(bare)}
    connection.execute(log.insert().values(values))
    return Entry(**{**values, "rows": rows})


def entry_of(row: Any) -> Entry | None:
    """An entry from a row of the table; None when its `rows` are no JSON object, which the store never writes."""
    try:
        hashes = json.loads(row.rows)
    except (TypeError, ValueError):
        return None
    if not isinstance(hashes, dict):
        return None
    return Entry(row.sequence, row.at, row.actor, row.action, row.subject, hashes, row.previous, row.hash)


def entries(
    connection: Connection, subject: str | None = None, limit: int | None = None, before: int | None = None
) -> Iterator[Entry]:
    """Entries, newest first, about one subject or all."""
    query = select(log).order_by(log.c.sequence.desc())
    if subject is not None:
        query = query.where(log.c.subject == subject)
    if before is not None:
        query = query.where(log.c.sequence < before)
    if limit is not None:
        query = query.limit(limit)
    for row in connection.execute(query):
        entry = entry_of(row)
        if entry is not None:
            yield entry
