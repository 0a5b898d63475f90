"""Fitting a calibrator on cases whose outcome is known: which slot held the pathology, or none.

The kinds that scikit-learn, betacal and venn-abers fit are in `ddx.evaluation.ladder`, which calls this for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ddx.calibration.calibrator import (
    Calibrator,
    Kind,
    checked_lists,
    checked_outcome,
    list_log_scores,
    list_shares,
    log_stated,
    one_slope,
    pooled,
    slopes,
)
from ddx.metrics.calibration import isotonic

__all__ = ["by_rank", "fit", "mean_log_loss"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

PENALTY = 1.0  # L2 on the summed log-loss: worth a few cases, it keeps rare slots from running away
SMOOTH = 20.0  # the same on the steps of ln slope from rank to rank: 0.2 is a likely step, 1 is not
LEAST = 100  # items below which a rank takes the fit of all ranks together
LOG_SLOPES = (-3.0, 3.0)  # no temperature in use lies outside, and a search step can't overflow


def fit(
    kind: Kind,
    conf: ArrayLike,
    mask: ArrayLike,
    outcome: ArrayLike,
    x: ArrayLike | None = None,
    beside: ArrayLike | None = None,
    *,
    weight: ArrayLike | None = None,
    covariates: Sequence[str] = (),
    signals: Sequence[str] = (),
    fitted_on: str = "",
) -> Calibrator:
    """Fit on stated conf [n, K], mask [n, K], outcome int [n] in 0..K (K: something else). `pathology` only.

    x [n, m] with m names in `covariates` ("list-softmax" only): what the temperature and the weight of
    "something else" may depend on, such as the log of the number of stated findings, raw: the
    standardisation is stored. beside [F − 1, n, K] with a name each in `signals` ("list-softmax" only): other
    confidences of the same slots, pooled with the stated ones. weight [n] ("list-softmax" only): how many cases one
    counts for, 1 unless given. fitted_on: sha256 of the sorted case ids, made by the caller. Fit on cases that trained
    nothing else.

    Raises ValueError on wrong shapes, no cases, or an outcome that names an empty slot.
    """
    p, listed = checked_lists(conf, mask)
    n, k = p.shape
    if n == 0:
        raise ValueError("no cases to fit a calibrator on")
    y = checked_outcome(outcome, listed)
    if (x is not None or beside is not None or weight is not None) and kind != "list-softmax":
        raise ValueError(f"kind {kind!r} takes no covariates, no lists beside the stated one, and no weights")
    w = np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64)
    if w.shape != (n,) or not (np.isfinite(w) & (w >= 0)).all() or not w.any():
        raise ValueError(f"weight must be [{n}], each at least 0 and one above it")
    common: dict[str, Any] = {"k": k, "n_cases": n, "fitted_on": fitted_on}
    if kind == "identity":
        return Calibrator("identity", **common)
    if kind == "isotonic":
        return Calibrator("isotonic", parameters={"groups": by_rank(p, listed, y, _monotone)}, **common)
    if kind == "temperature":
        return Calibrator("temperature", parameters={"log_slope": _fit_temperature(p, listed, y)}, **common)
    if kind != "list-softmax":
        raise ValueError(f"kind {kind!r} is unknown here; see ddx.evaluation.ladder.fit_kind")
    raw = np.empty((n, 0)) if x is None else np.asarray(x, dtype=np.float64)
    if raw.shape != (n, len(covariates)):
        raise ValueError(f"x must be [{n}, {len(covariates)}], a column for each name; got {raw.shape}")
    spread = raw.std(axis=0)
    common |= {
        "signals": tuple(signals),
        "covariates": tuple(covariates),
        "centre": tuple(raw.mean(axis=0).tolist()),
        "spread": tuple(np.where(spread > 0, spread, 1.0).tolist()),  # a constant covariate then moves nothing
    }
    z = Calibrator("list-softmax", **common).standardised(raw, n)
    lists = pooled(p, listed, beside, len(signals))
    return Calibrator("list-softmax", parameters=_fit_list_softmax(lists, listed, y, z, w), **common)


def mean_log_loss(conf: ArrayLike, outcome: ArrayLike, floor: float = 1e-6) -> float:
    """Mean −ln of the confidence given to what happened; conf [n, K] sums to at most 1, outcome in 0..K.

    >>> round(mean_log_loss([[.5, .25]], [2]), 4)                 # −ln .25
    1.3863
    """
    q = np.asarray(conf, dtype=np.float64)
    every = np.column_stack([q, 1.0 - q.sum(axis=1)])
    given = every[np.arange(len(q)), np.asarray(outcome)]
    return float(-np.log(np.maximum(given, floor)).mean())


def _fit_list_softmax(p: Floats, listed: Bools, y: Ints, z: Floats, weight: Floats) -> dict[str, list[Any]]:
    """Maximum likelihood with a light L2, by L-BFGS with the exact gradient; p [F, n, K], weight [n].

    Neighbouring ranks are pulled together, so that a rank that hardly occurs takes after the one before it.
    """
    from scipy.optimize import minimize  # here: applying a calibrator must not wait for scipy

    lists, n, k = p.shape
    m = z.shape[1]
    logs = log_stated(p)
    target = np.zeros((n, k + 1))
    target[np.arange(n), y] = 1.0
    cuts = np.cumsum([lists * (k + 1), k, lists * m])

    def parts(theta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        log_slope, bias, slope_shift, other_shift = np.split(theta, cuts)
        return log_slope.reshape(lists, k + 1), bias, slope_shift.reshape(lists, m), other_shift

    def loss(theta: Floats) -> tuple[float, Floats]:
        log_slope, bias, slope_shift, other_shift = parts(theta)
        scores = list_log_scores(p, listed, z, log_slope, bias, slope_shift, other_shift)
        top = scores.max(axis=1, keepdims=True)
        shares = np.exp(scores - top)
        total = shares.sum(axis=1, keepdims=True)
        nll = float(weight @ ((np.log(total) + top)[:, 0] - scores[np.arange(n), y]))
        error = weight[:, None] * (shares / total - target)  # d nll / d score; 0 in empty slots
        by_slope = error * slopes(log_slope, slope_shift, z, k) * logs
        slope_ridge, slope_pull = _smooth(log_slope, SMOOTH)
        bias_ridge, bias_pull = _smooth(bias, PENALTY)
        shifts = np.append(slope_shift, other_shift)
        ridge = slope_ridge + bias_ridge + 0.5 * PENALTY * float(shifts @ shifts)
        gradient = [
            by_slope.sum(axis=1) + slope_pull,
            error[:, :k].sum(axis=0) + bias_pull,
            by_slope.sum(axis=2) @ z + PENALTY * slope_shift,
            z.T @ error[:, k] + PENALTY * other_shift,
        ]
        return (nll + ridge) / n, np.concatenate([part.ravel() for part in gradient]) / n

    start = np.zeros(cuts[-1] + m)  # every slope 1/F, every bias 0: the geometric mean of the lists
    slope_bounds, shift_bounds = [LOG_SLOPES] * (lists * (k + 1)), [(-1.0, 1.0)] * (lists * m)
    bounds = [*slope_bounds, *[(None, None)] * k, *shift_bounds, *[(None, None)] * m]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    names = ("log_slope", "bias", "slope_shift", "other_shift")
    return {name: part.tolist() for name, part in zip(names, parts(found.x), strict=True)}


def _smooth(values: Floats, smooth: float) -> tuple[float, Floats]:
    """(½·Σ weight·step², its gradient) over the steps along K ranks, the first from 0 with weight PENALTY and the
    others with `smooth`. With K+1 columns (slopes) the last, of "something else", is pulled to 0 alone."""
    rows = np.atleast_2d(values)
    ranks = rows[:, :-1] if values.ndim == 2 else rows
    steps = np.diff(ranks, axis=1, prepend=0.0)
    pull = np.append(PENALTY, np.full(ranks.shape[1] - 1, smooth)) * steps
    value = 0.5 * float((pull * steps).sum())
    gradient = pull - np.column_stack([pull[:, 1:], np.zeros(len(rows))])
    if values.ndim == 2:
        value += 0.5 * PENALTY * float((rows[:, -1] ** 2).sum())
        gradient = np.column_stack([gradient, PENALTY * rows[:, -1]])
    return value, gradient.reshape(values.shape)


def _fit_temperature(p: Floats, listed: Bools, y: Ints) -> float:
    """ln s by maximum likelihood of q_r ∝ p_r^s (Guo et al. 2017, §4.2, with s = 1/T), pulled to s = 1 by PENALTY."""
    from scipy.optimize import minimize_scalar  # here: applying a calibrator must not wait for scipy

    n, k = p.shape
    z = np.empty((n, 0))

    def loss(log_slope: float) -> float:
        parts = one_slope(log_slope, k).values()
        shares = list_shares(list_log_scores(p[None], listed, z, *(np.asarray(part) for part in parts)))
        return float(-np.log(shares[np.arange(n), y]).sum()) + 0.5 * PENALTY * log_slope**2

    return float(minimize_scalar(loss, bounds=LOG_SLOPES, method="bounded", options={"xatol": 1e-10}).x)


def by_rank(p: Floats, listed: Bools, y: Ints, fit_one: Callable[[Floats, Bools], dict[str, Any]]) -> list[Any]:
    """One fit for rank 1, one for rank 2, one for all later ranks; all ranks together where items are few.

    `fit_one` takes the stated confidences [items] and which of them were hits.
    """
    k = p.shape[1]
    hit = y[:, None] == np.arange(k)
    everything = fit_one(p[listed], hit[listed])
    groups = []
    for slots in (slice(0, 1), slice(1, 2), slice(2, None)):
        inside = listed[:, slots]
        if inside.shape[1]:
            few = int(inside.sum()) < LEAST
            groups.append(everything if few else fit_one(p[:, slots][inside], hit[:, slots][inside]))
    return groups


def _monotone(p: Floats, hit: Bools) -> dict[str, list[float]]:
    """x, y of a non-decreasing map, kept a little off 0 and 1: n items can't show either rate."""
    if len(p) == 0:
        return {"x": [0.0, 1.0], "y": [0.0, 1.0]}
    x, inverse, counts = np.unique(p, return_inverse=True, return_counts=True)
    fitted = isotonic(np.bincount(inverse, weights=hit) / counts, counts.astype(np.float64))
    margin = 1.0 / (len(p) + 2)
    return {"x": x.tolist(), "y": np.clip(fitted, margin, 1 - margin).tolist()}
