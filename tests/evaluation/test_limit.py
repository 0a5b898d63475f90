"""The regret against the best possible differential: exact expectations, parts that add up, a model that has none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from ddx.cli.main import app
from ddx.engines.base_models import SMOLLM2, cache_dir
from ddx.errors import InputError
from ddx.evaluation.limit import SCORES, expected, limit, regrets, simulate, table, with_exact, written_out
from ddx.evaluation.measure import batch_of_posterior
from ddx.evaluation.sample import Sample
from ddx.metrics.per_case import EMPTY, UNMATCHED, Batch
from ddx.provenance import shipped_folder
from ddx.simulate.estimate import load_clinic

C, K = 49, 5
LISTS = Batch(
    [[3, 5, 3, UNMATCHED, EMPTY], [0, 48, 7, 8, 9], [EMPTY] * 5, [4, 2, EMPTY, EMPTY, EMPTY]],
    [[0.5, 0.2, 0.1, 0.1, 0], [0.9, 0.1, 0, 0, 0], [0] * 5, [0.4, 0.4, 0, 0, 0]],
    [3, 1, 2, 4],
    [{3}, {1}, {2}, {4}],
    [True, True, True, False],
)


@pytest.fixture(scope="module")
def drawn() -> tuple[Sample, np.ndarray]:
    return simulate(load_clinic(), 40, 7)


@pytest.mark.parametrize("score", SCORES.values())
def test_expectations_are_exact(score) -> None:  # type: ignore[no-untyped-def]
    posterior = np.random.default_rng(0).dirichlet(np.full(C, 0.2), len(LISTS))
    for batch in (LISTS, written_out(LISTS, C)):
        slow = sum(posterior[:, c] * score(replace(batch, truth=np.full(len(batch), c))) for c in range(C))
        assert expected(score, batch, posterior) == pytest.approx(slow, abs=1e-12)


def test_something_else_is_shared_among_the_conditions_not_listed() -> None:
    full = written_out(LISTS, C)
    by_condition = np.zeros((len(full), C))
    np.put_along_axis(by_condition, full.codes, full.conf, axis=1)
    assert by_condition.sum(axis=1) == pytest.approx([0.8, 1, 1, 1])  # a repeat and an unknown name are lost
    assert by_condition[0, [3, 5, 0]] == pytest.approx([0.5, 0.2, 0.1 / 47])
    assert by_condition[2] == pytest.approx(1 / C)
    assert full.valid.tolist() == [True, True, True, False]


def test_the_parts_add_up_and_the_best_list_loses_only_its_form(drawn: tuple[Sample, np.ndarray]) -> None:
    sample, posterior = drawn
    best = batch_of_posterior(posterior, sample, K)
    blurred = posterior**0.5 / (posterior**0.5).sum(axis=1, keepdims=True)
    sure = replace(best, conf=np.tile([1.0, 0, 0, 0, 0], (len(sample), 1)))
    # lists without the likeliest condition, with exact confidences: all of it is choice
    worse = with_exact(replace(best, codes=np.argsort(-posterior, axis=1)[:, 1 : K + 1]), posterior)
    forecasts = {"best": best, "blurred": batch_of_posterior(blurred, sample, K), "sure": sure, "worse": worse}
    found = regrets(forecasts, sample, posterior, K)
    assert {group: found[group]["log_loss"]["ideal"]["n"] for group in found} == {
        "all": 160, "initial": 40, "quarter": 40, "half": 40, "full": 40,
    }  # fmt: skip
    for group in found:
        for figures in found[group].values():
            form = figures["form"]["value"]
            assert form > -1e-12
            for who in forecasts:
                own = figures[who]
                parts = form + own["choice"]["value"] + own["confidence"]["value"]
                assert own["regret"]["value"] == pytest.approx(parts, abs=1e-9)
                assert own["regret"]["value"] == pytest.approx(own["loss"]["value"] - figures["ideal"]["value"])
                assert own["regret"]["value"] > -1e-4
            assert figures["best"]["regret"]["value"] == pytest.approx(form)
            assert figures["worse"]["choice"]["value"] > 0 and figures["worse"]["confidence"]["value"] == 0
            assert figures["blurred"]["choice"]["value"] == pytest.approx(0, abs=1e-6)
    for name in SCORES:
        assert found["initial"][name]["blurred"]["confidence"]["low"] > 0
        assert found["initial"][name]["sure"]["confidence"]["low"] > 0


def test_losses_are_those_of_theory(drawn: tuple[Sample, np.ndarray]) -> None:
    sample, posterior = drawn
    ideal = regrets({}, sample, posterior, K)["all"]
    entropy = -(posterior * np.log(np.maximum(posterior, 1e-12))).sum(axis=1).mean()
    assert ideal["log_loss"]["ideal"]["value"] == pytest.approx(entropy, abs=1e-4)  # the score is capped at 1e-6
    assert ideal["brier_list"]["ideal"]["value"] == pytest.approx((1 - (posterior**2).sum(axis=1)).mean())
    # by log loss, the part of the confidences is the regret of the list as it stands
    stated = batch_of_posterior(posterior, sample, K)
    stated = replace(stated, conf=stated.conf * 0.7)
    log_loss = SCORES["log_loss"]
    as_listed = expected(log_loss, stated, posterior) - expected(log_loss, with_exact(stated, posterior), posterior)
    part = regrets({"it": stated}, sample, posterior, K)["all"]["log_loss"]["it"]["confidence"]["value"]
    assert part == pytest.approx(as_listed.mean(), abs=1e-3)


def test_the_sample_is_the_same_again(drawn: tuple[Sample, np.ndarray]) -> None:
    again, posterior = simulate(load_clinic(), 40, 7)
    assert again == drawn[0] and (posterior == drawn[1]).all()
    assert len({case.case_id for case in again.cases}) == len(again)


def test_membership_confidences_have_no_such_limit() -> None:
    with pytest.raises(InputError, match="membership"):
        limit(SimpleNamespace(semantics="membership"), 1, 0, lambda *_: None)  # type: ignore[arg-type]


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.skipif(not (shipped_folder() / "model.json").exists(), reason="no model in ddx/assets/model")
@pytest.mark.skipif(not (cache_dir() / SMOLLM2).exists(), reason=f"run `ddx models get {SMOLLM2}` first")
def test_the_command_with_the_model_that_ships(tmp_path: Path) -> None:
    out = tmp_path / "new" / "limit.json"
    done = CliRunner().invoke(app, ["limit", "--size", "2", "--seed", "3", "-o", str(out)])
    assert done.exit_code == 0, done.stderr
    result = json.loads(out.read_text(encoding="utf-8"))
    assert result["n"] == 8 and set(result["stages"]) == {"all", "initial", "quarter", "half", "full"}
    assert result["stages"]["all"]["log_loss"]["model"]["regret"]["n"] == 8
    assert table(result) in done.stdout
    missing = CliRunner().invoke(app, ["limit", "--model", str(tmp_path), "-o", str(out)])
    assert missing.exit_code == 2 and missing.stderr.count("\n") == 1
