"""List lengths and abstention: fitted on some cases, they hold on others; what can't be promised is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ddx.case import Case
from ddx.data.stages import STAGES
from ddx.errors import InputError
from ddx.evaluation.promises import (
    FILE,
    Promises,
    fit_promises,
    promise_figures,
    read_promises,
    rules_from,
)
from ddx.evaluation.sample import Sample
from ddx.metrics.per_case import Batch
from ddx.vocabulary import load_vocabulary

K = 5
CONDITIONS = len(load_vocabulary())
SURE = {"initial": 1.0, "quarter": 3.0, "half": 8.0, "full": 30.0}  # how unequal the lists of a stage are


def drawn(each: int, seed: int) -> tuple[Batch, Sample]:
    """`each` cases at every stage and a forecaster who is calibrated: outcomes are drawn from its own lists."""
    rng = np.random.default_rng(seed)
    stages = [stage for stage in STAGES for _ in range(each)]
    n = len(stages)
    weights = np.array([[SURE[stage], 1.0, 0.7, 0.5, 0.3, 1.5 / SURE[stage]] for stage in stages])
    shares = rng.standard_gamma(weights)
    conf = -np.sort(-(shares / shares.sum(axis=1, keepdims=True))[:, :K], axis=1)
    outcome = (rng.random((n, 1)) > conf.cumsum(axis=1)).sum(axis=1)
    codes = rng.random((n, CONDITIONS - 1)).argsort(axis=1)[:, :K]
    truth = np.where(outcome < K, codes[np.arange(n), np.minimum(outcome, K - 1)], CONDITIONS - 1)
    cases = [Case(f"{i}-{stage}", 40, "FM"[i % 2], text="cough") for i, stage in enumerate(stages)]  # type: ignore[arg-type]
    sample = Sample(cases, stages, [0] * n, truth.tolist(), [frozenset({int(t)}) for t in truth])  # type: ignore[arg-type]
    return Batch(codes, conf, truth, sample.gold, np.ones(n, dtype=bool)), sample


def test_coverage_holds_in_the_groups_of_new_cases() -> None:
    """Of 5 draws x 4 stages x 2 sexes, and all stages together, about 95 % lie within the binomial range; a little
    fewer, as the cut itself varies with 2,000 calibration cases a group."""
    inside = []
    for seed in range(5):
        promises = rules_from(*drawn(4000, seed))
        figures = promise_figures(promises, *drawn(400, 100 + seed))
        cells = [c for target in ("0.7", "0.8") for c in figures["lengths"][target].values() if "within" in c]
        inside += [cell["within"] for cell in cells]
        assert all(cell["shown_coverage"]["value"] >= cell["coverage"]["value"] - 1e-9 for cell in cells)
    assert len(inside) >= 60
    assert np.mean(inside) > 0.85


def test_lists_of_the_wrong_length_are_found_out() -> None:
    """Rules of a forecaster who is surer than the one they are held against: the check can fail."""
    promises = rules_from(*drawn(2000, 1))
    batch, sample = drawn(400, 2)
    wrong = Batch(batch.codes, batch.conf, np.roll(batch.truth, 1), sample.gold, batch.valid)
    cells = [c for c in promise_figures(promises, wrong, sample)["lengths"]["0.7"].values() if "within" in c]
    assert cells and not any(cell["within"] for cell in cells)


def test_a_target_above_the_recall_of_a_group_is_refused_there_with_the_reason() -> None:
    batch, sample = drawn(1000, 3)
    promises = rules_from(batch, sample)
    table = promise_figures(promises, batch, sample)["lengths"]["0.9"]
    assert "cannot be promised" in table["initial, F"]["refused"] and "within" in table["full, F"]
    assert "within" not in table["all, F"]
    assert any("initial" in line for line in promises.refused)


def test_an_unreadable_answer_is_never_covered() -> None:
    batch, sample = drawn(500, 4)
    promises = rules_from(batch, sample)
    nobody = Batch(batch.codes, batch.conf, batch.truth, sample.gold, np.zeros(len(batch), dtype=bool))
    cell = promise_figures(promises, nobody, sample)["lengths"]["0.7"]["full, M"]
    assert cell["coverage"]["value"] == 0 and cell["shown_length"]["value"] == 0


def test_abstention_keeps_its_risk_on_new_cases() -> None:
    promises = rules_from(*drawn(2000, 5))
    rows = promise_figures(promises, *drawn(2000, 6))["abstention"]
    assert rows and all(row["risk"]["low"] <= row["promised"] for row in rows)
    assert all(row["risk"]["value"] < row["risk_of_all"]["value"] for row in rows)


def test_promises_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    assert read_promises(tmp_path) is None
    promises = rules_from(*drawn(300, 7))
    (tmp_path / FILE).write_text(promises.to_json(), encoding="utf-8")
    assert read_promises(tmp_path) == promises
    (tmp_path / FILE).write_text('{"version": 1}', encoding="utf-8")
    with pytest.raises(InputError, match="run ddx calibrate again"):
        read_promises(tmp_path)


def test_rules_rest_on_other_patients_than_the_calibrator(some_patients, monkeypatch: pytest.MonkeyPatch) -> None:
    """A calibrator fitted on who knows whom: the rules could rest on the same patients, and are refused."""

    class Unfitted:
        vocabulary = load_vocabulary()

        class calibrator:
            fitted_on = ""

    with pytest.raises(InputError, match="not fitted on the first 1 calibration patients"):
        fit_promises(Unfitted(), some_patients(800), 1, 1)  # type: ignore[arg-type]


def test_first_and_after_share_the_cases_of_a_stage() -> None:
    _, sample = drawn(5, 8)
    ids = [c.case_id for c in sample.cases]
    assert sorted([c.case_id for part in (sample.first(2), sample.after(2)) for c in part.cases]) == sorted(ids)


def test_nothing_is_promised_where_nothing_is_known() -> None:
    batch, sample = drawn(200, 9)
    nobody = Batch(batch.codes, batch.conf, batch.truth, sample.gold, np.zeros(len(batch), dtype=bool))
    promises = rules_from(nobody, sample)
    assert promises == Promises((), (), len(sample), promises.fitted_on, promises.refused)
    assert len(promises.refused) == 8
