"""What a clinician does to a list, and what the store then has."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from app.parts import records
from app.parts.downloads import _made as made
from app.parts.evidence_view import words_of
from app.parts.state import Open
from ddx.case import Case
from ddx.differential import Diagnosis, Differential
from ddx.errors import InputError
from ddx.explain.effects import Change, Effect, Evidence
from ddx.review import Kept, Review
from ddx.store import Store

CASE = Case("c1", 40.0, "F", text="chest pain")
LIST = Differential(
    "c1",
    (
        Diagnosis(1, "Pericarditis", 0.5, "pericarditis", "I30", 3),
        Diagnosis(2, "Pulmonary embolism", 0.3, "pulmonary_embolism", "I26", 1),
        Diagnosis(3, "Some syndrome", 0.1),
    ),
)


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setenv("DDX_STORE", str(tmp_path / "reviews.sqlite"))
    records.store.clear()
    found = Open(Review("r1", CASE, "dr a", ()))
    found.show(LIST, 1.5)
    return found


def names(opened: Open) -> list[str]:
    return [line.name for line in opened.review.kept]


def test_the_list_starts_as_the_models_and_knows_when_it_no_longer_is(opened: Open) -> None:
    assert opened.untouched and names(opened) == ["Pericarditis", "Pulmonary embolism", "Some syndrome"]
    opened.move(1, -1)
    assert not opened.untouched and names(opened)[0] == "Pulmonary embolism"
    opened.move(0, 1)
    assert opened.untouched
    opened.move(0, -1)
    assert opened.untouched, "the first can't go higher"


def test_what_is_struck_can_come_back_and_keeps_its_reason(opened: Open) -> None:
    opened.strike(0)
    opened.give_reason(0, "no rub")
    assert names(opened) == ["Pulmonary embolism", "Some syndrome"]
    assert (opened.review.struck[0].name, opened.review.struck[0].reason) == ("Pericarditis", "no rub")
    opened.bring_back(0)
    assert names(opened)[-1] == "Pericarditis" and not opened.review.struck and not opened.untouched


def test_what_was_added_goes_without_a_trace_and_never_twice(opened: Open) -> None:
    for _ in range(2):
        opened.add(Kept("Gout", "clinician", "gout", "M10"))
    assert names(opened).count("Gout") == 1
    opened.strike(3)
    assert opened.untouched, "one's own addition, taken back, is no change"


def test_every_save_is_in_the_store_and_a_decision_stands_on_a_reason(opened: Open) -> None:
    assert records.save(opened) and opened.version == 1
    opened.strike(0)
    with pytest.raises(InputError, match="needs a reason"):
        opened.change(decision="overridden")
    opened.change(decision="overridden", reason="no rub")
    assert records.save(opened)
    with Store.open(records.where(), create=False) as store:
        stored = store.get("r1")
        assert stored.review == opened.review and stored.version == 2
        assert store.verify().intact
        assert [d.decision for d in store.decisions("r1")] == ["overridden"]


def test_the_log_names_who_is_signed_in_also_at_a_review_that_another_began(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert records.save(opened)
    monkeypatch.setattr(records, "signed_in", lambda: "eve@example.org")
    opened.change(notes="seen again")
    assert records.save(opened)
    with Store.open(records.where(), create=False) as store:
        assert [entry.actor for entry in store.entries("r1")] == ["eve@example.org", "dr a"]
        assert store.get("r1").review.reviewer == "dr a"
        assert store.verify().intact


def test_a_window_that_was_overtaken_is_told_so_and_loses_nothing_of_the_other(opened: Open) -> None:
    assert records.save(opened)
    other = Open(opened.review, version=opened.version, differential=LIST)
    opened.change(notes="first window")
    other.change(notes="second window")
    assert records.save(opened) and not records.save(other)
    assert other.problem.startswith("Not saved: ") and "\n" not in other.problem
    with Store.open(records.where(), create=False) as store:
        assert store.get("r1").review.notes == "first window"


def test_a_page_to_take_along_says_what_spoke_for_each_diagnosis(opened: Open) -> None:
    parts = {"the pain is worse on lying down": 1.5, "it comes with exertion": -0.8, "seen today": 0.01}
    effects = [Effect(Change(CASE, text), {"pericarditis": w, "Some syndrome": math.nan}) for text, w in parts.items()]
    opened.evidence = Evidence(replace(LIST, diagnoses=(LIST.diagnoses[0], LIST.diagnoses[2])), tuple(effects))
    assert words_of(opened.evidence)["pericarditis"] == {
        "for": ["the pain is worse on lying down"], "against": ["it comes with exertion"],
    }  # fmt: skip
    page = made(opened, "html")
    assert isinstance(page, str) and "lying down" in page and "exertion" in page and "seen today" not in page
    opened.evidence = None
    assert "lying down" not in str(made(opened, "html"))
