"""From per-case values to a figure with its interval: the only place that knows the bootstrap.

The unit that is resampled is the case, never a list item (items of one case share its outcome). Intervals are
percentile intervals (Efron & Tibshirani 1993, ch. 13): the (1−level)/2 and (1+level)/2 order statistics of
the draws. Where every case has the same value the interval has no width: read it with n beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Estimate", "interval_of", "mean_interval", "paired_difference", "ratio", "resamples"]

Floats = NDArray[np.float64]
CHUNK = 2_000_000  # random numbers held at once: about 16 MB


@dataclass(frozen=True)
class Estimate:
    """A figure, its interval, and the number of cases it stands on (NaN everywhere when there are none)."""

    value: float
    low: float
    high: float
    n: int

    def to_dict(self) -> dict[str, float | int]:
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}

    def text(self, digits: int = 3) -> str:
        """The figure and its interval.

        >>> Estimate(0.25, 0.2, 0.3125, 100).text()
        '0.250 (0.200 to 0.312)'
        """
        return f"{self.value:.{digits}f} ({self.low:.{digits}f} to {self.high:.{digits}f})"


def mean_interval(values: ArrayLike, draws: int = 1000, seed: int = 0, level: float = 0.95) -> Estimate:
    """Mean over cases. NaN marks a case for which the metric is undefined: left out of the mean and of n.

    >>> e = mean_interval([0, 0, 1, 1])
    >>> e.value, e.n, e.low < 0.5 < e.high
    (0.5, 4, True)
    """
    kept = _one_dimension(values)
    kept = kept[~np.isnan(kept)]
    n = len(kept)
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    rng = np.random.default_rng(seed)
    distinct, counts = np.unique(kept, return_counts=True)
    if len(distinct) * 20 <= n:
        # Resampling n cases with replacement IS a multinomial over their distinct values: exact, and for
        # hits (0 or 1) thousands of times cheaper than drawing cases.
        means = np.concatenate(
            [rng.multinomial(n, counts / n, size=size) @ distinct / n for size in _chunks(draws, len(distinct))]
        )
    else:
        means = np.concatenate([kept[_indices(rng, n, size)].mean(axis=1) for size in _chunks(draws, n)])
    return _estimate(float(kept.mean()), means, n, level)


def paired_difference(a: ArrayLike, b: ArrayLike, draws: int = 1000, seed: int = 0, level: float = 0.95) -> Estimate:
    """Mean of a − b over the same cases in the same order, the cases resampled in pairs.

    Cases where either is NaN are left out.

    >>> e = paired_difference([1, 1, 0], [0, 0, -1])
    >>> e.value, e.low, e.high
    (1.0, 1.0, 1.0)
    """
    first, second = _same_cases(a, b)
    return mean_interval(first - second, draws, seed, level)


def ratio(
    numerator: ArrayLike, denominator: ArrayLike, draws: int = 1000, seed: int = 0, level: float = 0.95
) -> Estimate:
    """Σ numerator / Σ denominator over cases, e.g. tokens per distinct correct diagnosis.

    A ratio of sums, not a mean of ratios, so that cases with denominator 0 keep their cost. A draw whose
    denominators are all 0 counts as infinite. Cases where either is NaN are left out.

    >>> ratio([10, 30], [1, 0]).value
    40.0
    """
    top, bottom = _same_cases(numerator, denominator)
    kept = ~np.isnan(top + bottom)
    top, bottom = top[kept], bottom[kept]
    n = len(top)
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    rng = np.random.default_rng(seed)
    parts = []
    for size in _chunks(draws, n):
        rows = _indices(rng, n, size)
        parts.append(_divide(top[rows].sum(axis=1), bottom[rows].sum(axis=1)))
    whole = _divide(np.array([top.sum()]), np.array([bottom.sum()]))
    return _estimate(float(whole[0]), np.concatenate(parts), n, level)


def interval_of(
    statistic: Callable[[NDArray[np.int64]], float],
    n: int,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """The interval of any statistic of the cases: `statistic(indices of cases)`, e.g. a CORP part.

    ECE and miscalibration can't be negative, so resampling pushes them up and the draws may lie above
    the value itself: print their null beside them.
    """
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0)
    values = np.array([statistic(rows) for rows in resamples(n, draws, seed)])
    return _estimate(float(statistic(np.arange(n))), values, n, level)


def resamples(n: int, draws: int, seed: int = 0) -> Iterator[NDArray[np.int64]]:
    """`draws` times the indices [n] of n cases drawn with replacement."""
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield rng.integers(0, n, size=n)


def _chunks(draws: int, width: int) -> Iterator[int]:
    """Split `draws` so that draws × width numbers are never held at once."""
    if draws < 1:
        raise ValueError(f"draws must be at least 1; got {draws}")
    step = max(1, CHUNK // max(1, width))
    for start in range(0, draws, step):
        yield min(step, draws - start)


def _indices(rng: np.random.Generator, n: int, size: int) -> NDArray[np.uint32]:
    return rng.integers(0, n, size=(size, n), dtype=np.uint32)


def _estimate(value: float, draws: Floats, n: int, level: float) -> Estimate:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1; got {level}")
    # "nearest" takes an order statistic, so an infinite draw can't turn the limit into NaN
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], method="nearest")
    return Estimate(value, float(low), float(high), n)


def _divide(top: Floats, bottom: Floats) -> Floats:
    quotient: Floats = np.divide(top, bottom, out=np.full(len(top), np.inf), where=bottom != 0)
    return quotient


def _one_dimension(values: ArrayLike) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"one value per case is needed, an array [n]; got shape {array.shape}")
    return array


def _same_cases(a: ArrayLike, b: ArrayLike) -> tuple[Floats, Floats]:
    first, second = _one_dimension(a), _one_dimension(b)
    if first.shape != second.shape:
        raise ValueError(f"both must cover the same cases; got {len(first)} and {len(second)}")
    return first, second
