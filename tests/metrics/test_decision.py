"""Net benefit against dcurves, and what a calibrated or a timid probability must show."""

import json

import numpy as np
import pandas as pd
import pytest

from ddx.metrics.aggregate import mean_interval
from ddx.metrics.decision import THRESHOLDS, decision_curve, must_not_miss, net_benefit
from ddx.metrics.per_case import EMPTY, UNMATCHED, Batch


def sample(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    probability = rng.beta(0.8, 2.5, n)
    return probability, rng.random(n) < probability


@pytest.mark.parametrize("digits", [8, 2], ids=["distinct", "on the thresholds"])
def test_agrees_with_dcurves(digits: int) -> None:
    from dcurves import dca

    probability, event = sample(700, 0)
    probability = np.round(probability, digits)
    theirs = dca(
        data=pd.DataFrame({"event": event, "model": probability}),
        outcome="event",
        modelnames=["model"],
        thresholds=THRESHOLDS,
    ).pivot(index="threshold", columns="model", values="net_benefit")
    assert net_benefit(probability, event).mean(axis=0) == pytest.approx(theirs["model"].to_numpy(), abs=1e-9)
    assert net_benefit(np.ones(700), event).mean(axis=0) == pytest.approx(theirs["all"].to_numpy(), abs=1e-9)
    assert net_benefit(np.zeros(700), event).mean(axis=0) == pytest.approx(theirs["none"].to_numpy(), abs=1e-9)


def test_curve_and_intervals() -> None:
    probability, event = sample(400, 1)
    curve = decision_curve(probability, event, [0.1, 0.3], draws=300, seed=4)
    json.dumps(curve, allow_nan=False)
    assert curve["n"] == 400 and curve["events"] == event.sum() and curve["thresholds"] == [0.1, 0.3]
    each = net_benefit(probability, event, [0.1, 0.3])
    assert curve["model"][1] == mean_interval(each[:, 1], 300, 4).to_dict()
    for model, everyone, more in zip(curve["model"], curve["treat_all"], curve["minus_treat_all"], strict=True):
        assert more["value"] == pytest.approx(model["value"] - everyone["value"])
        assert more["high"] - more["low"] < everyone["high"] - everyone["low"]  # the same cases: paired


def test_calibrated_loses_to_neither_and_timid_loses_to_treat_all() -> None:
    probability, event = sample(20_000, 2)
    best = np.maximum(0, net_benefit(np.ones(20_000), event).mean(axis=0))
    gain = net_benefit(probability, event).mean(axis=0) - best
    assert (gain > 0).all() and gain.max() > 0.05
    assert (net_benefit(probability / 10, event).mean(axis=0) - best).min() < -0.05


def test_must_not_miss() -> None:
    severe = [True, False, True, False]
    batch = Batch(
        [[0, 1, 2], [3, UNMATCHED, EMPTY], [0, 0, 1], [2, 0, 1]],
        [[0.5, 0.3, 0.1], [0.7, 0.2, 0.0], [0.4, 0.3, 0.2], [0.6, 0.3, 0.1]],
        [1, 2, 0, 3],
        [{1}, {2}, {0}, {3}],
        [True, True, True, False],
    )
    probability, event = must_not_miss(batch, severe)
    assert probability == pytest.approx(
        [0.6, 0.0, 0.4, 0.0]
    )  # a repeat counts once, an unreadable answer warns of none
    assert event.tolist() == [False, True, True, False]


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="1 pathologies are outside"):
        must_not_miss(Batch([[0]], [[0.5]], [-1], [{0}], [True]), [True])
    for bad in (([0.5], [1, 0], [0.1]), ([1.2], [1], [0.1]), ([0.5], [1], [1.0]), ([np.nan], [1], [0.1])):
        with pytest.raises(ValueError):
            net_benefit(*bad)
