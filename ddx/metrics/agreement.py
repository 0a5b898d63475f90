"""How far two ranked lists of the same case agree, vectorised over cases: nothing here asks which one is right.

`a` and `b` are int [n, K] and [n, L]: a code for each listed condition, best first, `EMPTY` where nothing is listed.
Equal codes are the same diagnosis, so strings that match no condition need codes that both lists share. A repeat
within a list is ignored. Where both lists are empty there is nothing to compare: NaN.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ddx.metrics.per_case import EMPTY, first_mention

__all__ = ["confidence_in", "confidence_shift", "jaccard_at", "rank_biased_overlap", "top1_flip"]

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def jaccard_at(a: Ints, b: Ints, k: int) -> Floats:
    """|A ∩ B| / |A ∪ B| of the conditions among the first k (Jaccard 1912), in [0, 1]; NaN where both are empty.

    >>> jaccard_at(np.array([[1, 2, 3]]), np.array([[3, 1, 4]]), 3).tolist()       # {1, 3} of {1, 2, 3, 4}
    [0.5]
    """
    if k < 1:
        raise ValueError(f"k must be at least 1; got {k}")
    a, b = a[:, :k], b[:, :k]
    shared = _same(a, b).sum(axis=(1, 2))
    return _divide(shared, _length(a) + _length(b) - shared)


def rank_biased_overlap(a: Ints, b: Ints, p: float = 0.9) -> Floats:
    """Extrapolated rank-biased overlap of lists that may differ in length, in [0, 1]; NaN where both are empty.

    Webber, Moffat & Zobel 2010 (ACM TOIS 28(4):20), eq. 32, RBO_EXT: with s ≤ l the two lengths and X_d the overlap of
    the first d, (1−p)/p · [Σ_{d≤l} (X_d/d) p^d + Σ_{s<d≤l} X_s (d−s)/(s d) p^d] + [(X_l − X_s)/l + X_s/s] p^l. It takes
    the agreement seen so far to go on below the end of the lists, so that equal lists score 1 at any length. We set it
    to 0 where exactly one list is empty. p in (0, 1): the weight of a rank falls by this factor.

    >>> rank_biased_overlap(np.array([[1, 2]]), np.array([[2, 1]])).round(6).tolist()    # (.1/.9)·.81 + .81
    [0.9]
    """
    if not 0 < p < 1:
        raise ValueError(f"p must lie between 0 and 1; got {p}")
    lengths = np.stack([_length(a), _length(b)])
    short, long = lengths.min(axis=0), lengths.max(axis=0)
    wide = max(a.shape[1], b.shape[1])
    pairs = np.zeros((len(a), wide, wide))
    pairs[:, : a.shape[1], : b.shape[1]] = _same(_closed_up(a), _closed_up(b))
    overlap = np.diagonal(pairs.cumsum(axis=1).cumsum(axis=2), axis1=1, axis2=2)  # X_d at column d − 1
    rows, one = np.arange(len(a)), np.maximum(1, short)
    at_short, at_long = overlap[rows, one - 1], overlap[rows, np.maximum(1, long) - 1]
    d = np.arange(1, wide + 1)
    weight = np.where(d <= long[:, None], p**d, 0.0)
    beyond = np.maximum(0, d - short[:, None]) / (one[:, None] * d)
    seen = ((overlap / d + at_short[:, None] * beyond) * weight).sum(axis=1)
    tail = ((at_long - at_short) / np.maximum(1, long) + at_short / one) * p**long
    return np.where(long == 0, np.nan, np.where(short == 0, 0.0, (1 - p) / p * seen + tail))


def top1_flip(a: Ints, b: Ints) -> Floats:
    """1 where the first diagnosis differs (a list against an empty one, too), else 0; NaN where both are empty.

    >>> top1_flip(np.array([[1, 2], [1, 2]]), np.array([[1, 3], [2, 1]])).tolist()
    [0.0, 1.0]
    """
    first, second = a[:, 0], b[:, 0]
    return np.where((first == EMPTY) & (second == EMPTY), np.nan, (first != second).astype(np.float64))


def confidence_in(codes: Ints, conf: Floats, target: Ints) -> Floats:
    """The confidence [n] that a list gives to `target` [n]; 0 where it does not list it.

    >>> confidence_in(np.array([[4, 7], [4, 7]]), np.array([[.6, .3], [.6, .3]]), np.array([7, 9])).tolist()
    [0.3, 0.0]
    """
    there = (codes == target[:, None]) & first_mention(codes)
    return np.asarray((conf * there).sum(axis=1), dtype=np.float64)


def confidence_shift(a: Ints, conf_a: Floats, b: Ints, conf_b: Floats) -> Floats:
    """b's confidence minus a's in a's first diagnosis, in [−1, 1]; NaN where a lists nothing.

    >>> shift = confidence_shift(np.array([[4, 7]]), np.array([[.6, .3]]), np.array([[7, 4]]), np.array([[.5, .2]]))
    >>> shift.round(6).tolist()
    [-0.4]
    """
    first = a[:, 0]
    shift = confidence_in(b, conf_b, first) - confidence_in(a, conf_a, first)
    return np.where(first == EMPTY, np.nan, shift)


def _same(a: Ints, b: Ints) -> Bools:
    """[n, K, L]: slot i of a and slot j of b are the first to list the same diagnosis."""
    named = first_mention(a)[:, :, None] & first_mention(b)[:, None, :]
    same: Bools = (a[:, :, None] == b[:, None, :]) & named
    return same


def _closed_up(codes: Ints) -> Ints:
    """The lists without repeats and gaps, in their order."""
    first = first_mention(codes)
    order = np.argsort(~first, axis=1, kind="stable")
    return np.asarray(np.take_along_axis(np.where(first, codes, EMPTY), order, axis=1))


def _length(codes: Ints) -> Ints:
    return np.asarray(first_mention(codes).sum(axis=1), dtype=np.int64)


def _divide(top: Ints, bottom: Ints) -> Floats:
    nothing = np.full(len(top), np.nan)
    return np.asarray(np.divide(top, bottom, out=nothing, where=bottom != 0), dtype=np.float64)
