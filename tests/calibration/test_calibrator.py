"""The list-softmax and the isotonic fit recover a known distortion. What holds for every kind: `test_ladder`."""

import json

import numpy as np
import pytest
from known_lists import K, sample

from ddx.calibration.calibrator import Calibrator, list_log_scores, one_slope
from ddx.calibration.fitting import fit, mean_log_loss
from ddx.errors import InputError
from ddx.metrics.calibration import ece, ece_null


def test_recovers_a_temperature() -> None:
    conf, mask, outcome = sample(6000, 1.8)
    found = fit("list-softmax", conf, mask, outcome)
    slopes = np.exp(found.parameters["log_slope"])
    assert slopes[:2] == pytest.approx(1 / 1.8, abs=0.12)
    new, mask, outcome = sample(3000, 1.8, seed=1)
    calibrated, rescaled = found.apply(new, mask)
    assert mean_log_loss(calibrated, outcome) < mean_log_loss(new, outcome) - 0.02
    assert not rescaled.any()
    hit = outcome[:, None] == np.arange(K)
    assert ece(new, hit) > ece_null(new, draws=200).high
    assert ece(calibrated, hit) < ece_null(calibrated, draws=200).high * 1.5


def test_one_slope_is_recovered_and_is_the_list_softmax_with_it() -> None:
    conf, mask, outcome = sample(6000, 1.8)
    found = fit("temperature", conf, mask, outcome)
    log_slope = found.parameters["log_slope"]
    assert np.exp(log_slope) == pytest.approx(1 / 1.8, abs=0.03)
    same = Calibrator("list-softmax", k=K, parameters=one_slope(log_slope, K))
    new, mask, _ = sample(200, 1.8, seed=1)
    assert np.array_equal(found.apply(new, mask)[0], same.apply(new, mask)[0])


def test_few_cases_hold_the_temperature_near_one() -> None:
    """Five cases, all right at 60 %: unpenalised, the slope would run to its bound."""
    conf = np.tile([0.6, 0.2, 0.1, 0.05], (5, 1))
    found = fit("temperature", conf, conf > 0, np.zeros(5, dtype=int))
    assert 0 < found.parameters["log_slope"] < 1


def test_a_weight_is_how_often_a_case_counts() -> None:
    conf, mask, outcome = sample(300, 1.8)
    whole = np.random.default_rng(3).integers(0, 4, 300)
    new = sample(50, 1.8, seed=1)[:2]
    weighed = fit("list-softmax", conf, mask, outcome, weight=whole).apply(*new)[0]
    rows = np.repeat(np.arange(300), whole)
    assert weighed == pytest.approx(fit("list-softmax", conf[rows], mask[rows], outcome[rows]).apply(*new)[0], abs=1e-4)
    assert weighed != pytest.approx(fit("list-softmax", conf, mask, outcome).apply(*new)[0], abs=1e-3)
    for bad in (np.ones(299), np.zeros(300), -np.ones(300)):
        with pytest.raises(ValueError, match="weight"):
            fit("list-softmax", conf, mask, outcome, weight=bad)
    with pytest.raises(ValueError, match="no weights"):
        fit("temperature", conf, mask, outcome, weight=whole)


def test_a_covariate_moves_the_temperature() -> None:
    x = np.random.default_rng(2).normal(5, 2, (6000, 1))
    conf, mask, outcome = sample(6000, np.exp(0.4 * (x[:, 0] - 5) / 2))
    plain = fit("list-softmax", conf, mask, outcome)
    staged = fit("list-softmax", conf, mask, outcome, x, covariates=["log words"])
    assert staged.parameters["slope_shift"][0][0] == pytest.approx(-0.4, abs=0.1)
    by_stage = mean_log_loss(staged.apply(conf, mask, x)[0], outcome)
    assert by_stage < mean_log_loss(plain.apply(conf, mask)[0], outcome) - 0.01
    far = staged.apply(conf[:1], mask[:1], [[1e6]])[0]
    assert np.isfinite(far).all() and far == pytest.approx(staged.apply(conf[:1], mask[:1], [[1e7]])[0])


def test_a_second_list_that_knows_more_takes_over() -> None:
    """The stated list is noise around the truth, the second one the truth: pooled, it comes near the truth alone."""

    def noisy(true: np.ndarray, seed: int) -> np.ndarray:
        stated = true * np.exp(np.random.default_rng(seed).normal(0, 1.5, true.shape))
        return stated / np.maximum(1.0, 1.05 * stated.sum(axis=1))[:, None]

    true, mask, outcome = sample(6000, 1.0)
    plain = fit("list-softmax", noisy(true, 5), mask, outcome)
    both = fit("list-softmax", noisy(true, 5), mask, outcome, beside=true[None], signals=["truth"])
    new, mask, outcome = sample(3000, 1.0, seed=1)
    found = mean_log_loss(both.apply(noisy(new, 6), mask, beside=new[None])[0], outcome)
    assert found < mean_log_loss(plain.apply(noisy(new, 6), mask)[0], outcome) - 0.05
    assert found == pytest.approx(mean_log_loss(new, outcome), abs=0.01)


def test_isotonic_improves_and_reports_rescaling() -> None:
    conf, mask, outcome = sample(5000, 2.0)
    found = fit("isotonic", conf, mask, outcome)
    new, mask, outcome = sample(3000, 2.0, seed=1)
    calibrated, rescaled = found.apply(new, mask)
    assert mean_log_loss(calibrated, outcome) < mean_log_loss(new, outcome)
    assert (calibrated.sum(axis=1) <= 1 + 1e-9).all()
    assert np.allclose(calibrated[rescaled].sum(axis=1), 1) and (calibrated > 0).all()


def test_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    import scipy.optimize

    conf, mask, outcome = sample(50, 1.5)
    mask[::3, 2:] = False
    outcome[::3] = np.where(outcome[::3] >= 2, K, outcome[::3])
    x = np.random.default_rng(0).normal(size=(50, 2))
    minimise, seen = scipy.optimize.minimize, []

    def check_first(loss, start, **options):
        theta = np.random.default_rng(1).normal(0, 0.3, len(start))
        numeric = scipy.optimize.approx_fprime(theta, lambda t: loss(t)[0], 1e-6)
        seen.append(np.abs(loss(theta)[1] - numeric).max())
        return minimise(loss, start, **options)

    monkeypatch.setattr(scipy.optimize, "minimize", check_first)
    other = np.random.default_rng(3).dirichlet(np.ones(K + 1), 50)[:, :K] * mask
    fit("list-softmax", conf, mask, outcome, x, other[None], covariates=["a", "b"], signals=["other"])
    assert seen[0] < 1e-5


@pytest.mark.parametrize("change", [{"version": 9}, {"kind": "pickle"}, {"parameters": {}}, {"k": None}])
def test_bad_json_is_one_line(change: dict) -> None:
    conf, mask, outcome = sample(200, 1.5)
    body = json.loads(fit("list-softmax", conf, mask, outcome).to_json()) | change
    with pytest.raises(InputError, match=r"^model/calibrator\.json: .*fit it again$"):
        Calibrator.from_json(json.dumps(body), source="model/calibrator.json")
    for text in ("", "[]", "null", "{}"):
        with pytest.raises(InputError):
            Calibrator.from_json(text)


def test_a_rank_that_never_occurs_takes_after_its_neighbour() -> None:
    conf, mask, outcome = sample(1000, 1.5)
    mask[:, 3] = False
    outcome = np.where(outcome == 3, K, outcome)
    bias = fit("list-softmax", conf, mask, outcome).parameters["bias"]
    assert bias[3] == pytest.approx(bias[2], abs=0.01)


def test_membership_is_left_as_stated() -> None:
    conf, rescaled = Calibrator("identity", k=2, semantics="membership").apply([[0.9, 0.8]], [[1, 1]])
    assert conf.tolist() == [[0.9, 0.8]] and not rescaled.any()


def test_bad_input() -> None:
    conf, mask, outcome = sample(50, 1.5)
    with pytest.raises(ValueError, match="at most 4"):
        fit("identity", conf, mask, outcome).apply(np.zeros((1, 5)), np.ones((1, 5)))
    with pytest.raises(ValueError, match="no covariates"):
        fit("isotonic", conf, mask, outcome, np.zeros((50, 1)))
    with pytest.raises(ValueError, match="no lists beside"):
        fit("isotonic", conf, mask, outcome, beside=conf[None])
    with pytest.raises(ValueError, match="needs 0 lists"):
        fit("list-softmax", conf, mask, outcome).apply(conf, mask, beside=conf[None])
    with pytest.raises(ValueError, match="within 0 and 1"):
        fit("list-softmax", conf, mask, outcome, beside=conf[None] + 1, signals=["other"])
    with pytest.raises(ValueError, match="needs covariates"):
        fit("list-softmax", conf, mask, outcome).apply(conf, mask, np.zeros((50, 1)))
    with pytest.raises(ValueError, match="empty slot"):
        fit("identity", conf, np.zeros_like(mask), np.zeros(50, dtype=int))
    with pytest.raises(ValueError, match="0 to 4"):
        fit("identity", conf, mask, np.full(50, 5))
    with pytest.raises(ValueError, match="no cases"):
        fit("identity", conf[:0], mask[:0], outcome[:0])


def test_scores_of_an_unchanged_list_are_its_logarithms() -> None:
    p = np.array([[0.5, 0.3]])
    zero = np.zeros((1, 0))
    scores = list_log_scores(p[None], p > 0, zero, np.zeros((1, 3)), np.zeros(2), zero, zero[0])
    assert np.exp(scores) == pytest.approx(np.array([[0.5, 0.3, 0.2]]))
