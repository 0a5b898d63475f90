"""What `ddx stability` counts, on answers made by hand; and the command with the model that ships."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ddx.case import Case, Finding
from ddx.cli.main import app
from ddx.differential import Diagnosis, Differential
from ddx.engines.base_models import SMOLLM2, cache_dir
from ddx.evaluation.sample import Sample
from ddx.evaluation.stability import ablation, pair, to_markdown, values
from ddx.metrics.aggregate import mean_interval
from ddx.metrics.per_case import UNMATCHED, Batch
from ddx.vocabulary import load_vocabulary

VOCABULARY = load_vocabulary()
KEYS = [c.key for c in VOCABULARY]


def answer(*lines: tuple[int | str, float]) -> Differential:
    found = [
        Diagnosis(rank, name, q) if isinstance(name, str) else Diagnosis(rank, KEYS[name], q, key=KEYS[name])
        for rank, (name, q) in enumerate(lines, start=1)
    ]
    return Differential("p-full", tuple(found), status="ok" if found else "empty")


def pairs(truth: list[int], *answers: tuple[Differential, Differential]) -> tuple[Batch, Batch]:
    n = len(truth)
    case = Case("p-full", 30, "F", (Finding("E_91"),))
    sample = Sample([case] * n, ["full"] * n, [0] * n, truth, [frozenset({t}) for t in truth])
    return pair([a for a, _ in answers], [b for _, b in answers], sample, VOCABULARY, 3)


def test_the_same_answer_agrees_in_everything() -> None:
    same = answer((4, 0.6), ("Gout", 0.2), (7, 0.1))
    found = values(*pairs([4], (same, same)))
    assert found["jaccard@1"] == found["jaccard@3"] == found["rbo"] == 1
    assert found["top1_flip"] == found["shift"] == found["pass@1_change"] == 0


def test_by_hand() -> None:
    found = values(
        *pairs(
            [4, 9, 4, 4],
            (answer((4, 0.6), (7, 0.3)), answer((7, 0.5), (4, 0.2))),  # swapped: right to wrong
            (answer((4, 0.6)), answer((9, 0.5))),  # wrong to right, nothing shared
            (answer((4, 0.6)), answer()),  # the twin's answer can't be read
            (answer(), answer((4, 0.7))),  # the original's can't
        )
    )
    assert found["jaccard@1"].tolist() == [0, 0, 0, 0]
    assert found["jaccard@3"].tolist() == [1, 0, 0, 0]
    assert found["rbo"] == pytest.approx([0.9, 0, 0, 0])
    assert found["top1_flip"].tolist() == [1, 1, 1, 1]
    assert found["shift"][:3] == pytest.approx([0.4, 0.6, 0.6]) and np.isnan(found["shift"][3])
    assert found["pass@1_change"].tolist() == [-1, 1, -1, 1]


def test_unmatched_strings_are_compared_as_strings() -> None:
    one, other = pairs([4], (answer(("Gout", 0.6), ("Mumps", 0.2)), answer(("mumps", 0.5), ("Rabies", 0.2))))
    assert one.codes[0, 1] == other.codes[0, 0] and one.codes[0, 0] != other.codes[0, 1]
    assert (one.codes[0, :2] <= UNMATCHED).all()
    assert values(one, other)["jaccard@3"] == pytest.approx([1 / 3])


def test_ablation_counts_only_cases_that_had_something_to_lose() -> None:
    one, other = pairs(
        [4, 4, 4, 4],
        (answer((4, 0.6)), answer((7, 0.5), (4, 0.2))),
        (answer((4, 0.6)), answer((7, 0.5))),  # no longer listed: a confidence of 0
        (answer((7, 0.6)), answer((7, 0.5))),  # was not listed
        (answer((4, 0.6)), answer()),  # can't be read: not a fall
    )
    before, after = np.full((4, len(KEYS)), 0.01), np.full((4, len(KEYS)), 0.01)
    before[:, 4], after[:, 4] = 0.5, [0.6, 0.5, 0.1, 0.1]
    found = ablation(one, other, before, after)
    assert found["change"][:2] == pytest.approx([-0.4, -0.6]) and found["fell"][:2].tolist() == [1, 1]
    assert found["tabular_change"][:2] == pytest.approx([0.1, 0]) and found["tabular_fell"][:2].tolist() == [0, 0]
    assert all(np.isnan(array[2:]).all() for array in found.values())


def test_the_table_shows_every_perturbation_that_applied() -> None:
    one, other = pairs([4], (answer((4, 0.6)), answer((4, 0.5))))
    found = values(one, other)
    posterior = np.full((1, len(KEYS)), 1 / len(KEYS))
    rows = {"repeat": found, "ablate": found | ablation(one, other, posterior, posterior)}
    figures = {n: {"all": {m: mean_interval(v).to_dict() for m, v in f.items()}} for n, f in rows.items()}
    table = to_markdown({"perturbations": {**figures, "sex": {}}}).splitlines()
    assert table[0].startswith("| | n | Jaccard@1 | Jaccard@3 | RBO |")
    assert table[2].startswith("| repeat | 1 | 1.000 (1.000–1.000) |") and not any("sex" in line for line in table)
    assert table[-2] == "| ddx | .600 (.600–.600) | -.100 (-.100–-.100) | 1.000 (1.000–1.000) |"


@pytest.mark.parametrize("split", ["train", "calibration", "all"])
def test_only_dev_and_test(split: str) -> None:
    result = CliRunner().invoke(app, ["stability", "--split", split])
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr == f"ddx: --split: '{split}' is not one of dev, test\n"


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.skipif(not (cache_dir() / SMOLLM2).exists(), reason=f"run `ddx models get {SMOLLM2}` first")
def test_the_command(some_patients: Callable[[int], Path], tmp_path: Path) -> None:
    out = tmp_path / "new" / "stability.json"
    data = some_patients(400)
    result = CliRunner().invoke(app, ["stability", "--data", str(data), "--size", "2", "-o", str(out)])
    assert result.exit_code == 0, result.output
    stated = json.loads(out.read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in out.with_suffix(".cases.jsonl").read_text(encoding="utf-8").splitlines()]
    figures = stated["perturbations"]
    assert stated["n"] == 8 and stated["model"]["adapter_sha256"] and stated["data"]["patients_sha256"]
    assert {n: f["all"]["rbo"]["n"] for n, f in figures.items()} == {
        n: sum(row["perturbation"] == n for row in rows) for n in figures
    }
    # alone or among others, the same list with the same confidence
    assert figures["repeat"]["all"]["top1_flip"]["value"] == 0
    assert figures["repeat"]["all"]["shift"]["value"] < 0.02
    # what is decisive comes from a few hundred patients here, so that it lowers some confidences, not surely the mean
    changes = [row["change"] for row in rows if row["perturbation"] == "ablate"]
    assert min(changes) < 0
    assert figures["ablate"]["all"]["change"]["value"] == pytest.approx(np.mean(changes), abs=1e-4)
    assert "initial" not in figures["ablate"] and "| repeat | 8 |" in result.stdout
    small = CliRunner().invoke(app, ["stability", "--data", str(data), "--size", "100000", "-o", str(out)])
    assert small.exit_code == 2 and "the sample needs 100000" in small.stderr
