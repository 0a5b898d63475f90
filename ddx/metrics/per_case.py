"""Metrics of one case, vectorised over cases: every function takes a `Batch` and returns an array [n].

Shapes: n cases, K slots (ranks 1..K, best first), C conditions. A case that could not be read (`valid` false)
earns nothing and the worst calibration (q = 1 and y = 0 in every slot), as in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "EMPTY",
    "UNMATCHED",
    "Batch",
    "brier_items",
    "brier_list",
    "distinct_gold_at",
    "first_mention",
    "gold_hits",
    "hits",
    "log_loss",
    "outcome",
    "pass_at",
    "recall_at",
    "reciprocal_rank",
    "set_confidence",
    "set_hit",
    "unique_listed",
]

EMPTY = -1  # the code of a slot in which nothing was listed
UNMATCHED = -2  # this and every lower code: a string that matched no condition (one code per distinct string)

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Gold = Sequence[AbstractSet[int]] | Bools


@dataclass(frozen=True)
class Batch:
    """n differentials as arrays, in the order they were ranked.

    codes: int [n, K], index of each listed condition; `EMPTY`; `UNMATCHED` or lower.
    conf:  float [n, K] in [0, 1], 0 in empty slots.
    truth: int [n], index of the pathology; negative when it is known but outside the vocabulary (then nothing
           listed can be it). Leave out cases whose pathology nobody knows: they would count as wrong.
    gold:  n sets of condition indices, or a bool matrix [n, C]. Negative members (outside the vocabulary)
           count in the size of the set and can't be hit. Kept as a matrix.
    valid: bool [n], whether the output could be read.

    Raises ValueError when shapes disagree, a confidence is outside [0, 1], or an empty slot has one.
    """

    codes: Ints
    conf: Floats
    truth: Ints
    gold: Gold
    valid: Bools
    gold_matrix: Bools = field(init=False, repr=False, compare=False)
    gold_size: Ints = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        codes = np.asarray(self.codes, dtype=np.int64)
        conf = np.asarray(self.conf, dtype=np.float64)
        truth = np.asarray(self.truth, dtype=np.int64)
        valid = np.asarray(self.valid, dtype=np.bool_)
        if codes.ndim != 2 or conf.shape != codes.shape:
            raise ValueError(f"codes and conf must both be [n, K]; got {codes.shape} and {conf.shape}")
        n = len(codes)
        if truth.shape != (n,) or valid.shape != (n,) or len(self.gold) != n:
            raise ValueError(f"truth, valid and gold must have one entry for each of the {n} cases")
        if not bool(np.all((conf >= 0) & (conf <= 1))):  # NaN fails this too
            raise ValueError("confidences must be within 0 and 1")
        if bool(np.any(conf[codes == EMPTY] != 0)):
            raise ValueError("an empty slot must have confidence 0")
        matrix, size = _gold_matrix(self.gold)
        values = (("codes", codes), ("conf", conf), ("truth", truth), ("valid", valid), ("gold", matrix))
        for name, value in (*values, ("gold_matrix", matrix), ("gold_size", size)):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def listed(self) -> Bools:
        """[n, K]: slots that hold something, matched or not."""
        listed: Bools = self.codes != EMPTY
        return listed

    def take(self, cases: Ints | Bools) -> Batch:
        """The same batch with these cases only (indices or a mask); for groups of patients."""
        rows = np.flatnonzero(cases) if np.asarray(cases).dtype == np.bool_ else np.asarray(cases)
        part = Batch(self.codes[rows], self.conf[rows], self.truth[rows], self.gold_matrix[rows], self.valid[rows])
        object.__setattr__(part, "gold_size", self.gold_size[rows])  # the matrix lost what lies outside the vocabulary
        return part


def _gold_matrix(gold: Gold) -> tuple[Bools, Ints]:
    """The bool matrix [n, C] and the sizes [n] of the gold sets."""
    if isinstance(gold, np.ndarray):
        if gold.ndim != 2 or gold.dtype != np.bool_:
            raise ValueError("gold as an array must be a bool matrix [n, C]")
        return gold, gold.sum(axis=1, dtype=np.int64)
    size = np.fromiter((len(g) for g in gold), dtype=np.int64, count=len(gold))
    members = np.fromiter((c for g in gold for c in g), dtype=np.int64, count=int(size.sum()))
    rows = np.repeat(np.arange(len(gold)), size)
    known = members >= 0
    matrix = np.zeros((len(gold), int(members.max(initial=0)) + 1), dtype=np.bool_)
    matrix[rows[known], members[known]] = True
    return matrix, size


def first_mention(codes: Ints) -> Bools:
    """[n, K]: slots that list something no earlier slot of the case lists.

    >>> first_mention(np.array([[4, 7, 4, EMPTY]])).tolist()
    [[True, True, False, False]]
    """
    first: Bools = codes != EMPTY
    for slot in range(1, codes.shape[1]):  # a loop over K keeps the memory at n·K, not n·K²
        first[:, slot] &= ~(codes[:, :slot] == codes[:, slot : slot + 1]).any(axis=1)
    return first


def hits(batch: Batch) -> Bools:
    """y [n, K]: the slot is the first to list the pathology, in a valid case. At most one a case."""
    is_truth = (batch.codes == batch.truth[:, None]) & (batch.codes >= 0) & batch.valid[:, None]
    y: Bools = is_truth & first_mention(batch.codes)
    return y


def gold_hits(batch: Batch) -> Bools:
    """[n, K]: the slot is the first to list this member of the gold differential, in a valid case."""
    known = (batch.codes >= 0) & (batch.codes < batch.gold_matrix.shape[1]) & batch.valid[:, None]
    member = batch.gold_matrix[np.arange(len(batch))[:, None], np.where(known, batch.codes, 0)]
    y: Bools = member & known & first_mention(batch.codes)
    return y


def outcome(batch: Batch) -> Ints:
    """[n]: the slot (0-based) that holds the pathology, K when none does ("something else")."""
    y = hits(batch)
    return np.where(y.any(axis=1), y.argmax(axis=1), np.int64(batch.codes.shape[1]))


def pass_at(batch: Batch, k: int) -> Floats:
    """1 if the pathology is among the first k, else 0."""
    return _floats(hits(batch)[:, : _positive(k)].any(axis=1))


def distinct_gold_at(batch: Batch, k: int) -> Floats:
    """Number of different members of the gold differential among the first k, 0..min(k, |G|)."""
    return _floats(gold_hits(batch)[:, : _positive(k)].sum(axis=1))


def recall_at(batch: Batch, k: int) -> Floats:
    """distinct_gold_at / min(k, |G|), in [0, 1]; NaN (undefined) where the gold differential is empty.

    >>> b = Batch([[3, 5, 3]], [[.5, .3, .1]], [3], [{3, 8}], [True])
    >>> recall_at(b, 3).tolist(), recall_at(b, 1).tolist()
    ([0.5], [1.0])
    """
    most = np.minimum(_positive(k), batch.gold_size).astype(np.float64)
    found = distinct_gold_at(batch, k)
    return _floats(np.divide(found, most, out=np.full(len(batch), np.nan), where=most > 0))


def reciprocal_rank(batch: Batch) -> Floats:
    """1 / rank of the pathology, 0 when it is not listed. Repeats and unmatched strings keep their rank."""
    return _floats((hits(batch) / np.arange(1, batch.codes.shape[1] + 1)).sum(axis=1))


def unique_listed(batch: Batch) -> Floats:
    """Number of different diagnoses listed (by condition; unmatched ones by code), 0 for an invalid case."""
    return _floats((first_mention(batch.codes) & batch.valid[:, None]).sum(axis=1))


def brier_items(batch: Batch) -> Floats:
    """(q_i − y_i)² [n, K], each in [0, 1]; NaN in empty slots; 1 in every slot of an invalid case.

    >>> brier_items(Batch([[3, EMPTY]], [[.5, 0]], [3], [{3}], [True])).tolist()
    [[0.25, nan]]
    """
    scores = np.where(batch.listed, (batch.conf - hits(batch)) ** 2, np.nan)
    scores[~batch.valid] = 1.0
    return scores


def brier_list(batch: Batch) -> Floats:
    """Brier score of the whole list with "something else" as one more class (Brier 1950), from 0 to 2.

    B = Σ_{i listed} (q_i − y_i)² + (q_other − y_other)²,  q_other = 1 − Σ q_i,  y_other = 1 − Σ y_i.
    0 is certain and right, 2 certain and wrong, which is what an invalid case scores. Strictly proper: the
    expectation is least where q is the true probability of each class. Only for `pathology` confidences.

    >>> b = Batch([[3, 5]], [[.6, .3]], [3], [{3}], [True])       # .4² + .3² + .1²
    >>> brier_list(b).round(4).tolist()
    [0.26]
    >>> b = Batch([[3, 5]], [[.6, .3]], [9], [{9}], [True])       # .6² + .3² + (.1 − 1)²
    >>> brier_list(b).round(4).tolist()
    [1.26]
    """
    other = _other(batch)
    y = hits(batch)
    score = ((batch.conf - y) ** 2).sum(axis=1) + (other - ~y.any(axis=1)) ** 2
    return np.where(batch.valid, score, 2.0)


def log_loss(batch: Batch, floor: float = 1e-6) -> Floats:
    """−ln of the confidence in what happened (a slot, or "something else"), at most −ln(floor).

    An invalid case gets −ln(floor).
    """
    every = np.column_stack([batch.conf, _other(batch)])
    given = every[np.arange(len(batch)), outcome(batch)]
    return _floats(-np.log(np.maximum(np.where(batch.valid, given, 0.0), floor)))


def set_confidence(batch: Batch) -> Floats:
    """Σ q_i = P(the pathology is on the list), in [0, 1]; 1 for an invalid case. Compare with `set_hit`."""
    return np.where(batch.valid, 1.0 - _other(batch), 1.0)


def set_hit(batch: Batch) -> Floats:
    """1 if the pathology is on the list, else 0."""
    return _floats(hits(batch).any(axis=1))


def _other(batch: Batch) -> Floats:
    total = np.where(batch.valid, batch.conf.sum(axis=1), 0.0)
    if bool(np.any(total > 1 + 1e-6)):
        case = int(np.argmax(total))
        raise ValueError(f"case {case}: the confidences sum to {total[case]:.4f}, above 1; rescale them first")
    return _floats(np.maximum(0.0, 1.0 - total))


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


def _positive(k: int) -> int:
    if k < 1:
        raise ValueError(f"k must be at least 1; got {k}")
    return k
