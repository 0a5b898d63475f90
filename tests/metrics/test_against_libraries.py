"""Our calibration figures against other people's code, on the same arrays: many, with ties, one item, one outcome."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest

from ddx.metrics.calibration import corp, corp_of_cases, ece, isotonic
from ddx.metrics.per_case import Batch, brier_items

KINDS = ("spread", "percents", "few", "all hits", "no hits", "one hit", "one miss", "one confidence")


def arrays(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Confidences [n] in [0, 1) and hits [n] of 0 and 1."""
    rng = np.random.default_rng(KINDS.index(kind))
    n = {"few": 7, "one hit": 1, "one miss": 1}.get(kind, 600)
    conf = rng.random(n)
    if kind in ("percents", "few"):
        conf = np.floor(conf * 20) / 20
    if kind == "one confidence":
        conf = np.full(n, 0.37)
    hit = (rng.random(n) < conf**1.7).astype(float)
    if kind in ("all hits", "one hit"):
        hit[:] = 1
    if kind in ("no hits", "one miss"):
        hit[:] = 0
    return conf, hit


@pytest.mark.parametrize("kind", KINDS)
def test_brier_is_scikit_learns(kind: str) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    conf, hit = arrays(kind)
    theirs = metrics.brier_score_loss(hit, conf, labels=[0, 1])
    assert corp(conf, hit).brier == pytest.approx(theirs, abs=1e-9)
    n = len(conf)
    batch = Batch(np.zeros((n, 1), int), conf[:, None], np.where(hit == 1, 0, 1), [{0}] * n, np.ones(n, bool))
    assert brier_items(batch).mean() == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("kind", [k for k in KINDS if not k.startswith("one ") or k == "one confidence"])
def test_corp_is_model_diagnostics(kind: str) -> None:
    """The numbers of test_calibration.py hold on every kind of array (the other library refuses a single item)."""
    scoring = pytest.importorskip("model_diagnostics.scoring")
    conf, hit = arrays(kind)
    ours, theirs = corp(conf, hit), scoring.decompose(hit, conf, scoring_function=scoring.SquaredError())
    for mine, name in ((ours.mcb, "miscalibration"), (ours.dsc, "discrimination"), (ours.unc, "uncertainty")):
        assert mine == pytest.approx(theirs[name][0], abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_curve_is_scikit_learns_isotonic_regression(kind: str) -> None:
    from sklearn.isotonic import IsotonicRegression

    conf, hit = arrays(kind)
    fitted = corp(conf, hit)
    theirs = IsotonicRegression(y_min=0, y_max=1).fit(conf, hit).predict(conf)
    assert np.interp(conf, fitted.curve_x, fitted.curve_y) == pytest.approx(theirs, abs=1e-9)
    x, inverse, counts = np.unique(conf, return_inverse=True, return_counts=True)
    rate = np.bincount(inverse, weights=hit) / counts
    assert isotonic(rate, counts.astype(float))[inverse] == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize("bins", [8, 16])
@pytest.mark.parametrize("kind", KINDS)
def test_ece_is_relplots(kind: str, bins: int) -> None:
    """The same definition where the edges are exact in binary; relplot puts a confidence of 1 in a bin of its own."""
    matplotlib.use("Agg")
    metrics = pytest.importorskip("relplot").metrics
    conf, hit = arrays(kind)
    if kind in ("percents", "few"):
        conf = np.floor(conf * bins) / bins  # every confidence on an edge
    assert ece(conf, hit, bins=bins) == pytest.approx(metrics.binnedECE(conf, hit, nbins=bins), abs=1e-9)


def test_ece_of_ten_bins_is_relplots_away_from_the_edges() -> None:
    metrics = pytest.importorskip("relplot").metrics
    conf, hit = arrays("spread")
    assert ece(conf, hit) == pytest.approx(metrics.binnedECE(conf, hit, nbins=10), abs=1e-9)
    assert ece([1.0], [0.0]) == metrics.binnedECE(np.array([1.0]), np.array([0.0])) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_ece_of_equal_mass_restated(kind: str) -> None:
    """No library shares this definition (ties never split, by the middle rank), so it is written out once more."""
    conf, hit = arrays(kind)
    n = len(conf)
    gaps = np.zeros(10)
    for q, y in zip(conf, hit, strict=True):
        middle = (conf < q).sum() + (conf == q).sum() / 2
        gaps[int(middle * 10 / n)] += y - q
    assert ece(conf, hit, scheme="mass") == pytest.approx(np.abs(gaps).sum() / n, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_corp_of_resampled_cases_is_corp(kind: str) -> None:
    """The quick way to resample gives what `corp` gives on the resampled arrays, for items and for lists."""
    conf, hit = arrays(kind)
    rng = np.random.default_rng(0)
    pairs = [(conf, hit, None)]
    if len(conf) % 3 == 0:
        mask = rng.random((len(conf) // 3, 3)) < 0.7
        pairs.append((conf.reshape(-1, 3), hit.reshape(-1, 3), mask))
    for q, y, mask in pairs:
        of = corp_of_cases(q, y, mask)
        for _ in range(5):
            rows = rng.integers(0, len(q), len(q))
            quick, slow = of(rows), corp(q[rows], y[rows], None if mask is None else mask[rows])
            assert quick.n == slow.n and np.array_equal(quick.curve_x, slow.curve_x)
            for name in ("mcb", "dsc", "unc", "brier"):
                assert getattr(quick, name) == pytest.approx(getattr(slow, name), abs=1e-12)
