"""Maps of one item at a time: a stated confidence in its slot to a calibrated one. numpy alone applies them.

What follows is applied to each listed slot by itself; the caller rescales a list whose values sum to more than 1.

- "isotonic": a non-decreasing step-and-line map (Zadrozny & Elkan 2002);
- "beta": q = σ(a·ln p − b·ln(1 − p) + c), a, b ≥ 0 (Kull, Silva Filho & Flach 2017, AISTATS, eq. 3 as a logistic
  regression): a sigmoid on the log-odds where a = b, and the identity within its reach, unlike a sigmoid on p;
- "venn-abers": the two values p0 ≤ p1 that the item's score would get in an isotonic fit on the calibration items and
  itself, once as a miss and once as a hit (Vovk & Petej 2014), in the steps of Vovk, Petej & Fedorova 2015; one of the
  two is calibrated exactly. Merged to p1/(1 − p0 + p1), the minimax choice under log loss (the same, §4);
- "sigmoid": Platt's logistic regression on the log-odds (Platt 1999), with more columns: see `item_features`.

The first three are fitted for rank 1, rank 2 and the rest ("groups", the last for all later slots).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "FEATURES",
    "FLOOR",
    "ITEM_KINDS",
    "check_item_parameters",
    "item_features",
    "item_interval",
    "item_values",
    "log_odds",
    "sigmoid",
]

Floats = NDArray[np.float64]

ITEM_KINDS = ("isotonic", "beta", "venn-abers", "sigmoid")
FEATURES = ("stated", "rank", "entropy of the others")  # of "sigmoid"; one for each signal follows
FLOOR = 0.005  # half of the smallest whole percent: what a stated 0 is taken for before the logarithm


def item_values(kind: str, lists: Floats, parameters: Mapping[str, Any]) -> Floats:
    """Calibrated values [n, K] for confidences lists [F, n, K], the stated ones first (alone, but for "sigmoid").

    Values of empty slots mean nothing.
    """
    if kind == "sigmoid":
        weights = np.asarray(parameters["weights"], dtype=np.float64)
        return sigmoid(item_features(lists) @ weights + float(parameters["intercept"]))
    if kind == "venn-abers":
        low, high = item_interval(lists[0], parameters)
        return np.asarray(high / (1.0 - low + high))
    groups = parameters["groups"]
    values = np.zeros_like(lists[0])
    for slot in range(values.shape[1]):
        group, p = _of_slot(groups, slot), lists[0][:, slot]
        values[:, slot] = np.interp(p, group["x"], group["y"]) if kind == "isotonic" else _beta(p, group)
    return values


def item_interval(p: Floats, parameters: Mapping[str, Any]) -> tuple[Floats, Floats]:
    """Venn-Abers' p0 and p1, both [n, K], for stated confidences p [n, K].

    Each group holds the distinct scores x of its items, ascending, and len(x) + 1 steps: `low` between the scores
    (a score equal to x_i belongs to the step above it), `high` likewise (to the step below it).

    >>> steps = {"x": [.4], "low": [0., .5], "high": [1., 1.]}          # one item at .4, a hit
    >>> low, high = item_interval(np.array([[.2], [.4], [.6]]), {"groups": [steps]})
    >>> low[:, 0].tolist(), high[:, 0].tolist()
    ([0.0, 0.5, 0.5], [1.0, 1.0, 1.0])
    """
    low, high = np.zeros(p.shape), np.zeros(p.shape)
    for slot in range(p.shape[1]):
        group = _of_slot(parameters["groups"], slot)
        x, score = np.asarray(group["x"], dtype=np.float64), p[:, slot]
        low[:, slot] = np.asarray(group["low"], dtype=np.float64)[np.searchsorted(x, score, "right")]
        high[:, slot] = np.asarray(group["high"], dtype=np.float64)[np.searchsorted(x, score, "left")]
    return low, high


def item_features(lists: Floats) -> Floats:
    """The columns of "sigmoid", [n, K, 2 + F], for confidences lists [F, n, K], the stated ones first.

    In the order of `FEATURES` and then of the signals: the log-odds of the stated confidence; ln rank; the entropy
    (nats) of the other listed confidences among themselves; the log-odds of each signal.

    Of the entropy of a list, H = h(p) + (1 − p)·H(others), the first part is a function of the item's own confidence
    p, which has a column already. The second alone stands here, without "something else": so raising p, all else as
    stated, moves no column but its own.

    >>> item_features(np.array([[[.5, .3, .2]]]))[0].round(3).tolist()
    [[0.0, 0.0, 0.673], [-0.847, 0.693, 0.598], [-1.386, 1.099, 0.662]]
    """
    p = lists[0]
    n, k = p.shape
    logs = np.log(np.where(p > 0, p, 1.0))
    others = 1.0 - np.eye(k)
    total, sums = p @ others, (p * logs) @ others
    some = total > 0
    safe = np.where(some, total, 1.0)
    entropy = np.where(some, np.maximum(0.0, np.log(safe) - sums / safe), 0.0)
    rank = np.broadcast_to(np.log(np.arange(1, k + 1)), (n, k))
    return np.stack([log_odds(p), rank, entropy, *(log_odds(one) for one in lists[1:])], axis=2)


def log_odds(p: ArrayLike) -> Floats:
    """ln(p/(1 − p)) with p held within the floor and 1 − the floor: between about −5.3 and 5.3.

    >>> log_odds([.5, 0, 1]).round(2).tolist()
    [0.0, -5.29, 5.29]
    """
    held = within_reach(p)
    return np.asarray(np.log(held / (1.0 - held)))


def within_reach(p: ArrayLike) -> Floats:
    """p held within the floor and 1 − the floor: a stated 0 or 1 is not taken for certain."""
    return np.clip(np.asarray(p, dtype=np.float64), FLOOR, 1.0 - FLOOR)


def sigmoid(z: Floats) -> Floats:
    """1/(1 + exp(−z)), without overflow.

    >>> sigmoid(np.array([0., 1000., -1000.])).tolist()
    [0.5, 1.0, 0.0]
    """
    tail = np.exp(-np.abs(z))
    return np.asarray(np.where(z >= 0, 1.0, tail) / (1.0 + tail))


def _beta(p: Floats, group: Mapping[str, float]) -> Floats:
    held = within_reach(p)
    return sigmoid(group["a"] * np.log(held) - group["b"] * np.log(1.0 - held) + group["c"])


def _of_slot(groups: Sequence[Mapping[str, Any]], slot: int) -> Mapping[str, Any]:
    return groups[min(slot, len(groups) - 1)]


def check_item_parameters(kind: str, parameters: Mapping[str, Any], signals: Sequence[str]) -> None:
    """Raise ValueError (KeyError, TypeError) unless the parameters are such as `item_values` reads."""
    if kind == "sigmoid":
        if parameters["features"] != [*FEATURES, *signals]:
            raise ValueError(f"the features must be {', '.join([*FEATURES, *signals])}")
        weights = _numbers(parameters["weights"], "weights")
        _numbers([parameters["intercept"]], "intercept")
        if len(weights) != len(FEATURES) + len(signals) or weights[0] < 0:
            raise ValueError("one weight for each feature is needed, that of the stated confidence not below 0")
        return
    if not parameters["groups"]:
        raise ValueError("no groups")
    for group in parameters["groups"]:
        if kind == "beta":
            a, b, _ = _numbers([group["a"], group["b"], group["c"]], "a, b and c")
            if min(a, b) < 0:
                raise ValueError("a and b must not be below 0")
            continue
        x = _numbers(group["x"], "x")
        steps = [_numbers(group[name], name) for name in (("y",) if kind == "isotonic" else ("low", "high"))]
        if len(x) == 0 or any(len(step) != len(x) + (kind == "venn-abers") for step in steps):
            raise ValueError("each group needs x, and steps that fit it")
        if any(bool(np.any(np.diff(values) < 0)) for values in (x, *steps)):
            raise ValueError("the x and the steps of a group must not decrease")
        if any(step[0] < 0 or step[-1] > 1 for step in steps):
            raise ValueError("the steps of a group must lie within 0 and 1")
        low, high = steps[0], steps[-1]
        if kind == "venn-abers" and bool(np.any(low > high) or np.any(low[1:] > high[:-1])):
            raise ValueError("low must not be above high")


def _numbers(values: Any, name: str) -> Floats:
    found = np.asarray(values, dtype=np.float64)
    if found.ndim != 1 or not bool(np.all(np.isfinite(found))):
        raise ValueError(f"{name} must be finite numbers in a row")
    return found
