"""Per-case metrics: small cases worked by hand, and properties that must hold for any list."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddx.metrics.per_case import (
    EMPTY,
    UNMATCHED,
    Batch,
    brier_items,
    brier_list,
    distinct_gold_at,
    first_mention,
    gold_hits,
    hits,
    log_loss,
    outcome,
    pass_at,
    recall_at,
    reciprocal_rank,
    set_confidence,
    set_hit,
    unique_listed,
)


def batch() -> Batch:
    return Batch(
        codes=[[3, 3, 5, EMPTY], [UNMATCHED, 7, 1, 2], [0, 1, 2, 3], [EMPTY] * 4],
        conf=[[0.5, 0.2, 0.1, 0.0], [0.4, 0.3, 0.2, 0.1], [0.7, 0.1, 0.1, 0.1], [0.0] * 4],
        truth=[3, 1, 0, 4],
        gold=[{3, 5, 9}, {1, -3}, {0, 1, 2, 3}, {4}],
        valid=[True, True, False, True],
    )


def test_by_hand() -> None:
    b = batch()
    assert first_mention(b.codes).tolist()[0] == [True, False, True, False]
    assert pass_at(b, 1).tolist() == [1, 0, 0, 0]
    assert pass_at(b, 3).tolist() == [1, 1, 0, 0]
    assert distinct_gold_at(b, 4).tolist() == [2, 1, 0, 0]
    assert recall_at(b, 4).tolist() == [2 / 3, 0.5, 0, 0]
    assert reciprocal_rank(b).tolist() == [1, pytest.approx(1 / 3), 0, 0]
    assert outcome(b).tolist() == [0, 2, 4, 4]
    assert set_hit(b).tolist() == [1, 1, 0, 0]
    assert set_confidence(b) == pytest.approx([0.8, 1, 1, 0])
    assert unique_listed(b).tolist() == [2, 4, 0, 0]
    # the repeat of the pathology is a wrong answer with its own confidence
    assert brier_list(b) == pytest.approx([0.25 + 0.04 + 0.01 + 0.04, 0.16 + 0.09 + 0.64 + 0.01, 2, 0])
    assert brier_items(b)[0][:3] == pytest.approx([0.25, 0.04, 0.01])
    assert np.isnan(brier_items(b)[3]).all() and (brier_items(b)[2] == 1).all()
    assert log_loss(b)[:2] == pytest.approx([-np.log(0.5), -np.log(0.2)])
    assert log_loss(b)[2] == pytest.approx(-np.log(1e-6)) and log_loss(b)[3] == 0


def test_unmatched_never_counts() -> None:
    b = Batch([[-2, -3, EMPTY]], [[0.5, 0.2, 0]], [-2], [{-2, -3}], [True])
    assert not hits(b).any() and not gold_hits(b).any()
    assert recall_at(b, 3).tolist() == [0] and b.gold_size.tolist() == [2]


def test_take_keeps_the_size_of_gold() -> None:
    part = batch().take(np.array([False, True, False, True]))
    assert recall_at(part, 4).tolist() == [0.5, 0] and part.gold_size.tolist() == [2, 1]


def test_empty_gold_is_undefined() -> None:
    assert np.isnan(recall_at(Batch([[1]], [[0.5]], [1], [set()], [True]), 1))[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conf": [[0.5, 1.2]]}, "within 0 and 1"),
        ({"conf": [[0.5, np.nan]]}, "within 0 and 1"),
        ({"codes": [[1, EMPTY]]}, "empty slot"),
        ({"truth": [1, 2]}, "each of the 1 cases"),
        ({"conf": [[0.5]]}, r"\[n, K\]"),
    ],
)
def test_bad_input(change: dict, message: str) -> None:
    good = {"codes": [[1, 2]], "conf": [[0.5, 0.2]], "truth": [1], "gold": [{1}], "valid": [True]}
    with pytest.raises(ValueError, match=message):
        Batch(**(good | change))


def test_a_sum_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match="above 1"):
        brier_list(Batch([[1, 2]], [[0.9, 0.9]], [1], [{1}], [True]))


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    n, slots = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    codes = rng.integers(-4, 8, (n, slots))
    conf = np.where(codes == EMPTY, 0, rng.dirichlet(np.ones(slots + 1), n)[:, :slots])
    gold = [frozenset(rng.integers(-3, 10, rng.integers(0, 5)).tolist()) for _ in range(n)]
    return Batch(codes, conf, rng.integers(-2, 10, n), gold, rng.random(n) < 0.8)


@settings(max_examples=60, deadline=None)
@given(batches(), st.integers(1, 8))
def test_bounds(b: Batch, k: int) -> None:
    assert hits(b).sum(axis=1).max() <= 1
    assert (distinct_gold_at(b, k) <= np.minimum(k, b.gold_size)).all()
    recall = recall_at(b, k)
    assert ((recall >= 0) & (recall <= 1) | np.isnan(recall)).all()
    score = brier_list(b)
    assert ((score >= 0) & (score <= 2 + 1e-9)).all()
    assert (pass_at(b, k + 1) >= pass_at(b, k)).all()
    rank = reciprocal_rank(b)
    assert ((rank > 0) == set_hit(b).astype(bool)).all() and (rank <= 1).all()


@settings(max_examples=40, deadline=None)
@given(batches(), st.randoms(use_true_random=False))
def test_order_of_cases_and_names_of_conditions_do_not_matter(b: Batch, random) -> None:
    order = list(range(len(b)))
    random.shuffle(order)
    moved = b.take(np.array(order))
    for metric in (brier_list, reciprocal_rank, lambda x: distinct_gold_at(x, 3), lambda x: pass_at(x, 2)):
        assert np.array_equal(metric(moved), metric(b)[order])
    names = np.array(random.sample(range(20), 20))  # any renaming of the conditions
    renamed_gold = np.zeros((len(b), 20), dtype=bool)
    for case, row in enumerate(b.gold_matrix):
        renamed_gold[case, names[np.flatnonzero(row)]] = True

    def rename(codes: np.ndarray) -> np.ndarray:
        return np.where(codes >= 0, names[np.maximum(codes, 0)], codes)

    renamed = Batch(rename(b.codes), b.conf, rename(b.truth), renamed_gold, b.valid)
    assert np.array_equal(distinct_gold_at(renamed, 3), distinct_gold_at(b, 3))
    assert np.array_equal(brier_list(renamed), brier_list(b))


def test_brier_list_is_proper() -> None:
    """With outcomes drawn from p, stating p scores better than stating a distortion of p."""
    rng = np.random.default_rng(0)
    p = np.tile([0.5, 0.3, 0.1], (20_000, 1))
    truth = (rng.random((20_000, 1)) >= np.cumsum(p[:1], axis=1)).sum(axis=1)
    codes = np.tile([0, 1, 2], (20_000, 1))
    gold = np.ones((20_000, 3), dtype=bool)

    def score(q: np.ndarray) -> float:
        return float(brier_list(Batch(codes, q, truth, gold, np.ones(20_000, dtype=bool))).mean())

    sharper = p**2 / (p**2).sum(axis=1, keepdims=True)
    assert score(p) < min(score(sharper), score(p * 0.7))
