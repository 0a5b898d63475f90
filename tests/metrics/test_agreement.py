"""Agreement of two lists: values worked by hand, and properties that hold for any two lists."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddx.metrics.agreement import confidence_in, confidence_shift, jaccard_at, rank_biased_overlap, top1_flip
from ddx.metrics.per_case import EMPTY, UNMATCHED


def codes(*lists: list[int], width: int = 5) -> np.ndarray:
    return np.array([row + [EMPTY] * (width - len(row)) for row in lists])


def test_jaccard_by_hand() -> None:
    a, b = codes([1, 2, 3], [1, 1, 2], [UNMATCHED], [], []), codes([1, 4, 2], [2], [UNMATCHED], [5], [])
    assert jaccard_at(a, b, 1).tolist()[:4] == [1, 0, 1, 0]
    assert jaccard_at(a, b, 3).tolist()[:4] == [0.5, 0.5, 1, 0]
    assert np.isnan(jaccard_at(a, b, 3)[4])


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1, 2, 3, 4, 5], [1, 2, 3, 4, 5], 1.0),
        ([1, 2, 3], [4, 5, 6], 0.0),
        # X = 0, 2, 3: (.1/.9)(.81 + .729) + .729
        ([1, 2, 3], [2, 1, 3], 0.1 / 0.9 * (0.81 + 0.729) + 0.729),
        # X = 1, 1, 2: (.1/.9)(.9 + ½·.81 + ⅔·.729) + ⅔·.729
        ([1, 2, 3], [1, 4, 2], 0.1 / 0.9 * (0.9 + 0.405 + 0.486) + 0.486),
        # lengths 1 and 3, X = 0, 1, 1; what the short list would go on to share is X_s = 0
        ([2], [1, 2, 3], 0.1 / 0.9 * (0.405 + 0.243) + (1 / 3) * 0.729),
        # lengths 2 and 4, X = 1, 1, 2, 2 and X_s = 1: Σ X_d/d p^d = .9 + .405 + .486 + .32805,
        # Σ X_s (d−s)/(s d) p^d = (1/6)·.729 + (2/8)·.6561, tail (1/4 + 1/2)·.6561
        ([1, 3], [1, 2, 3, 4], 0.1 / 0.9 * (2.11905 + 0.1215 + 0.164025) + 0.75 * 0.6561),
        ([1], [1, 2, 3], 1.0),  # one list begins the other
        ([], [1], 0.0),
    ],
)
def test_rank_biased_overlap_by_hand(a: list[int], b: list[int], expected: float) -> None:
    assert rank_biased_overlap(codes(a), codes(b))[0] == pytest.approx(expected, abs=1e-12)
    assert rank_biased_overlap(codes(b, width=7), codes(a))[0] == pytest.approx(expected, abs=1e-12)


def test_nothing_to_compare() -> None:
    empty = codes([])
    for metric in (rank_biased_overlap, top1_flip, lambda a, b: jaccard_at(a, b, 3)):
        assert np.isnan(metric(empty, empty)).all()
    assert top1_flip(empty, codes([1])).tolist() == [1]
    none = np.zeros((1, 5))
    assert np.isnan(confidence_shift(empty, none, codes([1]), none)).all()


def test_confidence_of_the_first_diagnosis() -> None:
    a, b = codes([1, 2], [1, 2], [1, 2], width=2), codes([2, 1], [3, 2], [], width=2)
    conf_a = np.array([[0.7, 0.2]] * 3)
    conf_b = np.array([[0.5, 0.4], [0.9, 0.1], [0.0, 0.0]])
    assert confidence_shift(a, conf_a, b, conf_b) == pytest.approx([-0.3, -0.7, -0.7])
    assert confidence_in(codes([4, 4], width=2), np.array([[0.6, 0.3]]), np.array([4])).tolist() == [0.6]


def test_bad_parameters() -> None:
    a = codes([1])
    with pytest.raises(ValueError, match="p must lie"):
        rank_biased_overlap(a, a, p=1.0)
    with pytest.raises(ValueError, match="at least 1"):
        jaccard_at(a, a, 0)


lists = st.lists(st.integers(-4, 6), min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(lists, lists, st.floats(0.05, 0.95), st.permutations(range(20)))
def test_properties(a: list[int], b: list[int], p: float, names: list[int]) -> None:
    x, y = np.array([a]), np.array([b])
    rbo, jaccard = rank_biased_overlap(x, y, p), jaccard_at(x, y, 6)
    if np.isnan(rbo[0]):
        assert (x == EMPTY).all() and (y == EMPTY).all() and np.isnan(jaccard[0])
        return
    assert -1e-12 <= rbo[0] <= 1 + 1e-12 and 0 <= jaccard[0] <= 1
    assert rank_biased_overlap(y, x, p) == pytest.approx(rbo) and jaccard_at(y, x, 6) == pytest.approx(jaccard)
    assert (rbo[0] > 1e-12) == (jaccard[0] > 0)
    renamed = [np.where(z >= 0, np.array(names)[np.maximum(z, 0)], z) for z in (x, y)]
    assert rank_biased_overlap(*renamed, p) == pytest.approx(rbo)
    if (x != EMPTY).any():
        assert rank_biased_overlap(x, x, p)[0] == pytest.approx(1)
