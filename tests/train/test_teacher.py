"""The teacher: naive Bayes against the textbook, features that a text tells apart, one file for two networks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ddx.case import Case, Finding
from ddx.cli.main import app
from ddx.data.ddxplus import Patient
from ddx.data.prepare import load_split
from ddx.data.stages import case_at
from ddx.evaluation.tabular import Featuriser, Tabular
from ddx.train.teacher import _as_tabular, _Corrected, as_told, naive_bayes
from ddx.vocabulary import load_vocabulary

FEATURES = Featuriser()


@pytest.fixture(scope="module")
def patients(some_patients: Callable[[int], Path]) -> list[Patient]:
    return load_split(some_patients(1800), "train")


def _by_hand(case: Case, patients: list[Patient]) -> np.ndarray:
    """Posterior of a case with flags only, by counting patients: Bayes's rule with independent findings."""
    edges = (0, 1, 5, 15, 30, 45, 60, 75, np.inf)
    band = int(np.searchsorted(edges, case.age or 0, side="right")) - 1
    everyone = {f.code: np.mean([f.code in {g.code for g in p.findings} for p in patients]) for f in case.findings}
    women = np.mean([p.sex == "F" for p in patients])
    out = []
    for condition in load_vocabulary():
        own = [p for p in patients if p.pathology == condition.key]
        n = len(own)
        p = max(n, 0.5) / len(patients)
        p *= (sum(edges[band] <= q.age < edges[band + 1] for q in own) + 0.5) / (n + 4)
        female = (sum(q.sex == "F" for q in own) + women) / (n + 1)
        p *= np.clip(female if case.sex == "F" else 1 - female, 1e-4, 1 - 1e-4)
        for finding in case.findings:
            have = sum(finding.code in {g.code for g in q.findings} for q in own)
            rate = np.clip((have + everyone[finding.code]) / (n + 1), 1e-4, 1 - 1e-4)
            p *= rate if finding.present else 1 - rate
        out.append(p)
    return np.array(out) / sum(out)


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def _counts(patients: list[Patient]) -> tuple[np.ndarray, np.ndarray]:
    whole = FEATURES([Case("", p.age, p.sex, p.findings) for p in patients]) @ as_told()
    return naive_bayes(whole, np.array([load_vocabulary().index(p.pathology or "") for p in patients]), FEATURES)


@pytest.mark.parametrize(("age", "sex"), [(34.0, "F"), (0.5, "M"), (80.0, "F")])
def test_naive_bayes_is_bayes_rule_on_counts(patients: list[Patient], age: float, sex: str) -> None:
    case = Case("x", age, sex, (Finding("E_91", True), Finding("E_201", False), Finding("E_66", True)))
    weights, biases = _counts(patients)
    found = _softmax(np.asarray(FEATURES([case]) @ weights + biases))[0]
    np.testing.assert_allclose(found, _by_hand(case, patients), atol=2e-3)


def test_levels_that_read_the_same_are_one_feature_and_levels_in_figures_are_not() -> None:
    def told(code: str, level: int) -> list[int]:
        return (FEATURES([Case("x", 30, "F", (Finding(code, True, str(level)),))]) @ as_told()).nonzero()[1].tolist()

    assert told("E_58", 3) == told("E_58", 5) != told("E_58", 6)  # how precisely a pain is located: in words
    assert told("E_56", 3) != told("E_56", 2)  # how strong it is: "3/10"


def test_two_networks_and_naive_bayes_go_into_one_file(patients: list[Patient], tmp_path: Path) -> None:
    bayes = _counts(patients)
    torch.manual_seed(0)
    networks = [_Corrected(bayes, 16, 0.3).eval() for _ in range(2)]
    cases = [case_at(p, stage) for p in patients[:40] for stage in ("quarter", "full")]
    with torch.inference_mode():
        x = torch.from_numpy(FEATURES(cases).toarray())
        expected = torch.softmax((networks[0](x) + networks[1](x)) / 2, dim=1).numpy()
    layers = _as_tabular(networks, bayes)
    Tabular(layers, layers).save(tmp_path / "t.safetensors")
    found, _ = Tabular.load(tmp_path / "t.safetensors").predict(cases)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_a_run_from_patients_to_a_file_that_the_warm_start_reads(
    some_patients: Callable[[int], Path], tmp_path: Path
) -> None:
    config = tmp_path / "c.yaml"
    config.write_text("method: teacher\nepochs: 2\nhidden: 32\ncuts: 1\nlearning_rate: 0.005\n")
    arguments = ["train", str(config), f"data={some_patients(1800)}", f"out={tmp_path}/run"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    patients = load_split(some_patients(1800), "test")
    truth = np.array([load_vocabulary().index(p.pathology or "") for p in patients])
    for stage, least in (("quarter", 0.6), ("full", 0.9)):
        p, member = Tabular.load(tmp_path / "run/tabular.safetensors").predict([case_at(q, stage) for q in patients])
        assert (p.argmax(axis=1) == truth).mean() > least, stage
        assert member.shape == p.shape
    assert "dev patients, quarter: first diagnosis" in result.output
    assert {"teacher", "shipped tabular classifier", "versions"} <= set(
        json.loads((tmp_path / "run/config.json").read_text())
    )
