"""List lengths keep their promise over resplits, agree with crepes and MAPIE, and refuse what no list can hold."""

import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import betabinom

from ddx.calibration import conformal
from ddx.calibration.conformal import REFUSED, ListLength, fit_lengths, quantile_rank
from ddx.errors import InputError

K = 5
RESPLITS = 500


def calibrated(n: int, seed: int, sharpness: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ranked lists that mean what they say, and what happened. "Something else" is the least likely, so that the first
    diagnosis always lies above the cut and "at least one" never adds to the coverage."""
    rng = np.random.default_rng(seed)
    shares = -np.sort(-rng.dirichlet(np.full(K + 1, sharpness), n), axis=1)
    outcome = (rng.random((n, 1)) >= np.cumsum(shares, axis=1)[:, :K]).sum(axis=1)
    return shares[:, :K], np.ones((n, K), dtype=bool), outcome


def joined(*parts: tuple[np.ndarray, np.ndarray, np.ndarray]) -> list[np.ndarray]:
    return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]


def coverages(
    pool: tuple[np.ndarray, np.ndarray, np.ndarray], n: int, target: float, smoothed: bool = False
) -> np.ndarray:
    """The share of the other cases whose pathology is shown, after fitting on n at random; [RESPLITS]."""
    conf, mask, outcome = pool
    rng = np.random.default_rng(1)
    found = []
    for split in range(RESPLITS):
        order = rng.permutation(len(conf))
        a, b = order[:n], order[n:]
        rule = fit_lengths(conf[a], mask[a], outcome[a], target=target)
        found.append(np.mean(outcome[b] < rule.lengths(conf[b], mask[b], seed=split if smoothed else None)))
    return np.array(found)


def far_from_exact(found: np.ndarray, n: int, m: int, rank: int) -> float:
    """By how many standard errors the mean coverage misses the exact one. Without ties the number of m new cases that
    are covered is beta-binomial (m, r, n + 1 − r), and the resplits of one pool are independent draws of it."""
    exact = betabinom(m, rank, n + 1 - rank)
    return float((found.mean() - exact.mean() / m) / (exact.std() / m / np.sqrt(len(found))))


def test_coverage_is_the_exact_one_and_a_broken_quantile_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    n, m, target = 40, 200, 0.8
    pool = calibrated(n + m, 0)
    rank = quantile_rank(n, target)
    found = coverages(pool, n, target)
    assert abs(far_from_exact(found, n, m, rank)) < 3.3
    assert found.mean() > target
    spread = betabinom(m, rank, n + 1 - rank).std() / m
    assert found.std() == pytest.approx(spread, rel=0.1)
    broken = {
        "no finite-sample correction, which is one too low": lambda n, t: int(np.ceil(n * t - 1e-9)),
        "one too high": lambda n, t: quantile_rank(n, t) + 1,
    }
    for name, wrong in broken.items():
        monkeypatch.setattr(conformal, "quantile_rank", wrong)
        assert abs(far_from_exact(coverages(pool, n, target), n, m, rank)) > 5, name


def test_smoothed_is_exact_even_with_ties() -> None:
    n, target = 40, 0.8
    conf, mask, outcome = calibrated(240, 0)
    pool = (np.round(conf * 10) / 10, mask, outcome)
    exact = coverages(pool, n, target, smoothed=True)
    assert exact.mean() == pytest.approx(target, abs=3.3 * exact.std() / np.sqrt(RESPLITS))
    assert coverages(pool, n, target).mean() > target + 0.01


def test_each_group_keeps_the_target_where_one_cut_for_all_does_not() -> None:
    target, n = 0.6, 4000
    parts = [calibrated(n, seed, sharpness) for seed, sharpness in ((1, 0.2), (2, 20.0))]
    conf, mask, outcome = joined(*parts)
    groups = np.repeat(["sure", "unsure"], n)
    fitting = np.arange(2 * n) % 2 == 0
    rule = fit_lengths(conf[fitting], mask[fitting], outcome[fitting], groups[fitting], target=target)
    conf, mask, outcome, groups = (part[~fitting] for part in (conf, mask, outcome, groups))
    own, one = outcome < rule.lengths(conf, mask, groups), outcome < rule.lengths(conf, mask)
    unsure = groups == "unsure"
    four_sd = 4 * np.sqrt(2 * target * (1 - target) / (n / 2))  # of the cut and of the new cases
    assert own[unsure].mean() == pytest.approx(target, abs=four_sd) and own[~unsure].mean() > target - four_sd
    assert one.mean() > target - four_sd and one[unsure].mean() < target - 0.1
    assert rule.notes == ()


def given_to_pathology(conf: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    return np.column_stack([conf, np.full(len(conf), -np.inf)])[np.arange(len(conf)), outcome]


@pytest.mark.parametrize("target", [0.5, 0.8, 0.87])
@pytest.mark.parametrize("step", [0.0, 0.05], ids=["distinct", "tied"])
def test_agrees_with_crepes(target: float, step: float) -> None:
    from crepes import ConformalClassifier

    conf, mask, outcome = calibrated(600, 3)
    conf = np.round(conf / step) * step if step else conf
    groups = np.where(np.arange(600) % 3 == 0, "a", "b")  # 100 and 198 fitted on: (n + 1)·target is not whole
    fitting, new = np.arange(600) < 300, np.arange(600) >= 300
    fitting[298:300] = False
    rule = fit_lengths(conf[fitting], mask[fitting], outcome[fitting], groups[fitting], target=target, least_cases=50)
    theirs = ConformalClassifier().fit(1 - given_to_pathology(conf, outcome)[fitting], bins=groups[fitting])
    sets = theirs.predict_set(1 - conf[new], bins=groups[new], confidence=target, smoothing=False)
    assert np.array_equal(rule.lengths(conf[new], mask[new], groups[new]), np.maximum(1, sets.sum(axis=1)))
    for name, cut in rule.groups.items():
        where = np.array([[cut.least, (cut.least + cut.above) / 2, cut.above]])
        full = theirs.predict_p(1 - where, bins=[name], smoothing=False)
        np.random.seed(0)
        theta = np.random.rand(1, 3)
        smoothed = theirs.predict_p(1 - where, bins=[name], seed=0)
        none = (smoothed - theta * full) / (1 - theta)  # their p-value is linear in theta, from `none` to `full`
        chance = 1 - np.clip((1 - target - none) / (full - none), 0, 1)
        assert cut.chances == pytest.approx(chance[0], abs=1e-9)


@pytest.mark.filterwarnings("ignore:WARNING. your conformalization dataset has less labels")
def test_agrees_with_mapie() -> None:
    from mapie.classification import SplitConformalClassifier

    class AsGiven:
        """A classifier whose features are its probabilities."""

        classes_ = np.arange(K + 1)

        def fit(self, x: np.ndarray, y: np.ndarray) -> None: ...

        def predict(self, x: np.ndarray) -> np.ndarray:
            return x.argmax(axis=1)

        def predict_proba(self, x: np.ndarray) -> np.ndarray:
            return x

    conf, mask, outcome = calibrated(700, 4, sharpness=0.7)
    conf, mask, outcome = (part[outcome < K] for part in (conf, mask, outcome))
    conf = conf / conf.sum(axis=1, keepdims=True)  # MAPIE wants a sum of 1, and has no outcome beyond its classes
    complete = np.column_stack([conf, np.zeros(len(conf))])
    rule = fit_lengths(conf[:299], mask[:299], outcome[:299], target=0.9)
    theirs = SplitConformalClassifier(AsGiven(), confidence_level=0.9, conformity_score="lac", prefit=True)
    theirs.conformalize(complete[:299], outcome[:299])
    sets = theirs.predict_set(complete[299:])[1][:, :, 0]
    assert 1 - theirs._mapie_classifier.quantiles_[0] == pytest.approx(rule.pooled.least, abs=1e-9)
    assert np.array_equal(rule.lengths(conf[299:], mask[299:]), np.maximum(1, sets.sum(axis=1)))


def test_rank_in_exact_arithmetic() -> None:
    for n in range(1, 400):
        for percent in range(1, 100):
            assert quantile_rank(n, percent / 100) == -(-Fraction(percent, 100) * (n + 1) // 1)


def with_ceiling(n: int, listed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    conf, mask, _ = calibrated(n, 5)
    return conf, mask, np.where(np.arange(n) < listed, np.arange(n) % 2, K)


def test_no_target_above_the_ceiling() -> None:
    cases = with_ceiling(199, 140)  # 140/200
    assert fit_lengths(*cases, target=0.7).pooled.ceiling == 0.7
    with pytest.raises(InputError, match=r"^a target of 0\.701 .* at most 0\.700: .* 140 of n=199 calibration cases"):
        fit_lengths(*cases, target=0.701)
    for target in (0, 1, 1.2):
        with pytest.raises(InputError, match="between 0 and 1"):
            fit_lengths(*cases, target=target)


def test_one_group_refused_the_others_served() -> None:
    conf, mask, outcome = joined(with_ceiling(150, 90), with_ceiling(150, 148))
    groups = np.repeat(["initial", "full"], 150)
    rule = fit_lengths(conf, mask, outcome, groups, target=0.9)
    assert len(rule.notes) == 2 and "initial: 0.9 cannot be promised, at most 0.596" in rule.notes[1]
    for seed in (None, 1):
        lengths = rule.lengths(conf, mask, groups, seed=seed)
        assert (lengths[:150] == REFUSED).all() and (lengths[150:] >= 0).all()
    assert rule.lengths(conf, mask, groups)[150:].min() >= 1
    assert (rule.lengths(conf, mask) == REFUSED).all()  # all cases together hold 238/301


def test_small_and_unknown_groups_take_the_cut_of_all() -> None:
    conf, mask, outcome = calibrated(400, 6)
    groups = np.where(np.arange(400) < 40, "few", "many")
    rule = fit_lengths(conf, mask, outcome, groups, target=0.8)
    assert rule.few == {"few": 40} and list(rule.groups) == ["many"]
    assert rule.notes == ("group few: 40 calibration cases are too few; cut as all cases",)
    assert rule.cut_of("few") is rule.cut_of("never seen") is rule.pooled
    assert rule.cut_of("many").n == 360 and rule.pooled.n == 400


def test_an_empty_list_shows_nothing() -> None:
    rule = fit_lengths(*calibrated(200, 7), target=0.8)
    mask = np.zeros((2, K), dtype=bool)
    mask[1, 0] = True
    assert rule.lengths(np.full((2, K), 0.001), mask).tolist() == [0, 1]  # what is listed is never all withheld


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(5, 60), st.sampled_from([0.05, 0.3, 0.5, 0.7]))
def test_what_always_holds(seed: int, n: int, target: float) -> None:
    """On the cases fitted on: covered as often as asked; chance never shows more, a higher target never less."""
    rng = np.random.default_rng(seed)
    conf, mask, outcome = calibrated(n, seed)
    conf = np.round(conf, int(rng.integers(1, 4)))
    mask[rng.random(n) < 0.1, 3:] = False
    outcome = np.where(mask[np.arange(n), np.minimum(outcome, K - 1)], outcome, K)
    try:
        rule = fit_lengths(conf, mask, outcome, target=target)
    except InputError:
        assert np.mean(outcome < K) < target * (n + 1) / n
        return
    lengths = rule.lengths(conf, mask)
    assert np.mean(outcome < lengths) >= target
    assert (rule.lengths(conf, mask, seed=seed) <= lengths).all() and lengths.min() >= 1
    assert (fit_lengths(conf, mask, outcome, target=target / 2).lengths(conf, mask) <= lengths).all()


def test_json_round_trip() -> None:
    conf, mask, outcome = joined(with_ceiling(150, 90), calibrated(180, 8))
    groups = np.repeat(["low", "high", "few"], [150, 150, 30])
    rule = fit_lengths(conf, mask, outcome, groups, target=0.75, fitted_on="ab" * 32)
    again = ListLength.from_json(rule.to_json())
    assert again == rule and again.to_json() == rule.to_json() and again.fitted_on == "ab" * 32
    assert set(rule.groups) == {"low", "high"} and rule.groups["low"].least is None
    for seed in (None, 3):
        assert np.array_equal(again.lengths(conf, mask, groups, seed), rule.lengths(conf, mask, groups, seed))


CUT = {"n": 9, "listed": 8, "least": 0.2, "above": 0.3, "chances": [0.5, 1, 1]}
BAD_CUTS = [{}, CUT | {"least": 0.4}, CUT | {"above": 1.1}, CUT | {"chances": [2, 1, 1]}, CUT | {"listed": 10}]
BAD = [{"version": 9}, {"k": None}, {"groups": [1]}, {"few": {"a": "x"}}, *({"pooled": cut} for cut in BAD_CUTS)]


@pytest.mark.parametrize("change", BAD)
def test_bad_json_is_one_line(change: dict) -> None:
    body = json.loads(fit_lengths(*calibrated(200, 9), target=0.8).to_json())
    ListLength.from_json(json.dumps(body | {"pooled": CUT}))
    body |= change
    with pytest.raises(InputError, match=r"^model/lengths\.json: .*fit it again$"):
        ListLength.from_json(json.dumps(body), source="model/lengths.json")
    for text in ("", "[]", "null", "{}"):
        with pytest.raises(InputError):
            ListLength.from_json(text)


def test_bad_input() -> None:
    conf, mask, outcome = calibrated(200, 10)
    rule = fit_lengths(conf, mask, outcome, target=0.8)
    with pytest.raises(ValueError, match="ranked"):
        rule.lengths(conf[:, ::-1], mask)
    with pytest.raises(ValueError, match="ranked"):
        rule.lengths(conf, mask & (np.arange(K) != 2))
    with pytest.raises(ValueError, match="5 slots"):
        rule.lengths(conf[:, :4], mask[:, :4])
    with pytest.raises(ValueError, match="one name"):
        rule.lengths(conf, mask, ["a"])
    with pytest.raises(ValueError, match="0 to 5"):
        fit_lengths(conf, mask, outcome + 1, target=0.8)
    with pytest.raises(ValueError, match="no cases"):
        fit_lengths(conf[:0], mask[:0], outcome[:0], target=0.8)
    with pytest.raises(ValueError, match="empty slot"):
        fit_lengths(conf, mask & (np.arange(K) < 1), np.ones(200, dtype=int), target=0.8)
