"""Each kind keeps the rules of a list, mends what is distorted, survives JSON, and reaches the reader."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_lists import FITTED, K, noisy, sample
from typer.testing import CliRunner

from ddx.answers import Answered
from ddx.calibration.calibrator import Calibrator
from ddx.calibration.fitting import mean_log_loss
from ddx.calibration.items import ITEM_KINDS, item_interval, item_values
from ddx.case import Case
from ddx.cli.main import app
from ddx.errors import InputError
from ddx.evaluation import ladder
from ddx.evaluation.calibrate import applied, fitted, material
from ddx.evaluation.ladder import LADDER, LADDER_STATED_ALONE, LEAST, caution, fit_kind, kind_for
from ddx.evaluation.sample import Sample
from ddx.generation import Generation
from ddx.metrics.calibration import corp
from ddx.model import Model

# ------------------------------------------------------------------------------------- rules of every kind


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1), st.integers(5, 300), st.sampled_from([-1.0, 0.5, 1.0, 2.0]))
def test_more_stated_is_not_less_calibrated(seed: int, n: int, temperature: float) -> None:
    """At a fixed rank, the other slots as stated, whatever the cases: −1 states the more, the less it is true."""
    conf, mask, outcome = sample(n, temperature, seed % 1000)
    rng = np.random.default_rng(seed)
    rest = rng.dirichlet(np.ones(K)) * rng.random()
    slot, steps = int(rng.integers(K)), 40
    stated = np.tile(rest[:K], (steps, 1))
    stated[:, slot] = np.linspace(0, 1 - (rest.sum() - rest[slot]), steps)
    beside = np.tile(noisy(conf, seed % 1000)[:, :1], (1, steps, 1))
    for kind in ("identity", *FITTED):
        found = fit_kind(kind, conf, mask, outcome, beside=noisy(conf, 1), signals=("expected", "implied"))
        if kind == "sigmoid":  # before the rescaling: the entropy of the others moves the others, and with them the sum
            own = item_values("sigmoid", np.concatenate([stated[None], beside]), found.parameters)[:, slot]
        else:
            lists = beside if found.signals else None
            own = found.apply(stated, np.ones_like(stated, dtype=bool), beside=lists)[0][:, slot]
        assert (np.diff(own) >= -1e-9).all(), kind


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, K), st.integers(1, 60))
def test_lists_keep_their_rules(seed: int, slots: int, n: int) -> None:
    """Any stated lists, sums above 1 and gaps included, and fits on very few cases."""
    rng = np.random.default_rng(seed)
    conf, mask, outcome = sample(n, 1.5, seed=3)
    mask[:, 2:] &= rng.random((n, 2)) < 0.5
    outcome = np.where((outcome < K) & mask[np.arange(n), np.minimum(outcome, K - 1)], outcome, K)
    stated = np.round(rng.random((6, slots)), 2)
    listed = rng.random((6, slots)) < 0.7
    for kind in ("identity", *FITTED):
        found = fit_kind(kind, conf, mask, outcome)
        q, rescaled = found.apply(stated, listed)
        assert (q >= 0).all() and (q.sum(axis=1) <= 1 + 1e-9).all() and np.isfinite(q).all()
        assert (q[~listed] == 0).all() and q.shape == stated.shape
        if kind in ("temperature", "list-softmax"):
            assert not rescaled.any()
        else:
            lists = np.where(listed, stated, 0.0)[None]
            values = item_values(kind, lists, found.parameters) if kind in ITEM_KINDS else lists[0]
            total = np.where(listed, values, 0.0).sum(axis=1)
            assert np.array_equal(rescaled, total > 1 + 1e-9)
            assert np.allclose(q.sum(axis=1), np.minimum(total, 1))
        bounds = found.interval(stated, listed)
        assert (bounds is not None) == (kind == "venn-abers")
        if bounds is not None:
            assert (bounds[0] <= q + 1e-12).all() and (q <= bounds[1] + 1e-12).all()
            assert (bounds[0] >= 0).all() and (bounds[1] <= 1).all() and (bounds[1][~listed] == 0).all()


@pytest.mark.parametrize("hit", [0, K])
@pytest.mark.parametrize("kind", FITTED)
def test_nothing_but_hits_or_nothing_but_misses(kind: str, hit: int) -> None:
    conf, mask, _ = sample(150, 1.5)
    q, _ = fit_kind(kind, conf[:, :1], mask[:, :1], np.full(150, min(hit, 1))).apply(conf[:, :1], mask[:, :1])
    assert ((q > 0) & (q < 1)).all()
    before = abs(conf[:, 0].mean() - (hit == 0))
    assert abs(q.mean() - (hit == 0)) < before


@pytest.mark.parametrize("kind", FITTED)
def test_each_kind_mends_what_is_distorted(kind: str) -> None:
    """The truth is known: a calibrated list is nearer to it, and CORP finds less miscalibration."""
    conf, mask, outcome = sample(5000, 2.0)
    found = fit_kind(kind, conf, mask, outcome)
    conf, mask, outcome = sample(5000, 2.0, seed=1)
    truth, _, _ = sample(5000, 1.0, seed=1)
    q, _ = found.apply(conf, mask)
    hit = outcome[:, None] == np.arange(K)
    assert corp(q, hit).mcb < 0.4 * corp(conf, hit).mcb
    assert ((q - truth) ** 2).mean() < 0.5 * ((conf - truth) ** 2).mean()
    assert mean_log_loss(q, outcome) < mean_log_loss(conf, outcome) - 0.02


def test_venn_abers_finds_a_square() -> None:
    """Stated p, true p²: at 20,000 items the interval is narrow and lies at p²."""
    rng = np.random.default_rng(0)
    p = np.round(rng.random((20_000, 1)), 2)
    found = fit_kind("venn-abers", p, p >= 0, np.where(rng.random(20_000) < p[:, 0] ** 2, 0, 1))
    grid = np.linspace(0.05, 0.95, 91)[:, None]
    q, _ = found.apply(grid, grid > 0)
    low, high = found.interval(grid, grid > 0)
    assert (high - low).mean() < 0.02
    assert np.abs(q - grid**2).mean() < 0.02
    # some 200 items at each percent leave a standard error of at most .035, which the interval does not show
    assert ((low - 0.1 < grid**2) & (grid**2 < high + 0.1)).all()


def test_venn_abers_keeps_its_guarantee() -> None:
    """Vovk & Petej 2014, theorem 1: of p0 and p1, the one for the label that comes is calibrated, at any n.

    300 times 25 calibration items, stated p and true p²; E[label − chosen] is 0 wherever the chosen one lies. So the
    mean outcome lies between the means of p0 and p1, too.
    """
    rng = np.random.default_rng(5)
    edges = np.array([0.0, 0.2, 0.5, 1.0 + 1e-9])
    gaps, means = [], []
    for _ in range(300):
        p = rng.random((25, 1))
        found = fit_kind("venn-abers", p, p >= 0, np.where(rng.random(25) < p[:, 0] ** 2, 0, 1))
        new = rng.random((40, 1))
        label = rng.random(40) < new[:, 0] ** 2
        low, high = (bound[:, 0] for bound in item_interval(new, found.parameters))
        chosen = np.where(label, high, low)
        which = np.searchsorted(edges, chosen, "right") - 1
        gaps.append([np.where(which == b, label - chosen, 0.0).mean() for b in range(3)])
        means.append([low.mean(), label.mean(), high.mean()])
    error = np.std(gaps, axis=0) / np.sqrt(len(gaps))
    assert (np.abs(np.mean(gaps, axis=0)) < 4 * error).all()
    low, rate, high = np.mean(means, axis=0)
    assert low < rate < high and high - low > 0.1


# ---------------------------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize("kind", ("identity", *FITTED))
def test_json_round_trip(kind: str) -> None:
    conf, mask, outcome = sample(300, 1.5)
    beside = noisy(conf, 1)
    found = fit_kind(kind, conf, mask, outcome, beside=beside, signals=("expected", "implied"), fitted_on="ab" * 32)
    again = Calibrator.from_json(found.to_json())
    assert again.to_json() == found.to_json() and again.fitted_on == "ab" * 32 and again.n_cases == 300
    lists = beside if found.signals else None
    assert np.array_equal(again.apply(conf, mask, beside=lists)[0], found.apply(conf, mask, beside=lists)[0])
    assert bool(found.signals) == (kind in ("sigmoid", "list-softmax"))


BAD = [
    ("temperature", {"log_slope": "cold"}),
    ("temperature", {"log_slope": float("nan")}),
    ("temperature", {}),
    ("sigmoid", {"features": ["stated"], "weights": [1.0], "intercept": 0.0}),
    ("sigmoid", {"weights": [-1.0, 0.0, 0.0]}),
    ("sigmoid", {"weights": [1.0, 0.0]}),
    ("sigmoid", {"intercept": None}),
    ("beta", {"groups": []}),
    ("beta", {"groups": [{"a": -1.0, "b": 1.0, "c": 0.0}]}),
    ("beta", {"groups": [{"a": 1.0, "b": 1.0}]}),
    ("isotonic", {"groups": [{"x": [0.1, 0.2], "y": [0.5]}]}),
    ("isotonic", {"groups": [{"x": [0.1, 0.2], "y": [0.5, 1.5]}]}),
    ("venn-abers", {"groups": [{"x": [0.5], "low": [0.0, 0.1], "high": [0.5]}]}),
    ("venn-abers", {"groups": [{"x": [0.5], "low": [0.6, 0.7], "high": [0.5, 0.9]}]}),
    ("venn-abers", {"groups": [{"x": [0.5], "low": [0.0, 0.8], "high": [0.5, 0.9]}]}),
    ("venn-abers", {"groups": "none"}),
]


@pytest.mark.parametrize(("kind", "change"), BAD)
def test_bad_json_is_one_line(kind: str, change: dict) -> None:
    conf, mask, outcome = sample(200, 1.5)
    body = json.loads(fit_kind(kind, conf, mask, outcome).to_json())
    body["parameters"] = body["parameters"] | change if change else {}
    with pytest.raises(InputError, match=r"^m/calibrator\.json: not a calibrator .*fit it again$") as caught:
        Calibrator.from_json(json.dumps(body), source="m/calibrator.json")
    assert "\n" not in str(caught.value)


def test_signals_where_a_kind_has_none_are_refused() -> None:
    conf, mask, outcome = sample(200, 1.5)
    for kind in ("temperature", "beta"):
        body = json.loads(fit_kind(kind, conf, mask, outcome).to_json()) | {"signals": ["expected"]}
        with pytest.raises(InputError, match="signals"):
            Calibrator.from_json(json.dumps(body))


# ----------------------------------------------------------------------------------------------- the ladder


def test_the_ladder() -> None:
    for signals, rungs in ((True, LADDER), (False, LADDER_STATED_ALONE)):
        assert [least for least, _ in rungs] == sorted({least for least, _ in rungs}) and rungs[0][0] == 0
        for least, kind in rungs:
            assert kind_for(least, signals) == kind
            assert least == 0 or kind_for(least - 1, signals) != kind
            assert caution(kind, least) is None  # what auto takes is never warned of
        assert kind_for(3000, signals) == "list-softmax"  # what the shipped model has
    for kind in FITTED:
        assert caution(kind, LEAST[kind] - 1) and caution(kind, LEAST[kind]) is None


def test_a_missing_package_is_named_before_anything_is_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "find_spec", lambda name: None)
    conf, mask, outcome = sample(60, 1.5)
    for kind, package in (("beta", "betacal"), ("venn-abers", "venn-abers")):
        with pytest.raises(InputError, match=rf"package {package}: pip install 'ddx\[train\]'"):
            fit_kind(kind, conf, mask, outcome)
    assert fit_kind("sigmoid", conf, mask, outcome).kind == "sigmoid"


def test_bad_input() -> None:
    conf, mask, outcome = sample(50, 1.5)
    with pytest.raises(ValueError, match="unknown kind"):
        fit_kind("platt", conf, mask, outcome)  # type: ignore[arg-type]
    for kind in FITTED:
        with pytest.raises(ValueError, match="no cases"):
            fit_kind(kind, conf[:0], mask[:0], outcome[:0])
        with pytest.raises(ValueError, match="empty slot"):
            fit_kind(kind, conf, np.zeros_like(mask), np.zeros(50, dtype=int))
        with pytest.raises(ValueError, match="at most 4"):
            fit_kind(kind, conf, mask, outcome).apply(np.zeros((1, 5)), np.ones((1, 5)))


def test_fitting_leaves_the_process_as_it_was() -> None:
    import warnings

    conf, mask, outcome = sample(200, 1.5)
    before, filters = np.geterr(), list(warnings.filters)
    for kind in FITTED:
        fit_kind(kind, conf, mask, outcome)
    assert np.geterr() == before and warnings.filters == filters


# ------------------------------------------------------------------------------------------ to the reader


def model_with(calibrator: Calibrator | None, semantics: str = "pathology") -> Model:
    """A model that reads answers; its engine is never asked."""
    engine = SimpleNamespace(
        name="none",
        decoding={},
        gives_probabilities=False,
        encode=lambda text: [],
        line_draft=lambda names, lines: None,
        line_ends=lambda names: None,
    )
    return Model(engine, K, calibrator, {"id": "test"}, semantics=semantics)  # type: ignore[arg-type]


def answer(*lines: str) -> Answered:
    return Answered("Chest pain.", Generation("\n".join(lines), (1, 2), 5, False, 0.1))


def test_the_interval_reaches_the_json() -> None:
    conf, mask, outcome = sample(400, 1.6)
    case, written = Case("1", text="Chest pain."), answer("Pericarditis 20", "Panic attack 60")
    model = model_with(fit_kind("venn-abers", conf, mask, outcome))
    rows = model.read(case, written).to_dict()["differential"]
    expected = model.calibrator.interval([[0.2, 0.6]], [[1, 1]])
    assert expected is not None
    for row in rows:
        slot = 0 if row["stated"] == 0.2 else 1
        assert row["interval"] == pytest.approx([expected[0][0, slot], expected[1][0, slot]], abs=1e-4)
        assert row["interval"][0] <= row["confidence"] <= row["interval"][1]
    plain = model_with(fit_kind("beta", conf, mask, outcome)).read(case, written).to_dict()
    assert all("interval" not in row for row in plain["differential"])


@pytest.mark.parametrize(
    ("semantics", "lines", "rescaled"),
    [
        ("pathology", ("Pericarditis 70", "Panic attack 30"), False),
        ("pathology", ("Pericarditis 80", "Panic attack 60"), True),
        ("membership", ("Pericarditis 80", "Panic attack 60"), False),
    ],
)
def test_a_sum_above_one_is_told(semantics: str, lines: tuple[str, ...], rescaled: bool) -> None:
    found = model_with(None, semantics).read(Case("1", text="Chest pain."), answer(*lines))
    assert found.rescaled is rescaled and found.to_dict()["rescaled"] is rescaled
    total = sum(d.confidence for d in found.diagnoses)
    assert total == pytest.approx(1.4 if semantics == "membership" else 1.0)


def test_auto_and_the_count_of_rescaled_lists() -> None:
    """Sixty answers, ten of which state more than 100 %, one that can't be read."""
    model = model_with(None)
    truth, name, other = 0, *(condition.name for condition in list(model.vocabulary)[:2])
    answers = [answer(f"{name} {80 if i < 10 else 50}", f"{other} {40 if i < 10 else 30}") for i in range(60)]
    answers.append(answer(""))
    cases = [Case(f"{i}-full", text="Chest pain.") for i in range(61)]
    drawn = Sample(cases, ["full"] * 61, [0] * 61, [truth] * 61, [frozenset({truth})] * 61)
    found = material(model, drawn, answers)
    calibrator = fitted("auto", found, "ab" * 32)
    assert (
        calibrator.kind == kind_for(60, signals=False)
        and calibrator.n_cases == 60
        and calibrator.fitted_on == "ab" * 32
    )
    q, rescaled = applied(calibrator, found)
    assert rescaled.sum() == 10 and q[0, 0] > 0.6
    part = found.take(np.arange(5, 15))
    assert len(part.conf) == 10 and part.over.sum() == 5


def test_an_unknown_kind_is_one_line() -> None:
    done = CliRunner().invoke(app, ["calibrate", "nowhere", "--kind", "platt"])
    assert done.exit_code == 2
    assert "--kind: 'platt' is not one of auto, identity, temperature" in done.stderr
