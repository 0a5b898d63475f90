"""How far confidence is from what happens: ECE beside its null, and the CORP decomposition.

`conf` and `hit` are [n], one item a case, or [n, K] with `mask` [n, K] true where an item is listed (all of
them when `mask` is None). In the second form the items of a case exclude each other (`pathology`
confidences) unless `exclusive=False` (`membership`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Corp", "Null", "corp", "corp_of_cases", "draw_hits", "ece", "ece_null", "isotonic", "item_bins", "mcb_null",
    "running_sums",
]  # fmt: skip

Scheme = Literal["width", "mass"]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
CHUNK = 2_000_000  # random numbers held at once


class Null(NamedTuple):
    """What a perfectly calibrated model scores at this n: the mean and the interval of the draws."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Corp:
    """brier = mcb − dsc + unc. mcb: miscalibration (0 best); dsc: discrimination; unc: ȳ(1 − ȳ).

    curve_x, curve_y: the recalibration curve, the two ends of each constant piece of the isotonic fit.
    """

    mcb: float
    dsc: float
    unc: float
    brier: float
    n: int
    curve_x: Floats
    curve_y: Floats

    @property
    def brier_skill(self) -> float:
        """1 − brier/unc = (dsc − mcb)/unc: 1 perfect, 0 no better than the base rate; NaN when unc is 0."""
        return 1.0 - self.brier / self.unc if self.unc > 0 else float("nan")


def corp(conf: ArrayLike, hit: ArrayLike, mask: ArrayLike | None = None) -> Corp:
    """CORP decomposition of the Brier score (Dimitriadis, Gneiting & Jordan 2021, PNAS 118(8), eq. 4-5).

    With r the isotonic regression of the hits on the confidences: mcb = S(q) − S(r), dsc = S(ȳ) − S(r),
    unc = S(ȳ), S the mean squared difference to the hits. No bins to choose.

    >>> c = corp([.2, .2, .8, .8], [0, 1, 1, 1])
    >>> round(c.brier, 4), round(c.mcb - c.dsc + c.unc, 4), c.curve_y.tolist()
    (0.19, 0.19, [0.5, 1.0])
    """
    q, y = _items(conf, hit, mask)
    x, inverse, counts = np.unique(q, return_inverse=True, return_counts=True)
    found: Floats = np.bincount(inverse, weights=y, minlength=len(x)).astype(np.float64)
    return _decompose(x, counts.astype(np.float64), found, float(y @ y))


def corp_of_cases(
    conf: ArrayLike, hit: ArrayLike, mask: ArrayLike | None = None
) -> Callable[[NDArray[np.int64]], Corp]:
    """`corp` as a function of the cases (their indices, repeats allowed), for `ddx.metrics.aggregate.interval_of`.

    The confidences are sorted once for all resamples, which is most of the work.

    >>> of = corp_of_cases([.2, .2, .8, .8], [0, 1, 1, 1])
    >>> of(np.array([0, 0, 1])).brier == corp([.2, .2, .2], [0, 0, 1]).brier
    True
    """
    q, y = _items(conf, hit, mask)
    listed = _mask(_confidences(conf), mask)
    case = np.nonzero(listed)[0]
    x, inverse = np.unique(q, return_inverse=True)
    some = np.flatnonzero(y)
    hit_case, hit_at, hit_worth = case[some], inverse[some], y[some]

    def of(rows: NDArray[np.int64]) -> Corp:
        times = np.bincount(rows, minlength=len(listed)).astype(np.float64)
        counts: Floats = np.bincount(inverse, weights=times[case], minlength=len(x)).astype(np.float64)
        hits = times[hit_case] * hit_worth
        found: Floats = np.bincount(hit_at, weights=hits, minlength=len(x)).astype(np.float64)
        seen = counts > 0
        return _decompose(x[seen], counts[seen], found[seen], float(hits @ hit_worth))

    return of


def _decompose(x: Floats, counts: Floats, found: Floats, squares: float) -> Corp:
    """CORP from the distinct confidences x, the items and the sum of hits at each, and the sum of all squared hits."""
    if len(x) == 0:
        nan = float("nan")
        return Corp(nan, nan, nan, nan, 0, np.empty(0), np.empty(0))
    n = counts.sum()
    fitted = isotonic(found / counts, counts)

    def score(z: Floats) -> float:
        return float((counts @ z**2 - 2 * (found @ z) + squares) / n)

    brier, best, unc = score(x), score(fitted), score(np.full(len(x), found.sum() / n))
    ends = np.ones(len(x), dtype=np.bool_)
    ends[1:-1] = (fitted[1:-1] != fitted[:-2]) | (fitted[1:-1] != fitted[2:])
    return Corp(brier - best, unc - best, unc, brier, int(n), x[ends], fitted[ends])


def isotonic(values: Floats, weights: Floats) -> Floats:
    """The weighted least-squares non-decreasing fit, by pooling adjacent violators. Pool ties before."""
    from scipy.optimize import isotonic_regression  # here: it takes 0.3 s to import, and few callers need it

    return np.asarray(isotonic_regression(values, weights=weights).x, dtype=np.float64)


def ece(
    conf: ArrayLike, hit: ArrayLike, bins: int = 10, scheme: Scheme = "width", mask: ArrayLike | None = None
) -> float:
    """Expected calibration error: Σ_b (n_b/n)·|mean hit − mean confidence| (Naeini et al. 2015), 0..1.

    "width": bins [0, 1/bins), …, the last closed. "mass": about as many items in each bin, equal confidences
    never split. It is above 0 for a perfect model too, the more so the fewer the cases: print `ece_null`
    beside it.

    >>> round(ece([.9, .9, .1, .1], [1, 0, 0, 0]), 4)             # ½·|.5 − .9| + ½·|0 − .1|
    0.25
    """
    q, y = _items(conf, hit, mask)
    if len(q) == 0:
        return float("nan")
    gap = np.bincount(item_bins(q, bins, scheme), weights=y - q, minlength=bins)
    return float(np.abs(gap).sum() / len(q))


def ece_null(
    conf: ArrayLike,
    bins: int = 10,
    scheme: Scheme = "width",
    draws: int = 1000,
    seed: int = 0,
    mask: ArrayLike | None = None,
    exclusive: bool = True,
    level: float = 0.95,
) -> Null:
    """The distribution of `ece` when the hits are drawn from the confidences themselves.

    [n]: y ~ Bernoulli(conf). [n, K] exclusive: one outcome a case, from its listed confidences and the rest.

    >>> null = ece_null(np.random.default_rng(0).random(1000))
    >>> round(null.mean, 2)
    0.03
    """
    q = _confidences(conf)
    listed = _mask(q, mask)
    flat = q[listed]
    if len(flat) == 0:
        return Null(np.nan, np.nan, np.nan)
    which = item_bins(flat, bins, scheme)
    stated = np.bincount(which, weights=flat, minlength=bins)
    rng = np.random.default_rng(seed)
    if q.ndim == 2 and exclusive:
        found = _exclusive_hits_by_bin(q, listed, which, bins, draws, rng)
    else:
        found = _independent_hits_by_bin(flat, which, bins, draws, rng)
    errors = np.abs(found - stated).sum(axis=1) / len(flat)
    low, high = np.quantile(errors, [(1 - level) / 2, (1 + level) / 2])
    return Null(float(errors.mean()), float(low), float(high))


def mcb_null(
    conf: ArrayLike,
    draws: int = 1000,
    seed: int = 0,
    mask: ArrayLike | None = None,
    exclusive: bool = True,
    level: float = 0.95,
) -> Null:
    """The distribution of `corp(…).mcb` when the hits are drawn from the confidences themselves; see `ece_null`.

    >>> null = mcb_null(np.random.default_rng(1).random(1000), draws=100)
    >>> 0 < null.low < null.mean < null.high < 0.01
    True
    """
    q = _confidences(conf)
    listed = _mask(q, mask)
    x, inverse, counts = np.unique(q[listed], return_inverse=True, return_counts=True)
    if len(x) == 0:
        return Null(np.nan, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    found = np.empty(draws)
    for i in range(draws):
        hit = draw_hits(q, listed, rng, exclusive)[listed]
        rate = np.bincount(inverse, weights=hit) / counts
        fitted = isotonic(rate, counts.astype(np.float64))
        found[i] = counts @ ((x - rate) ** 2 - (fitted - rate) ** 2)  # the spread around `rate` cancels
    found /= counts.sum()
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return Null(float(found.mean()), float(low), float(high))


def draw_hits(conf: Floats, listed: Bools, rng: np.random.Generator, exclusive: bool = True) -> Bools:
    """One draw of the hits of perfectly calibrated confidences; the shape of `conf`.

    The one outcome of a case is where a uniform number falls among the running sums of its confidences.
    """
    q = np.where(listed, conf, 0.0)
    if q.ndim == 1 or not exclusive:
        return rng.random(q.shape) < q
    upper = running_sums(q)
    u = rng.random((len(q), 1))
    return (u < upper) & (u >= np.column_stack([np.zeros(len(q)), upper[:, :-1]]))


def item_bins(conf: Floats, bins: int, scheme: Scheme) -> NDArray[np.int64]:
    """The bin 0..bins−1 of each item. Equal confidences share a bin, whatever the order of the items."""
    if bins < 1:
        raise ValueError(f"bins must be at least 1; got {bins}")
    if scheme == "width":
        return np.minimum((conf * bins).astype(np.int64), bins - 1)
    if scheme != "mass":
        raise ValueError(f"scheme must be 'width' or 'mass'; got {scheme!r}")
    _, inverse, counts = np.unique(conf, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - counts / 2  # the mid-rank of each confidence, so ties go where most of them lie
    return np.asarray((middle * bins / len(conf)).astype(np.int64)[inverse])


def _independent_hits_by_bin(
    conf: Floats, which: NDArray[np.int64], bins: int, draws: int, rng: np.random.Generator
) -> Floats:
    """[draws, bins]: hits per bin. Items of equal confidence are drawn together, as one binomial."""
    values, first, counts = np.unique(conf, return_index=True, return_counts=True)
    group = which[first]  # a function of the confidence alone, and non-decreasing with it
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    found = np.zeros((draws, bins))
    step = max(1, CHUNK // len(values))
    single = bool(counts.max() == 1)
    limit = values.astype(np.float32)
    for begin in range(0, draws, step):
        size = min(step, draws - begin)
        if single:  # comparing uniforms is ten times faster than binomials of one
            drawn = rng.random((size, len(values)), dtype=np.float32) < limit
            sums = np.add.reduceat(drawn, starts, axis=1, dtype=np.int64)
        else:
            sums = np.add.reduceat(rng.binomial(counts, values, size=(size, len(values))), starts, axis=1)
        found[begin : begin + size, group[starts]] = sums
    return found


def _exclusive_hits_by_bin(
    conf: Floats, listed: Bools, which: NDArray[np.int64], bins: int, draws: int, rng: np.random.Generator
) -> Floats:
    """[draws, bins]: hits per bin when each case has one outcome, a listed item or none of them."""
    n, slots = conf.shape
    upper = np.ascontiguousarray(running_sums(np.where(listed, conf, 0.0)).T, dtype=np.float32)  # [K, n]
    bin_of = np.full((n, slots + 1), bins, dtype=np.int64)  # the last column, and bin `bins`: none of them
    bin_of[:, :slots][listed] = which
    rows = np.arange(n) * (slots + 1)
    flat_bins = bin_of.ravel()
    found = np.zeros((draws, bins))
    step = max(1, CHUNK // max(1, n))
    for begin in range(0, draws, step):
        size = min(step, draws - begin)
        u = rng.random((size, n), dtype=np.float32)
        slot = np.zeros((size, n), dtype=np.uint8 if slots < 255 else np.int64)
        for column in range(slots):
            slot += u >= upper[column]
        chosen = flat_bins[rows + slot] + (bins + 1) * np.arange(size)[:, None]
        totals = np.bincount(chosen.ravel(), minlength=size * (bins + 1)).reshape(size, bins + 1)
        found[begin : begin + size] = totals[:, :bins]
    return found


def running_sums(conf: Floats) -> Floats:
    """Running sums [n, K] of confidences that exclude each other. Raises ValueError above 1."""
    upper = np.cumsum(conf, axis=1)
    if len(upper) and float(upper[:, -1].max()) > 1 + 1e-6:
        raise ValueError("the confidences of a case sum to more than 1; rescale them, or pass exclusive=False")
    return np.minimum(upper, 1.0)


def _confidences(conf: ArrayLike) -> Floats:
    q = np.asarray(conf, dtype=np.float64)
    if q.ndim not in (1, 2):
        raise ValueError(f"conf must be [n] or [n, K]; got shape {q.shape}")
    return q


def _mask(conf: Floats, mask: ArrayLike | None) -> Bools:
    listed = np.ones(conf.shape, dtype=np.bool_) if mask is None else np.asarray(mask, dtype=np.bool_)
    if listed.shape != conf.shape:
        raise ValueError(f"mask has shape {listed.shape}, conf {conf.shape}")
    if not bool(np.all((conf[listed] >= 0) & (conf[listed] <= 1))):
        raise ValueError("confidences must be within 0 and 1")
    return listed


def _items(conf: ArrayLike, hit: ArrayLike, mask: ArrayLike | None) -> tuple[Floats, Floats]:
    q = _confidences(conf)
    y = np.asarray(hit, dtype=np.float64)
    if y.shape != q.shape:
        raise ValueError(f"hit has shape {y.shape}, conf {q.shape}")
    listed = _mask(q, mask)
    return q[listed], y[listed]
