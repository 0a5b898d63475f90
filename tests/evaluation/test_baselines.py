"""Other ways to answer: how samples become a differential, what is stored, and what the table says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ddx
from ddx.case import Case
from ddx.errors import InputError
from ddx.evaluation.baselines import baseline_figures, by_share, prompts, stored_records
from ddx.evaluation.completions import to_lines
from ddx.evaluation.measure import rounded
from ddx.evaluation.report import to_html
from ddx.evaluation.sample import Sample
from ddx.evaluation.tables import to_markdown, ways
from ddx.evaluation.words import WAYS
from ddx.metrics.per_case import EMPTY, Batch
from ddx.model import Model
from ddx.vocabulary import load_vocabulary

VOCABULARY = load_vocabulary()
NAMES = [condition.name for condition in VOCABULARY]
ASKED = list(prompts(5, VOCABULARY))
FEVER = Case("x", 30, "F", text="Fever.")
STANDARD = Path(ddx.__file__).parent / "assets" / "evaluation" / "standard.json"


class Silent:
    """An engine that is never asked."""

    name, decoding, gives_probabilities = "silent", {}, True

    def line_draft(self, names: list[str], lines: int) -> None:
        return None

    def line_ends(self, names: list[str]) -> None:
        return None


MODEL = Model(Silent(), 5, None, {"id": "m", "base": "b"})  # type: ignore[arg-type]


def record(name: str, case_id: str, stage: str, completions: list[str], tokens: int = 10) -> dict[str, Any]:
    cut = [False] * len(completions)
    return {"baseline": name, "case_id": case_id, "stage": stage, "completions": completions, "truncated": cut,
            "tokens": tokens, "prompt_tokens": 50, "seconds": 0.5}  # fmt: skip


def test_a_share_of_the_samples_is_the_confidence_whatever_they_state() -> None:
    written = ["GERD 99\n", "Pneumonia 1\n", "Anemia 80\n", "pneumonia 7\n", "G.E.R.D. 5\n", "12345\n", "Boerhaave\n"]
    found = by_share(MODEL, FEVER, record("best-of-k", "x", "full", written))
    assert [(d.key, round(d.confidence * 7)) for d in found.diagnoses] == [
        ("gerd", 2), ("pneumonia", 2), ("anemia", 1), ("boerhaave_syndrome", 1),
    ]  # fmt: skip
    assert found.other == pytest.approx(1 / 7), "what can't be read counts for something else"
    assert found.status == "repaired"
    assert by_share(MODEL, FEVER, record("best-of-k", "x", "full", ["", "12\n"])).status == "empty"


def test_a_sample_that_was_cut_off_is_not_read() -> None:
    cut = {**record("best-of-k", "x", "full", ["Pneumonia 1\n", "Pneumo"]), "truncated": [False, True]}
    found = by_share(MODEL, FEVER, cut)
    assert [(d.key, d.confidence) for d in found.diagnoses] == [("pneumonia", 0.5)]


@given(st.lists(st.sampled_from([*NAMES[:7], "Nonesuch disease", "7", ""]), min_size=1, max_size=12))
def test_shares_are_ranked_distinct_and_never_above_one(names: list[str]) -> None:
    found = by_share(MODEL, FEVER, record("best-of-k", "x", "full", [f"{name} 50\n" for name in names]))
    shares = [d.confidence for d in found.diagnoses]
    assert shares == sorted(shares, reverse=True) and sum(shares) <= 1 + 1e-9 and len(shares) <= 5
    assert len({d.name for d in found.diagnoses}) == len(shares)
    assert found.valid == any(name not in ("7", "") for name in names)


def sample() -> Sample:
    stages = ["initial", "initial", "full", "full"]
    cases = [Case(f"p{i}-{stage}", 30, "F", text="Fever.") for i, stage in enumerate(stages)]
    truth = [VOCABULARY.index(key) for key in ("gerd", "gerd", "pneumonia", "anemia")]
    return Sample(cases, stages, [0] * 4, truth, [frozenset({t}) for t in truth])  # type: ignore[arg-type]


def records() -> list[dict[str, Any]]:
    """Each baseline is right in the first of four cases and can't be read in the others; `verbalized` never can."""
    known = sample()
    return [
        record(name, case.case_id, stage, [f"{NAMES[t]} 60\n" if i == 0 and name != "verbalized" else "I am a model."])
        for name in (*ASKED, "best-of-k")
        for i, (case, stage, t) in enumerate(zip(known.cases, known.stages, known.truth, strict=True))
    ]


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    known = sample()
    codes = np.column_stack([known.truth, np.full((4, 4), EMPTY)])
    conf = np.zeros((4, 5))
    conf[:, 0] = 0.9
    batch = Batch(codes, conf, np.array(known.truth), known.gold, np.ones(4, dtype=bool))
    cost = {name: np.full(4, 20.0) for name in ("tokens", "prompt_tokens", "seconds")}
    own = {"model": (batch, cost), "sft-only": (batch, cost), "tabular": (batch, {})}
    return rounded(baseline_figures(MODEL, known, own, records()))


@pytest.fixture(scope="module")
def report(figures: dict[str, Any]) -> dict[str, Any]:
    shipped = json.loads(STANDARD.read_text(encoding="utf-8"))
    return {**shipped, **figures, "base_cases": 2, "baselines": {**shipped["baselines"], **figures["baselines"]}}


def test_every_baseline_is_paired_with_the_model_on_the_same_cases(figures: dict[str, Any]) -> None:
    assert list(figures["baselines"]) == [*ASKED, "best-of-k"]
    for name, found in figures["baselines"].items():
        share = 0 if name == "verbalized" else 0.25
        assert found["all"]["pass@1"]["value"] == found["all"]["validity"]["value"] == share
        assert found["initial"]["pass@1"] == {"value": 2 * share, "low": 0, "high": 4 * share, "n": 2}
        assert found["all"]["tokens_per_distinct"]["value"] == (40 if share else None)
        minus = figures["minus_baselines"][name]
        assert (minus["all"]["pass@1"]["value"], minus["full"]["pass@1"]["value"]) == (1 - share, 1)
    assert figures["same_cases"]["model"]["all"]["tokens_per_distinct"]["value"] == 20
    assert figures["minus_baselines"]["tabular"]["all"]["pass@1"] == {"value": 0, "low": 0, "high": 0, "n": 4}
    assert set(figures["baseline_prompts_sha256"]) == set(ASKED)


def test_the_table_has_a_row_a_way_with_n_and_what_it_is(report: dict[str, Any]) -> None:
    found = ways(report)
    assert found is not None and len(found["rows"]) == len(WAYS) == len(found["about"])
    assert [who for who, _ in found["rows"]][:3] == ["ddx", "sft-only", "best-of-k"]
    assert all(cells[0] == "4" for _, cells in found["rows"])
    assert found["stages"] == ["initial (n=2)", "full (n=2)"]
    written, page = to_markdown(report), unescape(to_html(report))
    for who, what in found["about"]:
        assert f"- {who}: {what}" in written and f"<b>{who}</b>: {what}" in page
    assert "Beside other ways" not in to_markdown({**report, "base_cases": 0})
    cells = {who: dict(zip(found["heads"], cells, strict=True)) for who, cells in found["rows"]}
    column = "tokens written for each distinct right diagnosis"
    assert cells["verbalized"][column] == "none right"
    assert cells["label-list"][column].endswith("–∞)"), "a bootstrap draw without a right diagnosis"
    assert cells["label-list"]["… ddx minus it"].startswith(".750 (")


def test_stored_answers_of_baselines_are_read_back_or_refused(tmp_path: Path) -> None:
    path, good, known = tmp_path / "x.baselines.completions.jsonl", records(), sample()
    path.write_text(to_lines(good), encoding="utf-8")
    assert stored_records(path, MODEL, known) == good
    odd = [{**good[0], "completions": ["Fever,\u2028cough\x85and\x0bso on"]}, *good[1:]]
    path.write_text(to_lines(odd), encoding="utf-8", newline="")
    assert stored_records(path, MODEL, known) == odd, "whatever a base model writes"
    without: Callable[[str], list[dict[str, Any]]] = lambda name: [r for r in good if r["baseline"] != name]  # noqa: E731
    path.write_text(to_lines(without("best-of-k")), encoding="utf-8")
    assert stored_records(path, MODEL, known), "a model that writes no lines has none"
    for rows, reason in (
        (without("verbalized"), "other baselines"),
        (good[:-1], "other cases than these; it has 2 at a stage"),
        ([{**good[0], "completions": []}, *good[1:]], "not the completions of baselines"),
        ([{**good[0], "completions": [None]}, *good[1:]], "not the completions of baselines"),
        ([{**good[0], "tokens": "many"}, *good[1:]], "not the completions of baselines"),
        ([{"case_id": "x"}], "not the completions of baselines"),
    ):
        path.write_text(to_lines(rows), encoding="utf-8")
        with pytest.raises(InputError, match=reason):
            stored_records(path, MODEL, known)
