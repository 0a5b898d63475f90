"""ECE, its null, and CORP."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ddx.metrics.calibration import corp, draw_hits, ece, ece_null, item_bins


def lists(rng: np.random.Generator, n: int, k: int = 4) -> np.ndarray:
    return -np.sort(-rng.dirichlet(np.full(k + 1, 0.6), n)[:, :k], axis=1)


@pytest.mark.parametrize(("n", "expected"), [(100, 0.085), (1000, 0.029)])
def test_null_of_the_design(n: int, expected: float) -> None:
    null = ece_null(np.random.default_rng(0).random(n))
    assert null.mean == pytest.approx(expected, rel=0.2)
    assert null.low < null.mean < null.high


@pytest.mark.parametrize("scheme", ["width", "mass"])
@pytest.mark.parametrize("shape", ["items", "percents", "lists"])
def test_a_calibrated_sample_lies_in_its_null(shape: str, scheme: str) -> None:
    rng = np.random.default_rng(5)
    inside, runs = 0, 150
    for seed in range(runs):
        conf = lists(rng, 150) if shape == "lists" else rng.random(300)
        if shape == "percents":
            conf = np.round(conf * 20) / 20
        mask = conf > 0.02
        hit = draw_hits(conf, mask, rng)
        null = ece_null(conf, scheme=scheme, draws=200, seed=seed, mask=mask)
        inside += null.low <= ece(conf, hit, scheme=scheme, mask=mask) <= null.high
    assert 0.88 * runs <= inside <= runs


def test_a_miscalibrated_sample_does_not() -> None:
    rng = np.random.default_rng(0)
    conf = rng.random(1000)
    assert ece(conf, rng.random(1000) < conf**2) > ece_null(conf).high


def test_one_outcome_a_case() -> None:
    rng = np.random.default_rng(0)
    conf = np.tile([0.5, 0.3, 0.1], (20_000, 1))
    hit = draw_hits(conf, np.ones_like(conf, dtype=bool), rng)
    assert hit.sum(axis=1).max() == 1
    assert hit.mean(axis=0) == pytest.approx([0.5, 0.3, 0.1], abs=0.015)
    with pytest.raises(ValueError, match="more than 1"):
        ece_null(np.array([[0.9, 0.9]]))
    assert ece_null(np.array([[0.9, 0.9]]), exclusive=False).mean >= 0


def test_equal_confidences_share_a_bin() -> None:
    conf = np.array([0.1] * 7 + [0.2] * 2 + [0.9])
    which = item_bins(conf, 5, "mass")
    assert len(set(which[:7])) == 1 and len(set(which[7:9])) == 1
    assert item_bins(np.array([0.0, 0.1, 0.3, 0.7, 1.0]), 10, "width").tolist() == [0, 1, 3, 7, 9]
    even = item_bins(np.random.default_rng(0).random(1000), 10, "mass")
    assert np.bincount(even).tolist() == [100] * 10


def test_corp_agrees_with_model_diagnostics() -> None:
    scoring = pytest.importorskip("model_diagnostics.scoring")
    rng = np.random.default_rng(0)
    conf = np.round(rng.random(800), 2)
    hit = (rng.random(800) < conf**1.5).astype(float)
    ours = corp(conf, hit)
    theirs = scoring.decompose(hit, conf, scoring_function=scoring.SquaredError())
    assert ours.mcb == pytest.approx(theirs["miscalibration"][0], abs=1e-12)
    assert ours.dsc == pytest.approx(theirs["discrimination"][0], abs=1e-12)
    assert ours.unc == pytest.approx(theirs["uncertainty"][0], abs=1e-12)
    assert ours.brier == pytest.approx(theirs["score"][0], abs=1e-12)
    assert ours.brier_skill == pytest.approx((ours.dsc - ours.mcb) / ours.unc)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_corp_properties(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 40))
    conf = data.draw(arrays(float, n, elements=st.floats(0, 1)))
    hit = data.draw(arrays(bool, n))
    c = corp(conf, hit)
    assert c.brier == pytest.approx(c.mcb - c.dsc + c.unc, abs=1e-12)
    assert c.mcb >= -1e-12 and c.dsc >= -1e-12
    assert (np.diff(c.curve_y) >= 0).all() and (np.diff(c.curve_x) > 0).all()
    assert 0 <= ece(conf, hit) <= 1
    order = np.random.default_rng(0).permutation(n)
    assert ece(conf[order], hit[order], scheme="mass") == pytest.approx(ece(conf, hit, scheme="mass"))


def test_nothing_to_score() -> None:
    assert np.isnan(ece([], [])) and np.isnan(ece_null([]).mean) and corp([], []).n == 0
    assert np.isnan(corp([0.3, 0.4], [0, 0]).brier_skill)
