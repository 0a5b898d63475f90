"""Which calibrator for how many cases, and the fits that scikit-learn, betacal and venn-abers do.

The libraries fit, and are needed for nothing else: what they found is kept as numbers in JSON, and applied by
`ddx.calibration.items` without them. A test holds each of our applications against the library's own.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ddx.calibration.calibrator import Calibrator, Kind, checked_lists, checked_outcome, pooled
from ddx.calibration.fitting import PENALTY, by_rank, fit
from ddx.calibration.items import FEATURES, FLOOR, item_features
from ddx.errors import InputError

__all__ = ["LADDER", "LADDER_STATED_ALONE", "LEAST", "caution", "check_packages", "fit_kind", "kind_for"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PACKAGES = {"beta": "betacal", "venn-abers": "venn_abers"}  # kind → module, of the extra `train`

# From how many cases on, which kind. More parameters follow the model more closely and the chance of few cases more
# closely, too. Where the balance turns was measured on 3,800 calibration cases (training/studies/calibrators.md): the
# kind with the least Brier score and log loss on cases held out; of two that can't be told apart, the simpler one. The
# two scores differ at 25 and 50 cases, where a temperature costs .002 of the Brier score and gains .08 of the log loss.
Rungs = tuple[tuple[int, Kind], ...]
LADDER: Rungs = ((0, "identity"), (25, "temperature"), (200, "sigmoid"), (800, "list-softmax"))
# Without token probabilities there is less to learn: nothing beat a temperature before this.
LADDER_STATED_ALONE: Rungs = ((0, "identity"), (25, "temperature"), (1600, "list-softmax"))
# The fewest cases of which each kind surely helped there (log loss, 95 % interval below that of the stated lists).
LEAST: dict[Kind, int] = {
    "temperature": 25, "sigmoid": 50, "list-softmax": 100, "beta": 200, "isotonic": 400, "venn-abers": 400,
}  # fmt: skip


def kind_for(n_cases: int, signals: bool = True) -> Kind:
    """The kind for a calibrator fitted on this many readable cases, with or without token probabilities.

    >>> kind_for(20), kind_for(900), kind_for(900, signals=False)
    ('identity', 'list-softmax', 'temperature')
    """
    return [kind for least, kind in (LADDER if signals else LADDER_STATED_ALONE) if n_cases >= least][-1]


def caution(kind: Kind, n_cases: int) -> str | None:
    """A line for whoever asked for more than the cases support, else None.

    >>> caution("isotonic", 60)
    'isotonic on 60 cases: of fewer than 400 it did not surely help in training/studies/calibrators.md; see --kind auto'
    """
    least = LEAST.get(kind, 0)
    if n_cases >= least:
        return None
    where = "training/studies/calibrators.md"
    return f"{kind} on {n_cases:,} cases: of fewer than {least:,} it did not surely help in {where}; see --kind auto"


def check_packages(kind: str) -> None:
    """Raise InputError when the package that fits a kind is not installed."""
    package = PACKAGES.get(kind)
    if package is not None and find_spec(package) is None:
        name = package.replace("_", "-")
        raise InputError(f"kind {kind!r} is fitted with the package {name}: pip install 'ddx[train]'")


def fit_kind(
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
    """Fit any kind; the arguments are those of `ddx.calibration.fitting.fit`, and what a kind can't use is left out:
    covariates and weights go to "list-softmax" alone, signals to it and to "sigmoid".

    Raises ValueError on wrong shapes, and InputError where a kind's package is not installed.
    """
    check_packages(kind)
    if kind == "list-softmax":
        return fit(
            kind, conf, mask, outcome, x, beside,
            weight=weight, covariates=covariates, signals=signals, fitted_on=fitted_on,
        )  # fmt: skip
    if kind in ("identity", "temperature", "isotonic"):
        return fit(kind, conf, mask, outcome, fitted_on=fitted_on)
    p, listed = checked_lists(conf, mask)
    if len(p) == 0:
        raise ValueError("no cases to fit a calibrator on")
    y = checked_outcome(outcome, listed)
    common: dict[str, Any] = {"k": p.shape[1], "n_cases": len(p), "fitted_on": fitted_on}
    if kind == "sigmoid":
        lists = pooled(p, listed, beside, len(signals))
        hit = (y[:, None] == np.arange(p.shape[1]))[listed]
        parameters = _fit_sigmoid(item_features(lists)[listed], hit, [*FEATURES, *signals])
        return Calibrator("sigmoid", parameters=parameters, signals=tuple(signals), **common)
    if kind == "beta":
        return Calibrator("beta", parameters={"groups": by_rank(p, listed, y, _fit_beta)}, **common)
    if kind == "venn-abers":
        return Calibrator("venn-abers", parameters={"groups": by_rank(p, listed, y, _fit_venn_abers)}, **common)
    raise ValueError(f"unknown kind of calibrator {kind!r}")


def _fit_sigmoid(columns: Floats, hit: Bools, names: list[str]) -> dict[str, Any]:
    """Logistic regression with the same light L2 as the list-softmax.

    A confidence must not count against itself: where the weight of the stated one, or of a signal, comes out below
    0, the lowest such column is left out (weight 0) and the rest fitted again. For one column this is the optimum
    under the constraint, the loss being convex.
    """
    from sklearn.linear_model import LogisticRegression  # here: it takes a second to import

    weights = np.zeros(len(names))
    if _one_sided(hit):
        return {"features": names, "weights": weights.tolist(), "intercept": _flat(hit)}
    own = [names.index("stated"), *range(len(FEATURES), len(names))]
    kept = list(range(len(names)))
    while True:
        model = LogisticRegression(C=1 / PENALTY, tol=1e-8, max_iter=1000).fit(columns[:, kept], hit)
        found = dict(zip(kept, model.coef_[0].tolist(), strict=True))
        below = [column for column in own if found.get(column, 0.0) < 0]
        if not below:
            break
        kept.remove(min(below, key=lambda column: found[column]))
    weights[kept] = model.coef_[0]
    return {"features": names, "weights": weights.tolist(), "intercept": float(model.intercept_[0])}


def _fit_beta(p: Floats, hit: Bools) -> dict[str, float]:
    """Beta calibration with its three parameters. Where even one side alone slopes down, a flat map."""
    flat = {"a": 0.0, "b": 0.0, "c": _flat(hit)}
    if _one_sided(hit):
        return flat
    with warnings.catch_warnings():  # betacal silences every warning of the process
        from betacal import BetaCalibration

        found = BetaCalibration(parameters="abm").fit(np.clip(p, FLOOR, 1 - FLOOR), hit.astype(np.float64))
    a, b, _ = found.calibrator_.map_
    return flat if min(a, b) < 0 else {"a": float(a), "b": float(b), "c": float(found.calibrator_.lr_.intercept_[0])}


def _fit_venn_abers(p: Floats, hit: Bools) -> dict[str, list[float]]:
    """The steps of the inductive Venn-Abers predictor; for no items the interval is [0, 1] everywhere."""
    if len(p) == 0:
        return {"x": [0.5], "low": [0.0, 0.0], "high": [1.0, 1.0]}
    with np.errstate(), warnings.catch_warnings():  # importing venn_abers changes numpy's for the process
        from venn_abers.venn_abers import VennAbers

        np.seterr(divide="ignore", invalid="ignore")
        warnings.simplefilter("ignore", RuntimeWarning)  # 0/0 at its own places, by design
        found = VennAbers().fit(np.column_stack([1 - p, p]), hit.astype(np.float64))
    return {"x": found.c.tolist(), "low": found.p0[:, 1].tolist(), "high": found.p1[:, 1].tolist()}


def _one_sided(hit: Bools) -> bool:
    return bool(hit.all() or not hit.any())


def _flat(hit: Bools) -> float:
    """The log-odds of the rate of hits, kept a little off 0 and 1: n items can't show either rate."""
    n = len(hit)
    rate = float(np.clip(hit.mean() if n else 0.5, 1 / (n + 2), (n + 1) / (n + 2)))
    return float(np.log(rate / (1 - rate)))
