"""What is done about the site's calibrator is logged in the same transaction, and a later change of the entry shows."""

from __future__ import annotations

import json
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest
from kept_reviews import SECRETS, review, tamper

from ddx.errors import InputError
from ddx.store import Saved, Store, verify

NOW = {"site_calibrator/now/2": "ab" * 32, "site_calibrator/before/1": "cd" * 32}


def test_a_switch_is_an_entry_with_who_what_and_what_was_before(store: Store) -> None:
    store.save(review())
    head = store.head()[1]
    entry = store.note("dr a", "calibrator put into use", lambda: NOW)
    assert (entry.actor, entry.action, entry.subject, dict(entry.rows), entry.previous) == (
        "dr a", "calibrator put into use", "site_calibrator", NOW, head
    )  # fmt: skip
    assert store.entries("site_calibrator") == (entry,)
    assert store.head()[1] == entry.hash
    assert store.verify(head).intact
    assert not any(word in json.dumps(vars(entry), default=dict) for word in SECRETS)


def test_a_later_change_of_the_entry_shows(where: str) -> None:
    with Store.open(where) as store:
        store.note("dr a", "calibrator rolled back", lambda: NOW)
        store.save(review())
    assert verify(where).intact
    tamper(where, "UPDATE log SET rows = replace(rows, 'now/2', 'now/3') WHERE subject = 'site_calibrator'")
    assert [str(one) for one in verify(where).problems] == ["log/2: changed: its hash is not that of its content"]


def test_what_was_refused_leaves_no_entry(store: Store) -> None:
    def act() -> dict[str, str | None]:
        raise InputError("not shown to be better")

    with pytest.raises(InputError, match="not shown"):
        store.note("dr a", "calibrator put into use", act)
    done: list[str] = []
    with pytest.raises(InputError, match="actor must be"):
        store.note("dr\na", "calibrator made", lambda: done.append("made") or {})  # type: ignore[func-returns-value]
    assert done == [] and store.entries("site_calibrator") == ()
    assert store.verify().intact


def test_a_phi_store_logs_it_too(where: str) -> None:
    with Store.open(where, phi=True) as store:
        store.note("dr a", "calibrator switched off", lambda: {"site_calibrator/now/none": None})
        assert store.entries("site_calibrator")[0].rows == {"site_calibrator/now/none": None}
    assert verify(where).intact


def test_nobody_else_writes_between_the_act_and_its_entry(where: str) -> None:
    """What was before is read and replaced without another switch between the two."""
    with Store.open(where) as store, Store.open(where) as other, ThreadPoolExecutor(1) as pool:
        saving: list[Future[Saved]] = []

        def act() -> dict[str, str | None]:
            saving.append(pool.submit(other.save, review()))
            wait(saving, 0.5)
            return NOW

        entry = store.note("dr a", "calibrator put into use", act)
        assert saving[0].result().sequence == entry.sequence + 1
        assert store.verify().intact
