"""What evaluation promises: fixed samples, references on the same cases, no test patient in a fit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ddx.case import Case, Finding
from ddx.data.splits import split_of
from ddx.data.vignettes import Vignette
from ddx.differential import Diagnosis, Differential
from ddx.errors import InputError
from ddx.evaluation.calibrate import refuse_test_patients
from ddx.evaluation.completions import stored_answers
from ddx.evaluation.measure import batch_of, batch_of_posterior, figures, rounded
from ddx.evaluation.outside import outside_figures
from ddx.evaluation.sample import Sample
from ddx.evaluation.tabular import Featuriser, Tabular, shipped_tabular
from ddx.vocabulary import load_vocabulary

VOCABULARY = load_vocabulary()
CONDITIONS = tuple(VOCABULARY)
FEVER = Case("p-initial", 30, "F", (Finding("E_91"),))


def sample_of(truth: list[int], stages: list[str]) -> Sample:
    cases = [FEVER] * len(truth)
    return Sample(cases, stages, [0] * len(truth), truth, [frozenset({t}) for t in truth])  # type: ignore[arg-type]


def test_a_fit_refuses_test_patients() -> None:
    ids = [f"{i:016x}" for i in range(200)]
    allowed = [i for i in ids if split_of(i) == "calibration"]
    refuse_test_patients(allowed)
    with pytest.raises(InputError, match="belong to the test split"):
        refuse_test_patients(ids)


def test_an_unreadable_answer_counts_as_wrong() -> None:
    right = Differential("a", (Diagnosis(1, "x", 0.9, key=CONDITIONS[3].key),))
    sample = sample_of([3, 3], ["initial", "full"])
    batch = batch_of([right, Differential("b", (), status="empty")], sample, VOCABULARY, 5)
    found = figures(batch, sample, VOCABULARY)
    assert found["all"]["pass@1"]["value"] == 0.5
    assert found["initial"]["pass@1"]["value"] == 1.0
    assert found["full"]["brier_list"]["value"] == 2.0
    assert found["all"]["validity"]["value"] == 0.5
    assert {"value", "low", "high", "n"} <= set(found["all"]["recall@5"])


def test_first_takes_the_beginning_of_every_stage() -> None:
    sample = sample_of([1, 2, 3, 4], ["initial", "initial", "full", "full"])
    assert sample.first(1).truth == [1, 3]


def test_the_shipped_classifier_knows_a_posterior() -> None:
    tabular = Tabular.load(shipped_tabular())
    p, m = tabular.predict([FEVER, Case("x", None, None, (Finding("E_9999"),))])
    assert p.shape == m.shape == (2, len(VOCABULARY))
    assert np.allclose(p.sum(axis=1), 1)
    batch = batch_of_posterior(p, sample_of([1, 2], ["initial", "full"]), 5)
    assert (np.diff(batch.conf, axis=1) <= 0).all()


def test_absent_present_and_not_stated_are_three_things() -> None:
    rows = Featuriser()([FEVER, Case("n", 30, "F", (Finding("E_91", False),)), Case("o", 30, "F", text="x")]).toarray()
    assert len({row.tobytes() for row in rows}) == 3


def test_outside_cases_are_counted_apart() -> None:
    key = CONDITIONS[0].key
    vignettes = [
        Vignette(Case("1", text="t"), "g", key, "semigran", "1"),
        Vignette(Case("2", text="t"), "g", None, "semigran", "2"),
    ]
    listed = (Diagnosis(1, "a", 0.5, key=CONDITIONS[1].key), Diagnosis(2, "b", 0.25, key=key))
    found = outside_figures(vignettes, [Differential("1", listed), Differential("2", listed)])
    assert [found["in_vocabulary"][f"pass@{k}"]["value"] for k in (1, 3)] == [0.0, 1.0]
    assert found["out_of_vocabulary"]["something_else"]["value"] == 0.25
    assert found["cases"][0]["rank"] == 2


def test_rounding_keeps_the_shape() -> None:
    assert rounded({"a": [1.123456789, {"b": 2}], "c": "d", "e": float("nan")}) == {
        "a": [1.12346, {"b": 2}], "c": "d", "e": None,
    }  # fmt: skip


def test_stored_completions_of_other_cases_are_refused(tmp_path: Path) -> None:
    class Echo:
        def prompt_text(self, case: Case, seed: int | None = None) -> str:
            return "text"

    path, sample = tmp_path / "c.jsonl", sample_of([1], ["initial"])
    row = {"case_id": "p-initial", "completion": "Gout 9", "tokens": 3, "prompt_tokens": 9, "truncated": False,
           "signals": [[0.11, 0.9, 0.9], None]}  # fmt: skip
    path.write_text(json.dumps({**row, "seconds": 0.1}) + "\n")
    ((text, generation, signals),) = stored_answers(path, Echo(), sample)  # type: ignore[arg-type]
    assert (text, generation.text, len(generation.token_ids)) == ("text", "Gout 9", 3)
    assert signals == ((0.11, 0.9, 0.9), None)
    for content, reason in (
        (json.dumps({**row, "seconds": 0.1, "case_id": "other"}), "other cases"),
        (json.dumps(row), "not the completions"),
        ("{", "not the completions"),
    ):
        path.write_text(content + "\n")
        with pytest.raises(InputError, match=reason):
            stored_answers(path, Echo(), sample)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="cannot be read"):
        stored_answers(tmp_path / "none.jsonl", Echo(), sample)  # type: ignore[arg-type]
