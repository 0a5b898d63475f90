"""The bundled example cases: complete, distinct, and none that names its own answer."""

from collections import Counter

import pytest

from ddx.data.demo import DemoCase, demo_cases
from ddx.vocabulary import load_vocabulary, normalise

CASES = demo_cases()
VOCABULARY = load_vocabulary()
SETTINGS = {"emergency department", "clinic", "telephone", "ward"}


def test_two_cases_for_every_condition_and_six_outside() -> None:
    assert len(CASES) == 104
    inside = Counter(VOCABULARY.from_ddxplus(d.pathology).key for d in CASES if d.in_vocabulary)
    assert inside == {c.key: 2 for c in VOCABULARY}
    outside = [d.pathology for d in CASES if not d.in_vocabulary]
    assert len(outside) == len(set(outside)) == 6
    known = {normalise(label) for c in VOCABULARY for label in c.labels}
    assert not known & {normalise(name) for name in outside}


def test_nothing_occurs_twice() -> None:
    for values in ([d.case.case_id for d in CASES], [d.title for d in CASES], [d.case.text for d in CASES]):
        assert len(values) == len(set(values))
    assert [d.case.case_id for d in CASES] == [f"demo-{n:03d}" for n in range(1, len(CASES) + 1)]


def test_the_first_eight_are_varied() -> None:
    first = CASES[:8]
    assert len({d.pathology for d in first}) == 8
    assert {d.setting for d in first} == SETTINGS
    assert not all(d.in_vocabulary for d in first)


@pytest.mark.parametrize("demo", CASES, ids=lambda d: d.case.case_id)
def test_every_case_is_sound(demo: DemoCase) -> None:
    assert demo.case.age is not None and demo.case.sex is not None and not demo.case.findings
    assert 50 <= len(demo.case.text.split()) <= 130
    assert 3 <= len(demo.title.split()) <= 7
    assert demo.setting in SETTINGS


@pytest.mark.parametrize("demo", CASES, ids=lambda d: d.case.case_id)
def test_no_case_names_its_own_condition(demo: DemoCase) -> None:
    names = [demo.pathology]
    if demo.in_vocabulary:
        names += VOCABULARY.from_ddxplus(demo.pathology).labels
    shown = f" {normalise(demo.title)} | {normalise(demo.case.text)} "
    assert [n for n in names if f" {normalise(n)} " in shown] == []


def test_callers_cannot_change_the_bundle() -> None:
    demo_cases().clear()
    assert len(demo_cases()) == 104
