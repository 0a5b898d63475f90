"""The curve by counting, the bound against scipy, the testing against MAPIE, and the guarantee over many draws."""

import json

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from ddx.calibration import selective
from ddx.calibration.selective import (
    THRESHOLDS,
    Abstention,
    aurc,
    clopper_pearson_upper,
    fit_abstention,
    mistakes,
    proven,
    risk_coverage,
)
from ddx.errors import InputError


def test_curve_by_counting() -> None:
    rng = np.random.default_rng(0)
    score = np.round(rng.random(300), 2)
    wrong = rng.random(300) > score
    curve = risk_coverage(score, wrong)
    assert np.array_equal(curve.threshold, np.unique(score)[::-1]) and curve.coverage[-1] == 1
    for threshold, coverage, risk in zip(*curve, strict=True):
        assert coverage == pytest.approx(np.mean(score >= threshold), abs=1e-12)
        assert risk == pytest.approx(wrong[score >= threshold].mean(), abs=1e-12)
    assert aurc(score, wrong) == pytest.approx(np.mean([wrong[score >= s].mean() for s in score]), abs=1e-12)


def test_aurc_of_known_scores() -> None:
    wrong = np.arange(1000) >= 800
    best, worst = aurc(1 - wrong, wrong), aurc(wrong, wrong)
    assert best == pytest.approx(0.2 * 0.2) and worst == pytest.approx(0.2 * 1 + 0.8 * 0.2)  # two scores, two points
    distinct = np.linspace(1, 0, 1000)  # as good an order without ties: the mean of (i − 800)/i over i above 800
    assert aurc(distinct, wrong) == pytest.approx(sum((i - 800) / i for i in range(801, 1001)) / 1000)
    assert aurc(np.full(1000, 0.5), wrong) == pytest.approx(0.2)
    assert np.isnan(aurc([], []))


def test_mistakes() -> None:
    conf, mask = [[0.6, 0.3], [0.5, 0.2], [0.9, 0.0]], [[1, 1], [1, 1], [1, 0]]
    score, wrong = mistakes(conf, mask, [0, 1, 2], "first")
    assert score.tolist() == [0.6, 0.5, 0.9] and wrong.tolist() == [False, True, True]
    score, wrong = mistakes(conf, mask, [0, 1, 2], "list")
    assert score == pytest.approx([0.9, 0.7, 0.9]) and wrong.tolist() == [False, False, True]


def test_bound_agrees_with_scipy() -> None:
    for errors, n in ((0, 7), (3, 40), (40, 40), (211, 500)):
        theirs = binomtest(errors, n, alternative="less").proportion_ci(0.98, method="exact")
        assert clopper_pearson_upper(errors, n, 0.02) == pytest.approx(theirs.high, abs=1e-9)


def test_fixed_sequence_agrees_with_mapie() -> None:
    from mapie.risk_control.fwer_control import FWERFixedSequenceTesting, control_fwer

    rng = np.random.default_rng(0)
    for _ in range(50):
        passed = rng.random(100) < rng.choice([0.3, 0.9, 0.99])
        theirs = control_fwer(np.where(passed, 0.01, 0.5), 0.1, FWERFixedSequenceTesting(n_starts=5))
        assert np.array_equal(proven(passed, 5), theirs)


def truly_wrong(score: np.ndarray) -> np.ndarray:
    """A score that tells something, calibrated nowhere, and misleading at the top."""
    return np.where(score > 0.97, 0.2, 0.6 * (1 - score))


def true_risks() -> np.ndarray:
    """The risk at each threshold for scores even between 0 and 1."""
    fine = (np.arange(100_000) + 0.5) / 100_000
    return np.array([truly_wrong(fine[fine >= t]).mean() for t in THRESHOLDS])


def draws_of_rules(n: int, risk: float, delta: float) -> tuple[float, float, float]:
    """Over 500 calibration sets: how often the rule's true risk is too high, how often it refuses, share answered."""
    risks = dict(zip(THRESHOLDS.tolist(), true_risks(), strict=True))
    rng = np.random.default_rng(0)
    broken, refused, answered = [], 0, []
    for _ in range(500):
        score = rng.random(n)
        wrong = rng.random(n) < truly_wrong(score)
        try:
            rule = fit_abstention(score, wrong, what="first", risk=risk, delta=delta)
        except InputError:
            refused += 1
            broken.append(False)
            continue
        broken.append(risks[rule.threshold] > risk)
        answered.append(1 - rule.threshold)
    return float(np.mean(broken)), refused / 500, float(np.mean(answered))


def test_the_guarantee_holds_and_the_bare_rate_breaks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    n, risk, delta = 3000, 0.15, 0.1
    broken, refused, answered = draws_of_rules(n, risk, delta)
    assert broken * 500 <= binom(500, delta).ppf(0.999)
    possible = float((1 - THRESHOLDS)[true_risks() <= risk].max())
    assert refused < 0.05 and answered > 0.6 * possible
    monkeypatch.setattr(selective, "clopper_pearson_upper", lambda e, n, delta: e / np.maximum(n, 1))
    assert draws_of_rules(n, risk, delta)[0] * 500 > binom(500, delta).ppf(0.999)


def test_the_rule() -> None:
    rng = np.random.default_rng(1)
    score = rng.random(2000)
    wrong = rng.random(2000) < truly_wrong(score)
    rule = fit_abstention(score, wrong, what="first", risk=0.2, fitted_on="ab" * 32)
    answers = rule.answers(score)
    assert answers.sum() == rule.answered and wrong[answers].sum() == rule.wrong
    assert wrong[answers].mean() < rule.upper <= 0.2
    stricter = fit_abstention(score, wrong, what="first", risk=0.2, delta=0.01)
    assert stricter.threshold > rule.threshold
    again = Abstention.from_json(rule.to_json())
    assert again == rule and again.to_json() == rule.to_json()


def test_refusal_says_why() -> None:
    score, wrong = np.full(500, 0.9), np.arange(500) < 60
    with pytest.raises(
        InputError, match=r"^no threshold .*or below 0\.05: the best, 0\.90, answers 500 of n=500 .*60 of"
    ):
        fit_abstention(score, wrong, what="first", risk=0.05)
    with pytest.raises(InputError, match="not on the list"):  # 20 cases without a mistake show no more than .18
        fit_abstention(score[:20], wrong[:20] & False, what="list", risk=0.05)
    for risk, delta in ((0, 0.1), (1.5, 0.1), (0.1, 0)):
        with pytest.raises(InputError, match="between 0 and 1"):
            fit_abstention(score, wrong, what="first", risk=risk, delta=delta)


@pytest.mark.parametrize("change", [{"version": 9}, {"what": "all"}, {"threshold": 7}, {"answered": None}])
def test_bad_json_is_one_line(change: dict) -> None:
    rule = fit_abstention(np.full(500, 0.9), np.arange(500) < 5, what="first", risk=0.05)
    body = json.loads(rule.to_json()) | change
    with pytest.raises(InputError, match=r"^model/abstain\.json: .*fit it again$"):
        Abstention.from_json(json.dumps(body), source="model/abstain.json")
    for text in ("", "[]", "null", "{}"):
        with pytest.raises(InputError):
            Abstention.from_json(text)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match=r"both be \[n\]"):
        risk_coverage([0.5, 0.2], [True])
    with pytest.raises(ValueError, match="within 0 and 1"):
        aurc([np.nan], [True])
    with pytest.raises(ValueError, match="no cases"):
        fit_abstention([], [], what="first", risk=0.1)
    with pytest.raises(ValueError, match="one whole number"):
        mistakes([[0.5]], [[1]], [0, 1], "first")
