"""PHI mode: of what was written about a case, only hashes are stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from kept_reviews import CASE, MODEL, SECRETS, review, tamper
from sqlalchemy import create_engine, text

from ddx.store import Conflict, Store, StoreError, verify
from ddx.store.database import read_url
from ddx.store.hashing import canonical, sha256


def everything(where: str) -> str:
    """Every value in every table."""
    engine = create_engine(read_url(where))
    with engine.connect() as connection:
        tables = [connection.execute(text(f"SELECT * FROM {name}")).all() for name in
                  ("reviews", "outputs", "decisions", "settings", "log")]  # fmt: skip
    engine.dispose()
    return str(tables)


def test_no_word_of_a_case_is_stored(where: str) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)  # a time such as 12:00:43.5 would look like the age
    with Store.open(where, phi=True, clock=lambda: noon) as store:
        version = store.save(review("r1")).version
        version = store.save(review("r1", notes="quaggafever and more"), version).version
        store.save(review("r1", "overridden"), version, seconds=2.5)
        held = everything(where)
        if "://" not in where:  # while it is open: the write-ahead log is beside the file
            held += "".join(p.read_bytes().decode("latin-1") for p in Path(where).parent.iterdir())
        for word in (*SECRETS, "43.5", "pericarditis", "Pericarditis", "I30", "0.6"):
            assert word not in held, word
        # An unsalted hash of a short text could be guessed.
        for value in (CASE.text, CASE.case_id, canonical(CASE.to_dict()), canonical(review().to_dict())):
            assert sha256(value) not in held
        [row] = store.list_reviews()
        assert (row.decision, row.reviewer, row.version, row.kept) == ("overridden", "dr a", 3, 2)
        assert (row.case_id, row.age, row.sex, row.first) == (None, None, None, None)
        assert [d.decision for d in store.decisions("r1")] == ["overridden"]
    assert MODEL["prompt_sha256"] in held  # what the answer was made with stays
    assert verify(where).intact


def test_what_phi_mode_does_not_keep_it_refuses_to_give(where: str) -> None:
    with Store.open(where, phi=True) as store:
        store.save(review("r1", "accepted"))
        head = store.head()
        calls: list[Callable[[], object]] = [
            lambda: store.get("r1"),
            lambda: store.export("clerk", review_id="r1"),
            lambda: store.export("clerk", case_id=CASE.case_id),
            lambda: store.erase("clerk", case_id=CASE.case_id),
            store.reviewed,
        ]
        for call in calls:
            with pytest.raises(StoreError, match="PHI mode"):
                call()
        assert store.head() == head
        assert store.erase("clerk", review_id="r1") == ("r1",)
        assert store.verify().intact


def test_saving_works_as_without_it(where: str) -> None:
    with Store.open(where, phi=True) as store:
        saved = store.save(review())
        assert store.save(review(), saved.version) == saved
        assert store.save(review(notes="other"), saved.version).version == 2
        with pytest.raises(Conflict):
            store.save(review(notes="third"), saved.version)


@pytest.mark.parametrize("phi", [True, False])
def test_a_case_at_hand_is_recognised(where: str, phi: bool) -> None:
    whole_years = replace(CASE, age=43)
    with Store.open(where, phi=phi) as store:
        store.save(review(case=whole_years))
        assert store.is_case("r1", whole_years)
        assert store.is_case("r1", replace(CASE, age=43.0))
        assert not store.is_case("r1", replace(whole_years, text=CASE.text + "."))
        with pytest.raises(StoreError, match="no review"):
            store.is_case("r2", CASE)


def test_the_mode_is_kept_with_the_store(where: str) -> None:
    Store.open(where, phi=True).close()
    with Store.open(where) as store:
        assert store.phi
    with pytest.raises(StoreError, match="was made with PHI mode; open another store to work without it"):
        Store.open(where, phi=False)


def test_a_store_with_cases_is_not_turned_to_phi_mode(where: str) -> None:
    Store.open(where).close()
    with pytest.raises(StoreError, match="was made without PHI mode"):
        Store.open(where, phi=True)


def test_a_changed_hash_or_mode_is_noticed(where: str) -> None:
    with Store.open(where, phi=True) as store:
        store.save(review())
    tamper(where, "UPDATE reviews SET case_sha256 = content_sha256", "UPDATE settings SET value = 'off'")
    assert [(p.table, p.row) for p in verify(where).problems] == [("reviews", "r1"), ("settings", "phi")]
