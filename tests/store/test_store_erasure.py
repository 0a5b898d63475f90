"""A case can be given out whole and erased for good; the log says so and still verifies."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kept_reviews import CASE, LIST, SECRETS, review
from sqlalchemy import create_engine, select

from ddx.errors import InputError
from ddx.review import Review
from ddx.store import Store, StoreError
from ddx.store.database import read_url
from ddx.store.schema import decisions, outputs, reviews

LATER = replace(CASE, case_id="c2", text="cough")


def fill(store: Store) -> None:
    """Two reviews of one case, decided, and one of another."""
    store.save(review("r1", "overridden"))
    store.save(review("r2", "accepted", "dr b"))
    store.save(review("r3", own=None, notes="", case=LATER, differential=None, kept=()))


def test_an_export_has_all_that_is_stored(store: Store) -> None:
    fill(store)
    export = store.export("clerk", case_id=CASE.case_id)
    assert json.loads(json.dumps(export)) == export
    assert [one["review_id"] for one in export["reviews"]] == ["r1", "r2"]
    first = export["reviews"][0]
    [output], [decision] = first["outputs"], first["decisions"]
    assert output["content"] == LIST
    assert decision["content"]["reason"] == "okapirash"
    whole = {**first["content"], "differential": output["content"]}
    assert Review.from_dict(whole) == review("r1", "overridden")
    assert [(e["actor"], e["action"]) for e in first["log"]] == [("dr a", "decided"), ("clerk", "exported")]
    assert "salt" not in json.dumps(export)
    assert store.verify().intact


def test_nothing_of_an_erased_case_is_left_but_hashes(where: str) -> None:
    with Store.open(where) as store:
        fill(store)
        assert store.erase("clerk", case_id=CASE.case_id) == ("r1", "r2")
        assert [row.review_id for row in store.list_reviews()] == ["r3"]
        with pytest.raises(StoreError, match="no review 'r1'"):
            store.get("r1")
        erased = store.entries("r1")[0]
        assert (erased.action, erased.actor, set(erased.rows.values())) == ("erased", "clerk", {None})
        assert len(erased.rows) == 3
        assert store.verify().intact
        head = store.head()[1]
        if "://" not in where:  # while it is open: the write-ahead log is beside the file
            held = b"".join(p.read_bytes() for p in Path(where).parent.iterdir())
            assert not [word for word in SECRETS if word.encode() in held]
            assert b"cough" in held  # of the case that stays
    engine = create_engine(read_url(where))
    with engine.connect() as connection:
        for table in (reviews, outputs, decisions):
            assert set(connection.execute(select(table.c.review_id)).scalars()) <= {"r3"}
    engine.dispose()
    with Store.open(where) as store:
        assert store.verify(head).intact


def test_the_hashes_that_stay_can_not_be_guessed(tmp_path: Path) -> None:
    """The same review, stored again at the same moment, has another hash: it is salted."""
    moment, hashes = datetime(2026, 3, 1, tzinfo=UTC), set()
    for n in range(2):
        with Store.open(tmp_path / f"{n}.db", phi=bool(n), clock=lambda: moment) as other:
            other.save(review(differential=None, kept=()))
            other.erase("clerk", review_id="r1")
            other.save(review(differential=None, kept=()))
            hashes |= {entry.rows["reviews/r1"] for entry in other.entries("r1") if entry.action == "saved"}
    assert len(hashes) == 4


def test_a_word_that_was_written_over_is_gone_too(tmp_path: Path) -> None:
    with Store.open(tmp_path / "s.db") as store:
        version = store.save(review(notes="quaggafever " * 500)).version
        store.save(review(notes="short"), version)
    assert b"quaggafever" not in (tmp_path / "s.db").read_bytes()


def test_erasing_or_exporting_nothing_is_refused(store: Store) -> None:
    fill(store)
    for act in (store.erase, store.export):
        with pytest.raises(StoreError, match="no case 'c9'"):
            act("clerk", case_id="c9")
        with pytest.raises(StoreError, match="no review 'r9'"):
            act("clerk", review_id="r9")
        for both in ({}, {"review_id": "r1", "case_id": "c1"}):
            with pytest.raises(InputError, match="one of the two"):
                act("clerk", **both)  # type: ignore[arg-type]
    assert len(store.list_reviews()) == 3


def test_retention_erases_what_was_not_touched_for_so_long(where: str) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with Store.open(where, clock=lambda: now) as store:
        version = store.save(review("old")).version
        store.save(review("touched"))
        now += timedelta(days=20)
        store.save(review("touched", notes="again"), version)
        store.save(review("new"))
        now += timedelta(days=10)
        assert store.apply_retention() == ()  # the store has no setting
        assert store.apply_retention(30) == ()  # exactly thirty days are not more than thirty
        now += timedelta(seconds=1)
        assert store.apply_retention(30, "cron") == ("old",)
        entry = store.entries("old")[0]
        assert (entry.action, entry.actor) == ("erased by retention", "cron")
        store.set_retention(5, "admin")
        store.set_retention(5, "admin")
        assert store.retention_days() == 5
        assert [e.action for e in store.entries("retention_days")] == ["settings"]
    with Store.open(where, clock=lambda: now) as store:
        assert set(store.apply_retention()) == {"touched", "new"}
        assert store.list_reviews() == ()
        store.set_retention(None, "admin")
        assert store.retention_days() is None
        assert store.verify().intact


@pytest.mark.parametrize("phi", [False, True])
def test_the_store_says_how_many_reviews_it_has_and_since_when_the_oldest_was_left_alone(where: str, phi: bool) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    with Store.open(where, phi=phi, clock=lambda: now) as store:
        assert store.extent() == (0, None)
        version = store.save(review("old")).version
        now += timedelta(days=1)
        store.save(review("newer"))
        assert store.extent() == (2, "2026-03-01T12:00:00.000000Z")
        now += timedelta(days=1)
        store.save(review("old", notes="again"), version)
        assert store.extent() == (2, "2026-03-02T12:00:00.000000Z")


@pytest.mark.parametrize("days", [0, -1, 1.5, 10**6])
def test_retention_is_a_number_of_days(store: Store, days: int) -> None:
    for act in (store.apply_retention, lambda d: store.set_retention(d, "admin")):
        with pytest.raises(InputError, match="whole number of days"):
            act(days)
