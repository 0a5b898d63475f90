"""DDXPlus's own metrics (Fansi Tchango et al. 2022, arXiv 2205.09148, section 5), for one case, at the threshold 0.01.

A differential there is the set of conditions with a probability above the threshold; so the `gold` of the `Batch` must
hold those members only. What a list leaves out has probability 0, so that a list of K can't reach a recall of 1 where
more than K conditions are gold. As everywhere here, a case that could not be read earns nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ddx.metrics.per_case import Batch, first_mention, gold_hits, hits

__all__ = ["THRESHOLD", "ddf1", "ddp", "ddr", "dsf1", "gtpa"]

THRESHOLD = 0.01

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def gtpa(batch: Batch, k: int | None = None) -> Floats:
    """GTPA@k: the pathology is among the first k (None: anywhere) with more than the threshold; 0 or 1.

    >>> gtpa(Batch([[3, 5]], [[.9, .008]], [5], [{3}], [True])).tolist()
    [0.0]
    """
    return np.asarray((hits(batch) & _above(batch))[:, :k].any(axis=1), dtype=np.float64)


def ddr(batch: Batch) -> Floats:
    """Recall of the gold differential, in [0, 1].

    >>> ddr(Batch([[3, 5]], [[.9, .1]], [3], [{3, 7}], [True])).tolist()
    [0.5]
    """
    return _found(batch) / np.maximum(1, batch.gold_size)


def ddp(batch: Batch) -> Floats:
    """Precision against the gold differential, in [0, 1]; a string that matched no condition is a false one.

    >>> ddp(Batch([[3, -2, 7]], [[.5, .3, .1]], [3], [{3, 7}], [True])).round(3).tolist()
    [0.667]
    """
    return _found(batch) / np.maximum(1, _above(batch).sum(axis=1))


def ddf1(batch: Batch) -> Floats:
    """Harmonic mean of `ddr` and `ddp` of the case."""
    return _harmonic(ddr(batch), ddp(batch))


def dsf1(batch: Batch, severe: Bools) -> Floats:
    """Harmonic mean of the severe conditions rightly left out and the severe ones rightly kept; severe bool [C].

    Kept: share of the gold's severe conditions that are listed. Left out: share of the other severe conditions that are
    not. Where the gold has no severe condition nothing can be kept, and the score is 0, as in their program.

    >>> severe = np.array([True, True, True, False])
    >>> b = Batch([[0, 1]], [[.6, .3]], [0], [{0, 3}], [True])     # keeps 1 of 1; leaves out 1 of 2
    >>> dsf1(b, severe).round(3).tolist()
    [0.667]
    """
    rows = np.arange(len(batch))[:, None]
    known = _above(batch) & (batch.codes >= 0) & (batch.codes < len(severe))
    listed = np.zeros((len(batch), len(severe)), dtype=np.bool_)
    listed[np.broadcast_to(rows, known.shape)[known], batch.codes[known]] = True
    gold = np.zeros_like(listed)
    gold[:, : batch.gold_matrix.shape[1]] = batch.gold_matrix[:, : len(severe)]
    gold_severe = (gold & severe).sum(axis=1)
    kept = (listed & gold & severe).sum(axis=1) / np.maximum(1, gold_severe)
    spared = (~listed & ~gold & severe).sum(axis=1) / np.maximum(1, severe.sum() - gold_severe)
    return np.where(batch.valid, _harmonic(kept, spared), 0.0)


def _above(batch: Batch) -> Bools:
    above: Bools = first_mention(batch.codes) & (batch.conf > THRESHOLD) & batch.valid[:, None]
    return above


def _found(batch: Batch) -> Floats:
    return np.asarray((gold_hits(batch) & _above(batch)).sum(axis=1), dtype=np.float64)


def _harmonic(a: Floats, b: Floats) -> Floats:
    total = a + b
    return np.divide(2 * a * b, total, out=np.zeros_like(total), where=total > 0)
