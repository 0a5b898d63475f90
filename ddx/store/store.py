"""The store: reviews as they change, what the model gave, and a log that shows whether anyone changed them since."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Table, func, select

from ddx.case import Case
from ddx.errors import InputError
from ddx.review import Decision, Review
from ddx.store import chain, export, rows, views
from ddx.store.chain import Action, CalibratorAction, Entry, stamp
from ddx.store.database import Database, read_url
from ddx.store.errors import Conflict, StoreError
from ddx.store.hashing import new_salt, row_hash
from ddx.store.schema import CHECKED, decisions, outputs, reviews, row_name, settings
from ddx.store.verify import Verification, check_store

__all__ = ["Saved", "Store"]

Hashes = dict[str, str | None]


@dataclass(frozen=True)
class Saved:
    """What was stored: the review's new version, which the next save must name, and the log entry about it."""

    review_id: str
    version: int
    sequence: int
    at: str


class Store:
    """Reviews in SQLite or PostgreSQL; open one with `Store.open`. Many threads and processes may use one.

    Whatever a method has returned from is on the disk. Every method raises StoreError in one line when the database
    can't be reached or has been busy for 30 seconds; its text holds no word of a case.
    """

    def __init__(self, database: Database, phi: bool, clock: Callable[[], datetime]) -> None:
        self._database, self._clock = database, clock
        self.phi, self.name = phi, database.name

    @classmethod
    def open(
        cls,
        where: str | Path,
        phi: bool | None = None,
        create: bool = True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Store:
        """Open a store, make it if it is not there (unless `create` is False), and bring its tables up to date.

        `where` is a file (SQLite) or an URL (`postgresql://USER:PASSWORD@HOST/DATABASE`). `phi` is decided when a store
        is made and kept with it: True stores hashes in the place of everything that was written about a case; None
        takes what the store has (off in a new one). `clock` gives the time, with its zone.

        Raises StoreError for a store of a newer ddx, for something else's database, and when `phi` is not what the
        store was made with.
        """
        database = Database(read_url(where), create=create)
        try:
            with database.reading() as connection:
                ready = database.check_version(connection) and _setting(connection, "phi") is not None
            if not ready:
                with database.writing() as connection:
                    cls._make(database, connection, bool(phi), create, stamp(clock()))
            with database.reading() as connection:
                kept = _setting(connection, "phi") == "on"
            if phi is not None and phi != kept:
                made, asked = ("with", "without") if kept else ("without", "with")
                raise StoreError(f"{database.name}: was made {made} PHI mode; open another store to work {asked} it")
        except BaseException:
            database.close()
            raise
        return cls(database, kept, clock)

    @staticmethod
    def _make(database: Database, connection: Connection, phi: bool, create: bool, at: str) -> None:
        if not database.check_version(connection):  # another process may have been first
            if not create and _is_empty(connection):
                raise StoreError(f"{database.name}: holds no store")
            database.migrate(connection)
        if _setting(connection, "phi") is None:
            hashes = _put_setting(connection, "phi", "on" if phi else "off")
            chain.append(connection, at, "", "created", "store", hashes)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the store can't be used afterwards."""
        self._database.close()

    # -- one review -----------------------------------------------------------------------------------------------

    def save(self, review: Review, version: int = 0, actor: str | None = None, seconds: float | None = None) -> Saved:
        """Store a review as it is now, its output if that is new, its decision if that changed, and a log entry: all of
        it or nothing.

        `version` is the one that was read or saved last, 0 for a review that was never stored. Saving what is stored
        already writes nothing. `actor` is who did it (the reviewer unless given), `seconds` how long the model took.

        Raises Conflict when the stored review is newer or gone; InputError for names that can't be stored.
        """
        actor = review.reviewer if actor is None else actor
        rows.check(review, actor)
        with self._database.writing() as connection:
            at, sequence = stamp(self._clock()), chain.last(connection)[0] + 1
            old = connection.execute(select(reviews).where(reviews.c.review_id == review.review_id)).first()
            _check_version(review.review_id, None if old is None else old.version, version)
            output_id, new_output = self._output(connection, review, at, seconds)
            salt = new_salt() if old is None else old.salt
            row = rows.review_row(review, salt, output_id, self.phi)
            if old is not None and all(getattr(old, name) == value for name, value in row.items()):
                return Saved(review.review_id, old.version, old.sequence, old.changed_at)
            created_at = at if old is None else old.created_at
            row |= {"version": version + 1, "sequence": sequence, "created_at": created_at, "changed_at": at}
            if old is None:
                connection.execute(reviews.insert().values(row))
            else:
                connection.execute(reviews.update().where(reviews.c.review_id == review.review_id).values(row))
            hashes: Hashes = {row_name(reviews, review.review_id): row_hash(row)}
            if new_output is not None:
                hashes |= _insert(connection, outputs, new_output)
            action: Action = "saved"
            before: Decision = "open" if old is None else old.decision
            if (before, review.decision) != ("open", "open"):
                decision = rows.decision_row(review, version + 1, output_id, at, self.phi)
                hashes |= _insert(connection, decisions, decision)
                action = "reopened" if review.decision == "open" else "decided"
            chain.append(connection, at, actor, action, review.review_id, hashes)
        return Saved(review.review_id, version + 1, sequence, at)

    def _output(
        self, connection: Connection, review: Review, at: str, seconds: float | None
    ) -> tuple[str | None, dict[str, Any] | None]:
        """The id of a review's output, and its row if it is not stored yet."""
        if review.differential is None:
            return None, None
        for row in connection.execute(select(outputs).where(outputs.c.review_id == review.review_id)):
            if rows.same_output(row, review.differential):
                return row.output_id, None
        output_id = uuid4().hex
        return output_id, rows.output_row(review, output_id, at, seconds, self.phi)

    def get(self, review_id: str) -> views.Stored:
        """A review as stored. Raises StoreError when there is none, and in PHI mode."""
        self._refuse_in_phi("no review can be read back")
        with self._database.reading() as connection:
            found = views.stored(connection, review_id)
        if found is None:
            raise StoreError(f"no review {review_id!r} in the store")
        return found

    def is_case(self, review_id: str, case: Case) -> bool:
        """Whether a case at hand is, to the letter, the one that a review is about. Works in PHI mode too.

        Raises StoreError when there is no such review.
        """
        with self._database.reading() as connection:
            row = connection.execute(select(reviews).where(reviews.c.review_id == review_id)).first()
        if row is None:
            raise StoreError(f"no review {review_id!r} in the store")
        if row.content is None:
            return bool(row.case_sha256 == rows.case_hash(row.salt, case))
        return bool(json.loads(row.content)["case"] == case.to_dict())

    # -- many reviews ---------------------------------------------------------------------------------------------

    def list_reviews(
        self,
        reviewer: str | None = None,
        decision: Decision | None = None,
        case_id: str | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> tuple[views.ReviewRow, ...]:
        """Reviews, last changed first; the next page is `before` the `sequence` of this one's last row."""
        wanted = {"reviewer": reviewer, "decision": decision, "case_id": case_id}
        with self._database.reading() as connection:
            return views.list_rows(connection, wanted, limit, before)

    def reviewed(self) -> tuple[views.Reviewed, ...]:
        """Every decided review, oldest decision first, for figures of the site's own. Raises StoreError in PHI mode."""
        self._refuse_in_phi("no figures can be drawn")
        with self._database.reading() as connection:
            return tuple(views.reviewed_rows(connection))

    def decisions(self, review_id: str) -> tuple[views.DecisionRow, ...]:
        """A review's decisions, oldest first; empty for a review that was never decided, or is not there."""
        with self._database.reading() as connection:
            return views.decisions_of(connection, review_id)

    # -- the log --------------------------------------------------------------------------------------------------

    def head(self) -> tuple[int, str]:
        """The newest log entry's sequence number and hash. Kept elsewhere, the hash shows later that none is gone."""
        with self._database.reading() as connection:
            return chain.last(connection)

    def entries(self, review_id: str | None = None, limit: int = 100, before: int | None = None) -> tuple[Entry, ...]:
        """Log entries, newest first, about one review or all; the next page is `before` the last one's `sequence`."""
        with self._database.reading() as connection:
            return tuple(chain.entries(connection, review_id, limit, before))

    def verify(self, head: str | None = None) -> Verification:
        """Recompute the log, and every row against it; see `ddx.store.verify.check_store`."""
        with self._database.reading() as connection:
            return check_store(connection, head)

    def note(self, actor: str, action: CalibratorAction, act: Callable[[], Mapping[str, str | None]]) -> Entry:
        """Do something about the site's calibrator, and log it. `act` is called while nobody else can write to the
        store; what it returns are the entry's `rows`. When it raises, nothing is logged.

        The calibrators lie outside the store: a caller takes back what `act` did when this raises afterwards.
        """
        rows.check_names({"actor": actor})
        with self._database.writing() as connection:
            return chain.append(connection, stamp(self._clock()), actor, action, "site_calibrator", act())

    # -- export, erasure, retention -------------------------------------------------------------------------------

    def export(self, actor: str, review_id: str | None = None, case_id: str | None = None) -> dict[str, Any]:
        """All that is stored about one review or one case, JSON-like; the log says that it was exported, and by whom.

        Raises StoreError when there is nothing, and in PHI mode.
        """
        self._refuse_in_phi("there is nothing to export")
        with self._database.writing() as connection:
            ids = self._ids(connection, review_id, case_id)
            at = stamp(self._clock())
            for one in ids:
                chain.append(connection, at, actor, "exported", one, {})
            return export.everything(connection, ids, at)

    def erase(self, actor: str, review_id: str | None = None, case_id: str | None = None) -> tuple[str, ...]:
        """Erase all that is stored about one review or one case but the log's hashes; the ids of the reviews.

        The log's hashes were salted with what is erased, so they tell nothing about the case any more. Backups made
        before still hold it. Raises StoreError when there is nothing, and for a case in PHI mode: no case ids are kept.
        """
        if case_id is not None:
            self._refuse_in_phi("cases are not known by their ids; erase by review")
        with self._database.writing() as connection:
            ids = self._ids(connection, review_id, case_id)
            self._erase(connection, ids, actor, "erased")
        self._forget()
        return ids

    def apply_retention(self, days: int | None = None, actor: str = "") -> tuple[str, ...]:
        """Erase the reviews whose last change is more than `days` old (at least 1); the ids of the erased.

        None takes the store's own setting, and erases nothing where there is none.
        """
        days = self.retention_days() if days is None else _days(days)
        if days is None:
            return ()
        limit = stamp(self._clock() - timedelta(days=days))
        with self._database.writing() as connection:
            old = select(reviews.c.review_id).where(reviews.c.changed_at < limit).order_by(reviews.c.sequence)
            ids = tuple(connection.execute(old).scalars())
            self._erase(connection, ids, actor, "erased by retention")
        if ids:
            self._forget()
        return ids

    def retention_days(self) -> int | None:
        """The store's own retention setting in days; None: keep for ever."""
        with self._database.reading() as connection:
            value = _setting(connection, "retention_days")
        return int(value) if value else None

    def extent(self) -> tuple[int, str | None]:
        """How many reviews there are, and when the one that was left alone the longest was last changed."""
        with self._database.reading() as connection:
            n, oldest = connection.execute(select(func.count(), func.min(reviews.c.changed_at))).one()
        return int(n), oldest

    def set_retention(self, days: int | None, actor: str) -> None:
        """Keep a retention setting with the store: days (at least 1; None: for ever). It erases nothing by itself."""
        value = "" if days is None else str(_days(days))
        with self._database.writing() as connection:
            if (_setting(connection, "retention_days") or "") != value:
                hashes = _put_setting(connection, "retention_days", value)
                chain.append(connection, stamp(self._clock()), actor, "settings", "retention_days", hashes)

    def _ids(self, connection: Connection, review_id: str | None, case_id: str | None) -> tuple[str, ...]:
        if (review_id is None) == (case_id is None):
            raise InputError("name one of the two: a review, or a case")
        column, value = (reviews.c.case_id, case_id) if review_id is None else (reviews.c.review_id, review_id)
        ids = tuple(connection.execute(select(reviews.c.review_id).where(column == value)).scalars())
        if not ids:
            raise StoreError(f"no {'case' if review_id is None else 'review'} {value!r} in the store")
        return ids

    def _erase(self, connection: Connection, ids: Iterable[str], actor: str, action: Action) -> None:
        at = stamp(self._clock())
        for one in ids:
            hashes: Hashes = {}
            for table in (decisions, outputs, reviews):
                key = table.c[CHECKED[table]]
                for gone in connection.execute(select(key).where(table.c.review_id == one)).scalars():
                    hashes[row_name(table, gone)] = None
                connection.execute(table.delete().where(table.c.review_id == one))
            chain.append(connection, at, actor, action, one, hashes)

    def _forget(self) -> None:
        """SQLite: what was erased still stands in the write-ahead log until that is emptied."""
        if self._database.path is not None:
            self._database.empty_wal()

    def _refuse_in_phi(self, what: str) -> None:
        if self.phi:
            raise StoreError(f"{self.name}: in PHI mode only hashes are stored: {what}")


def _check_version(review_id: str, stored: int | None, given: int) -> None:
    if stored is None and given:
        raise Conflict(f"review {review_id} was deleted meanwhile; nothing was saved")
    if stored is not None and stored != given:
        raise Conflict(
            f"review {review_id} was changed in another window (version {stored}, yours is {given}); "
            "load it again, nothing was saved"
        )


def _days(days: int) -> int:
    if not isinstance(days, int) or not 1 <= days <= 36_500:
        raise InputError(f"retention is a whole number of days from 1 to 36500, not {days!r}")
    return days


def _is_empty(connection: Connection) -> bool:
    from sqlalchemy import inspect

    return not inspect(connection).get_table_names()


def _insert(connection: Connection, table: Table, row: dict[str, Any]) -> Hashes:
    connection.execute(table.insert().values(row))
    return {row_name(table, row[CHECKED[table]]): row_hash(row)}


def _setting(connection: Connection, name: str) -> str | None:
    return connection.execute(select(settings.c.value).where(settings.c.name == name)).scalar()


def _put_setting(connection: Connection, name: str, value: str) -> Hashes:
    connection.execute(settings.delete().where(settings.c.name == name))
    return _insert(connection, settings, {"name": name, "value": value})
