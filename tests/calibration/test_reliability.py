"""Reliability data: complete, JSON-able, and a band that a calibrated model stays within."""

import json

import numpy as np
import pytest

from ddx.calibration.reliability import reliability, wilson
from ddx.metrics.calibration import draw_hits


def lists(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.floor(-np.sort(-rng.dirichlet(np.full(5, 0.7), n)[:, :4], axis=1) * 100) / 100


def test_wilson_agrees_with_scipy() -> None:
    from scipy.stats import binomtest

    for hits, n in ((0, 5), (3, 10), (50, 50), (17, 300)):
        theirs = binomtest(hits, n).proportion_ci(method="wilson")
        assert wilson(hits, n) == pytest.approx((theirs.low, theirs.high), abs=1e-6)
    assert wilson(0, 0) == (0.0, 1.0)


def test_counts_and_json() -> None:
    rng = np.random.default_rng(0)
    conf = lists(rng, 400)
    mask = conf > 0
    mask[:3] = False
    data = reliability(conf, draw_hits(conf, mask, rng), mask, draws=20)
    json.dumps(data, allow_nan=False)
    assert data["n_cases"] == int(mask.any(axis=1).sum()) and data["n_items"] == int(mask.sum())
    assert sum(b["n"] for b in data["bins"]) == data["n_items"]
    assert all(b["rate_low"] <= b["rate"] <= b["rate_high"] for b in data["bins"])
    assert data["corp"]["brier"] == pytest.approx(
        data["corp"]["mcb"] - data["corp"]["dsc"] + data["corp"]["unc"], abs=1e-12
    )
    assert data["band"]["level"] == 0.9


@pytest.mark.parametrize("shape", ["lists", "single", "membership"])
def test_a_calibrated_curve_stays_in_its_band(shape: str) -> None:
    """About 90 % of the points of the curve on average over samples; the bounds are loose."""
    rng = np.random.default_rng(1)
    shares, off = [], []
    for seed in range(12):
        conf = rng.random(400) if shape == "single" else lists(rng, 300)
        if shape == "membership":
            conf = np.minimum(conf * 1.5, 1)
        mask = conf > 0
        exclusive = shape != "membership"
        for hit, into in (
            (draw_hits(conf, mask, rng, exclusive), shares),
            (draw_hits(conf**2, mask, rng, exclusive), off),
        ):
            data = reliability(conf, hit, mask, draws=100, seed=seed, exclusive=exclusive)
            band = data["band"]
            curve = np.interp(band["x"], data["corp"]["x"], data["corp"]["y"])
            into.append(np.mean((curve >= np.array(band["low"])) & (curve <= np.array(band["high"]))))
    assert 0.75 <= np.mean(shares) <= 1.0
    assert np.mean(off) < 0.6


def test_nothing_listed() -> None:
    data = reliability(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((2, 3), dtype=bool))
    assert data["n_cases"] == 0 and data["bins"] == [] and data["ece"] is None
    json.dumps(data, allow_nan=False)
