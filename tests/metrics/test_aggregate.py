"""The bootstrap: right values, intervals that cover, the same answer by both ways of drawing."""

import numpy as np
import pytest

from ddx.metrics.aggregate import Estimate, interval_of, mean_interval, paired_difference, ratio


def test_interval_matches_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(2, 1, 2000)
    e = mean_interval(values)
    half = 1.96 * values.std() / np.sqrt(2000)
    assert e.value == pytest.approx(values.mean()) and e.n == 2000
    assert e.low == pytest.approx(e.value - half, abs=0.006) and e.high == pytest.approx(e.value + half, abs=0.006)


def test_few_and_many_distinct_values_agree() -> None:
    hits = (np.random.default_rng(0).random(1000) < 0.3).astype(float)
    few = mean_interval(hits, draws=4000)
    many = mean_interval(hits + np.arange(1000) * 1e-9, draws=4000)
    assert few.low == pytest.approx(many.low, abs=0.004) and few.high == pytest.approx(many.high, abs=0.004)


def test_covers_about_as_often_as_stated() -> None:
    rng = np.random.default_rng(1)
    inside = 0
    for seed in range(200):
        e = mean_interval(rng.random(200) < 0.4, draws=400, seed=seed)
        inside += e.low <= 0.4 <= e.high
    assert 180 <= inside <= 199


def test_same_seed_same_interval() -> None:
    values = np.random.default_rng(0).random(300)
    assert mean_interval(values, seed=3) == mean_interval(values, seed=3) != mean_interval(values, seed=4)


def test_undefined_cases_are_left_out() -> None:
    assert mean_interval([1.0, np.nan, 0.0]).n == 2
    nothing = mean_interval([np.nan])
    assert isinstance(nothing, Estimate) and nothing.n == 0 and np.isnan(nothing.value)


def test_pairing_narrows() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=500)
    b = a + rng.normal(0.1, 0.1, 500)
    d = paired_difference(a, b)
    assert d.high < 0 and d.high - d.low < 0.05
    with pytest.raises(ValueError, match="same cases"):
        paired_difference([1, 2], [1])


def test_ratio() -> None:
    rng = np.random.default_rng(0)
    e = ratio(rng.poisson(60, 400), rng.poisson(2, 400))
    assert 27 < e.low < e.value < e.high < 37
    none = ratio([5, 5], [0, 0])
    assert none.value == none.low == none.high == np.inf


def test_interval_of_any_statistic() -> None:
    values = np.random.default_rng(0).random(200)
    e = interval_of(lambda rows: float(np.median(values[rows])), 200, draws=200)
    assert e.low < e.value < e.high and e.value == np.median(values)
