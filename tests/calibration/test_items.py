"""What we apply of each kind is what its library would say, without the library."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_lists import FITTED, K, noisy, sample

from ddx.calibration.calibrator import Calibrator
from ddx.calibration.items import FLOOR, item_features, item_interval, item_values
from ddx.evaluation.ladder import fit_kind

ROOT = Path(__file__).resolve().parents[2]


def same(ours: np.ndarray, theirs: np.ndarray) -> None:
    """To 1e-9; pytest.approx takes seconds for arrays of this size."""
    assert ours.shape == theirs.shape and np.abs(ours - theirs).max() < 1e-9


def test_temperature_is_scikit_learns() -> None:
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    class Stated(ClassifierMixin, BaseEstimator):
        """A classifier that states what it is given."""

        def fit(self, lists: np.ndarray, outcome: np.ndarray) -> "Stated":
            self.classes_ = np.unique(outcome)
            return self

        def predict_proba(self, lists: np.ndarray) -> np.ndarray:
            return lists

        def predict(self, lists: np.ndarray) -> np.ndarray:
            return lists.argmax(axis=1)

    conf, mask, outcome = sample(8000, 1.3)
    lists = np.column_stack([conf, 1 - conf.sum(axis=1)])
    inside = lists.min(axis=1) > FLOOR  # below the floor we differ on purpose
    conf, mask, outcome, lists = conf[inside], mask[inside], outcome[inside], lists[inside]
    theirs = CalibratedClassifierCV(FrozenEstimator(Stated().fit(lists, outcome)), method="temperature")
    theirs.fit(lists, outcome)
    slope = float(theirs.calibrated_classifiers_[0].calibrators[0].beta_)
    ours = Calibrator("temperature", k=K, parameters={"log_slope": np.log(slope)})
    same(ours.apply(conf, mask)[0], theirs.predict_proba(lists)[:, :K])
    # the fit: theirs has no penalty, which thousands of cases outweigh
    assert fit_kind("temperature", conf, mask, outcome).parameters["log_slope"] == pytest.approx(
        np.log(slope), abs=1e-3
    )


@pytest.mark.parametrize("signals", [(), ("expected", "implied")])
def test_sigmoid_is_scikit_learns(signals: tuple[str, ...]) -> None:
    from sklearn.linear_model import LogisticRegression

    truth, mask, outcome = sample(1500, 1.0)
    conf, *beside = (noisy(truth, seed)[0] for seed in range(1 + len(signals)))  # each knows something: no weight is 0
    found = fit_kind("sigmoid", conf, mask, outcome, beside=beside or None, signals=signals)
    lists = np.stack([conf, *beside])
    columns, hit = item_features(lists)[mask], (outcome[:, None] == np.arange(K))[mask]
    theirs = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(columns, hit)
    same(item_values("sigmoid", lists, found.parameters)[mask], theirs.predict_proba(columns)[:, 1])


def test_beta_is_betacals() -> None:
    from betacal import BetaCalibration

    conf, mask, outcome = sample(1500, 1.6)
    conf[::7, 0] = 0.0  # 0 and 1 are taken for the floor
    found = fit_kind("beta", conf, mask, outcome)
    for slot in (0, 1):
        p = np.clip(conf[:, slot], FLOOR, 1 - FLOOR)
        theirs = BetaCalibration(parameters="abm").fit(p, (outcome == slot).astype(float))
        same(item_values("beta", conf[None], found.parameters)[:, slot], theirs.predict(p))


def test_isotonic_is_scikit_learns() -> None:
    from sklearn.isotonic import IsotonicRegression

    conf, mask, outcome = sample(1500, 1.6)
    found = fit_kind("isotonic", conf, mask, outcome)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(conf[:, 0], outcome == 0)
    ours = item_values("isotonic", conf[None], found.parameters)[:, 0]
    margin = 1 / (len(conf) + 2)  # ours keeps off 0 and 1
    same(ours, np.clip(theirs.predict(conf[:, 0]), margin, 1 - margin))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # 0/0 inside the package
def test_venn_abers_is_the_packages() -> None:
    with np.errstate():  # importing the package changes it
        from venn_abers.venn_abers import VennAbers

    conf, mask, outcome = sample(800, 1.6)
    conf = np.round(conf, 2)  # ties, as in whole percents
    found = fit_kind("venn-abers", conf, mask, outcome)
    theirs = VennAbers().fit(np.column_stack([1 - conf[:, 0], conf[:, 0]]), (outcome == 0).astype(float))
    grid = np.append(np.linspace(0, 1, 301), conf[:, 0])
    merged, bounds = theirs.predict_proba(np.column_stack([1 - grid, grid]))
    everywhere = np.tile(grid[:, None], K)
    low, high = item_interval(everywhere, found.parameters)
    same(np.column_stack([low[:, 0], high[:, 0]]), bounds)
    same(item_values("venn-abers", everywhere[None], found.parameters)[:, 0], merged[:, 1])


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 3))
def test_venn_abers_is_two_isotonic_fits(seed: int, n: int, digits: int) -> None:
    """The definition (Vovk & Petej 2014): the score's own value, fitted once as a miss and once as a hit."""
    from sklearn.isotonic import IsotonicRegression

    rng = np.random.default_rng(seed)
    p = np.round(rng.random((n, 1)), digits)
    outcome = np.where(rng.random(n) < 0.5, 0, 1)
    found = fit_kind("venn-abers", p, np.ones_like(p, dtype=bool), outcome)
    for score in [0.0, 1.0, float(p[0, 0]), *rng.random(3)]:
        low, high = item_interval(np.array([[score]]), found.parameters)
        fits = [
            IsotonicRegression().fit(np.append(p[:, 0], score), np.append(outcome == 0, label)).predict([score])[0]
            for label in (0.0, 1.0)
        ]
        assert [low[0, 0], high[0, 0]] == pytest.approx(fits, abs=1e-9)


def test_applying_needs_no_library(tmp_path: Path) -> None:
    conf, mask, outcome = sample(300, 1.6)
    for kind in FITTED:
        (tmp_path / f"{kind}.json").write_text(fit_kind(kind, conf, mask, outcome).to_json(), encoding="utf-8")
    code = (
        "import sys, pathlib\n"
        "from ddx.calibration.calibrator import Calibrator\n"
        "for path in pathlib.Path(sys.argv[1]).glob('*.json'):\n"
        "    found = Calibrator.from_json(path.read_text())\n"
        "    found.apply([[.5, .2]], [[1, 1]]); found.interval([[.5, .2]], [[1, 1]])\n"
        "print(sorted({'sklearn', 'scipy', 'betacal', 'venn_abers', 'pandas', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr
