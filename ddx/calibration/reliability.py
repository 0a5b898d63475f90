"""The data of a reliability diagram: what to draw, and how much of it chance alone would draw."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ddx.metrics.aggregate import resamples
from ddx.metrics.calibration import corp, draw_hits, ece, ece_null, isotonic, item_bins, running_sums

__all__ = ["reliability", "wilson"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
GRID = 101  # points at which the consistency band is given


def wilson(hits: float, n: int, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval for a rate (Wilson 1927; Brown, Cai & DasGupta 2001); 95 % by default.

    >>> low, high = wilson(0, 10)
    >>> round(low, 4), round(high, 4)
    (0.0, 0.2775)
    """
    if n == 0:
        return 0.0, 1.0
    p = hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def reliability(
    conf: ArrayLike,
    hit: ArrayLike,
    mask: ArrayLike | None = None,
    *,
    exclusive: bool = True,
    bins: int = 10,
    draws: int = 200,
    level: float = 0.9,
    seed: int = 0,
) -> dict[str, Any]:
    """Everything a reliability diagram needs, as plain numbers (JSON-able; None where undefined).

    conf, hit: [n], one item a case, or [n, K] with mask [n, K]. In the second form the items of a case
    exclude each other (`pathology`); pass exclusive=False for `membership`.

    - n_cases (cases with at least one item), n_items, mean_confidence, hit_rate
    - corp: x, y of the recalibration curve, mcb, dsc, unc, brier, skill
    - band: x, low, high: where the curve of a calibrated model falls, point by point, in `level` of the draws
      (Dimitriadis et al. 2021, consistency band): cases resampled, outcomes drawn from the confidences
    - bins: equal mass; low, high (confidences in it), n, confidence (mean), rate, rate_low and rate_high
      (Wilson 95 %)
    - ece, and ece_null (mean, low, high of a calibrated model), equal width with the same number of bins

    Wilson's intervals take items as independent; as at most one of a case can be a hit, they err on the
    wide side.
    """
    q = np.asarray(conf, dtype=np.float64)
    listed = np.ones(q.shape, dtype=np.bool_) if mask is None else np.asarray(mask, dtype=np.bool_)
    fit = corp(q, hit, listed)
    y = np.asarray(hit, dtype=np.float64)[listed]
    items = q[listed]
    null = ece_null(q, bins=bins, seed=seed, mask=listed, exclusive=exclusive)
    some = listed if q.ndim == 1 else listed.any(axis=1)
    return {
        "n_cases": int(some.sum()),
        "n_items": len(items),
        "mean_confidence": _number(items.mean()) if len(items) else None,
        "hit_rate": _number(y.mean()) if len(items) else None,
        "corp": {
            "x": fit.curve_x.tolist(),
            "y": fit.curve_y.tolist(),
            "mcb": _number(fit.mcb),
            "dsc": _number(fit.dsc),
            "unc": _number(fit.unc),
            "brier": _number(fit.brier),
            "skill": _number(fit.brier_skill),
        },
        "band": _band(q[some], listed[some], exclusive, draws, level, seed),
        "bins": _equal_mass(items, y, bins),
        "ece": _number(ece(q, hit, bins=bins, mask=listed)),
        "ece_null": {"mean": _number(null.mean), "low": _number(null.low), "high": _number(null.high)},
    }


def _band(q: Floats, listed: Bools, exclusive: bool, draws: int, level: float, seed: int) -> dict[str, Any]:
    """The consistency band on an even grid over the confidences that occur."""
    band: dict[str, Any] = {"level": level, "draws": draws, "x": [], "low": [], "high": []}
    if len(q) == 0:
        return band
    q = q if q.ndim == 2 else q[:, None]
    listed = listed if listed.ndim == 2 else listed[:, None]
    values, inverse = np.unique(q[listed], return_inverse=True)
    nowhere = len(values)  # stands for an empty slot, and in the last column for "something else"
    index = np.full((len(q), q.shape[1] + 1), nowhere, dtype=np.int64)
    index[:, :-1][listed] = inverse
    upper = running_sums(np.where(listed, q, 0.0)) if exclusive else None
    grid = np.linspace(values[0], values[-1], GRID) if len(values) > 1 else values
    curves = np.empty((draws, len(grid)))
    rng = np.random.default_rng([seed, 1])
    for draw, rows in enumerate(resamples(len(q), draws, seed)):
        where = index[rows]
        if upper is None:
            hit = where[:, :-1][draw_hits(q[rows], listed[rows], rng, exclusive=False)]
        else:  # one outcome a case: the first slot whose running sum passes a uniform number, or none
            hit = where[np.arange(len(rows)), (rng.random((len(rows), 1)) >= upper[rows]).sum(axis=1)]
        counts = np.bincount(where.ravel(), minlength=nowhere + 1)[:nowhere]
        found = np.bincount(hit, minlength=nowhere + 1)[:nowhere]
        seen = counts > 0
        fitted = isotonic(found[seen] / counts[seen], counts[seen].astype(np.float64))
        curves[draw] = np.interp(grid, values[seen], fitted)
    low, high = np.quantile(curves, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {**band, "x": grid.tolist(), "low": low.tolist(), "high": high.tolist()}


def _equal_mass(q: Floats, y: Floats, bins: int) -> list[dict[str, Any]]:
    if len(q) == 0:
        return []
    which = item_bins(q, bins, "mass")
    rows = []
    for b in np.unique(which):
        inside = which == b
        n, hits = int(inside.sum()), float(y[inside].sum())
        low, high = wilson(hits, n)
        rows.append(
            {
                "low": float(q[inside].min()),
                "high": float(q[inside].max()),
                "n": n,
                "confidence": float(q[inside].mean()),
                "rate": hits / n,
                "rate_low": low,
                "rate_high": high,
            }
        )
    return rows


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
