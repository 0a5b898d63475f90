"""Decision curves: what acting on the confidences is worth, beside acting on every case and on none.

The decision is whether to work a case up for a must-not-miss condition. Someone who acts from a probability t up values
a case found at (1 − t)/t needless work-ups, so at each threshold t the worth is counted in cases found (Vickers & Elkin
2006, Medical Decision Making 26:565).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ddx.metrics.aggregate import mean_interval, paired_difference
from ddx.metrics.per_case import Batch, first_mention

__all__ = ["THRESHOLDS", "decision_curve", "must_not_miss", "net_benefit"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

THRESHOLDS = np.arange(1, 51) / 100  # nobody needs an even chance before ruling out what must not be missed


def must_not_miss(batch: Batch, severe: ArrayLike) -> tuple[Floats, Bools]:
    """(probability [n], event [n]): the confidences of the must-not-miss conditions on the list, summed, and whether
    the pathology is one.

    severe: bool [C], `Condition.must_not_miss` of each condition. `pathology` confidences, calibrated: the sum is then
    P(any of them), as a patient has one pathology. What lies beyond the list counts as not severe, so the probability
    errs low by the severe part of "something else". An invalid case gives no warning: probability 0.

    Raises ValueError where a pathology lies outside the vocabulary, so that nobody knows its severity.

    >>> b = Batch([[0, 1, 2]], [[.5, .3, .1]], [1], [{1}], [True])
    >>> probability, event = must_not_miss(b, [True, False, True])
    >>> probability.round(2).tolist(), event.tolist()
    ([0.6], [False])
    """
    grave = np.asarray(severe, dtype=np.bool_)
    if bool(np.any(batch.truth < 0)):
        raise ValueError(
            f"{int((batch.truth < 0).sum())} pathologies are outside the vocabulary; leave these cases out"
        )
    known = (batch.codes >= 0) & batch.valid[:, None] & first_mention(batch.codes)
    warned = known & grave[np.where(known, batch.codes, 0)]
    return np.minimum(1.0, np.where(warned, batch.conf, 0.0).sum(axis=1)), grave[batch.truth]


def net_benefit(probability: ArrayLike, event: ArrayLike, thresholds: ArrayLike = THRESHOLDS) -> Floats:
    """[n, T]: what each case adds to the net benefit at each threshold t in [0, 1); the mean over cases is
    (true positives − false positives·t/(1 − t))/n (Vickers & Elkin 2006), a case positive from probability t up.

    Treat-all is a probability of 1 for every case, treat-none one of 0 (from the first t above 0).

    >>> net_benefit([.9, .2, .6], [1, 1, 0], [.25, .5]).round(3).tolist()
    [[1.0, 1.0], [0.0, 0.0], [-0.333, -1.0]]
    """
    p, y = np.asarray(probability, dtype=np.float64), np.asarray(event, dtype=np.bool_)
    t = np.asarray(thresholds, dtype=np.float64)
    if p.ndim != 1 or p.shape != y.shape or t.ndim != 1:
        raise ValueError(f"probability and event must be [n], thresholds [T]; got {p.shape}, {y.shape} and {t.shape}")
    if not bool(np.all((p >= 0) & (p <= 1))) or not bool(np.all((t >= 0) & (t < 1))):
        raise ValueError("probabilities must be within 0 and 1, thresholds at least 0 and below 1")
    worth = np.where(y[:, None], 1.0, -t / (1.0 - t))
    return np.where(p[:, None] >= t, worth, 0.0)


def decision_curve(
    probability: ArrayLike, event: ArrayLike, thresholds: ArrayLike = THRESHOLDS, draws: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """The curve as plain numbers, an estimate over cases at each threshold: `model`, `treat_all`, and their paired
    difference `minus_treat_all`. Treat-none is 0 everywhere, so `model` is the difference to it.

    The interval holds at one threshold, not along the whole curve.
    """
    t = np.asarray(thresholds, dtype=np.float64)
    model = net_benefit(probability, event, t)
    everyone = net_benefit(np.ones(len(model)), event, t)
    columns = range(len(t))
    return {
        "n": len(model),
        "events": int(np.asarray(event, dtype=np.bool_).sum()),
        "thresholds": t.tolist(),
        "model": [mean_interval(model[:, i], draws, seed).to_dict() for i in columns],
        "treat_all": [mean_interval(everyone[:, i], draws, seed).to_dict() for i in columns],
        "minus_treat_all": [paired_difference(model[:, i], everyone[:, i], draws, seed).to_dict() for i in columns],
    }
