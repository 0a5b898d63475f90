"""What is saved is read again as it was, in one piece, and never over a newer version."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from kept_reviews import CASE, LIST, review

from ddx.case import Case
from ddx.errors import InputError
from ddx.review import Kept, Review, kept_from
from ddx.store import Conflict, Store, StoreError, chain


def test_a_review_is_read_again_as_it_was(store: Store) -> None:
    for one in (review("r1"), review("r2", "overridden"), Review("r3", Case(text="\x00 ünïcode \ud800 text"))):
        saved = store.save(one, seconds=1.25)
        found = store.get(one.review_id)
        assert (found.review, found.version, found.sequence) == (one, 1, saved.sequence)
        assert found.created_at == found.changed_at == saved.at
    with pytest.raises(StoreError, match="no review 'r9'"):
        store.get("r9")


def test_what_is_confirmed_is_there_for_the_next_program(where: str) -> None:
    with Store.open(where) as store:
        store.save(review())
        with Store.open(where) as other:
            assert other.get("r1").review == review()


def test_versions_count_up_and_saving_the_same_writes_nothing(store: Store) -> None:
    first = store.save(review())
    assert store.save(review(), first.version) == first
    second = store.save(review(notes="more"), first.version)
    assert (first.version, second.version) == (1, 2)
    assert second.sequence == first.sequence + 1 == store.head()[0]
    found = store.get("r1")
    assert found.created_at == first.at < found.changed_at


def test_a_newer_version_is_never_overwritten(store: Store) -> None:
    version = store.save(review()).version
    store.save(review(notes="the other window"), version)
    for stale in (version, 0):
        with pytest.raises(Conflict, match="changed in another window"):
            store.save(review(notes="this window"), stale)
    assert store.get("r1").review.notes == "the other window"
    store.erase("dr a", review_id="r1")
    with pytest.raises(Conflict, match="deleted meanwhile"):
        store.save(review(notes="this window"), version)
    assert store.verify().intact


def test_a_save_is_all_or_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before, head = store.save(review(differential=None, kept=())), store.head()

    def broken(*_: Any) -> None:
        raise RuntimeError("the last step fails")

    monkeypatch.setattr(chain, "append", broken)
    for one, version in ((review(decision="accepted"), before.version), (review("r2"), 0)):
        with pytest.raises(RuntimeError):
            store.save(one, version)
    monkeypatch.undo()
    assert store.head() == head
    assert store.get("r1").review.differential is None
    assert [row.review_id for row in store.list_reviews()] == ["r1"]
    assert store.decisions("r1") == ()
    assert store.verify().intact


def test_every_output_is_kept_and_none_twice(store: Store) -> None:
    other = {**LIST, "differential": LIST["differential"][:1]}
    version = store.save(review()).version
    for differential in (None, other, LIST, other):
        kept = () if differential is None else kept_from(differential)
        version = store.save(review(differential=differential, kept=kept), version).version
        assert store.get("r1").review.differential == differential
    [exported] = store.export("dr a", review_id="r1")["reviews"]
    assert sorted(len(output["content"]["differential"]) for output in exported["outputs"]) == [1, 2]
    assert {output["model_id"] for output in exported["outputs"]} == {"tests/model"}


def test_decisions_are_kept_with_what_they_rested_on(store: Store) -> None:
    kept = (Kept("Gout", "clinician"), *kept_from(LIST))
    version = 0
    for one in (
        review(), review(decision="accepted"), review(), review(kept=kept),
        review(decision="overridden", kept=kept), review(decision="overridden", kept=kept, notes="later"),
    ):  # fmt: skip
        version = store.save(one, version).version
    assert [(d.version, d.decision, d.kept, d.added) for d in store.decisions("r1")] == [
        (2, "accepted", 2, 0), (3, "open", 2, 0), (5, "overridden", 3, 1), (6, "overridden", 3, 1),
    ]  # fmt: skip
    assert [e.action for e in store.entries("r1")][::-1] == [
        "saved", "decided", "reopened", "saved", "decided", "decided",
    ]  # fmt: skip


def test_lists_are_newest_first_and_come_in_pages(store: Store) -> None:
    for n in range(5):
        store.save(review(f"r{n}", reviewer=f"dr {n % 2}", case=replace(CASE, case_id=f"c{n % 3}")))
    store.save(review("r1", "accepted", "dr 1", case=replace(CASE, case_id="c1")), 1)
    rows = store.list_reviews()
    assert [row.review_id for row in rows] == ["r1", "r4", "r3", "r2", "r0"]
    first = store.list_reviews(limit=2)
    assert first + store.list_reviews(limit=9, before=first[-1].sequence) == rows
    assert [row.review_id for row in store.list_reviews(reviewer="dr 1")] == ["r1", "r3"]
    assert [row.review_id for row in store.list_reviews(decision="open", case_id="c0")] == ["r3", "r0"]
    row = rows[0]
    assert (row.version, row.decision, row.case_id, row.age, row.sex) == (2, "accepted", "c1", 43.5, "F")
    assert (row.first, row.kept, row.struck, row.added) == ("Pericarditis", 2, 0, 0)


def test_decided_reviews_give_the_sites_own_figures(store: Store) -> None:
    gout = Kept("Gout", "clinician", "gout")
    store.save(review("open"))
    store.save(review("yes", "accepted"))
    version = store.save(review("no", "accepted")).version
    store.save(review("no", "overridden", kept=(gout, *kept_from(LIST)[::-1])), version)
    members = {**LIST, "semantics": "membership"}
    store.save(review("set", "overridden", kept=(gout, Kept("moaSyndrome", "clinician")), differential=members))
    yes, no, member = store.reviewed()
    assert (yes.review_id, yes.decision, yes.stage, yes.age, yes.sex) == ("yes", "accepted", "full", 43.5, "F")
    assert (yes.model_id, yes.semantics, yes.first_agrees) == ("tests/model", "pathology", True)
    assert yes.model == yes.kept == kept_from(LIST)
    assert yes.outcomes() == ((0.6, True), (0.2, False))
    assert (no.kept[0], no.first_agrees) == (gout, False)
    assert no.outcomes() == ((0.6, False), (0.2, False))
    assert member.outcomes() == ((0.6, False), (0.2, True))
    assert yes.decided_at < no.decided_at < member.decided_at


def test_threads_share_one_store(store: Store) -> None:
    def work(name: str) -> int:
        version = 0
        for n in range(5):
            version = store.save(review(name, notes=f"note {n}"), version).version
            assert store.get(name).review.notes == f"note {n}"
        return version

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, [f"r{n}" for n in range(8)])) == [5] * 8
    assert store.head()[0] == 1 + 8 * 5
    assert store.verify().intact


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"review_id": " "}, "needs an id"),
        ({"review_id": "a\nb"}, "review id must be"),
        ({"reviewer": "x" * 201}, "reviewer must be"),
        ({"case": Case("a\x00", text="x")}, "case id must be"),
        ({"meta": {"when": {1, 2}}}, "not storable"),
        ({"meta": {"x": float("nan")}}, "not storable"),
    ],
)
def test_what_cant_be_stored_is_refused_in_one_line(store: Store, change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        store.save(review(**change))
    assert "\n" not in str(caught.value)
    assert "zebracough" not in str(caught.value)
    assert store.list_reviews() == ()
