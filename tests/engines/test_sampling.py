"""Sampled first lines: from the model's own distribution, the same for the same seed, never beyond their budget."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from ddx.case import Case
from ddx.engines.base_models import SMOLLM2, cache_dir
from ddx.engines.sampling import SHORTEST, _fitting, _pick, sample_lines
from ddx.model import Model, load_model
from ddx.prompt import messages

needs_model = pytest.mark.skipif(not (cache_dir() / SMOLLM2).exists(), reason=f"run `ddx models get {SMOLLM2}` first")
CASES = [
    Case("a", 30, "F", text="Cough and fever."),
    Case("b", 62, "M", text="Chest pain since this morning; sweating."),
]


@given(st.lists(st.integers(1, 24), min_size=1, max_size=12), st.integers(0, 80))
def test_lines_are_taken_in_order_while_they_fit_and_one_always_is(lengths: list[int], budget: int) -> None:
    taken = _fitting([[0] * length for length in lengths], budget)
    assert taken == 1 or sum(lengths[:taken]) <= budget
    assert taken == len(lengths) or sum(lengths[: taken + 1]) > budget


def test_a_token_is_picked_where_the_cumulative_probability_passes_the_draw() -> None:
    logits = torch.log(torch.tensor([0.0, 0.5, 0.0, 0.25, 0.25])).expand(6, -1)
    draws = torch.tensor([0.0, 0.499, 0.501, 0.749, 0.751, 1 - 1e-12], dtype=torch.float64)
    assert _pick(logits, draws) == [1, 1, 3, 3, 4, 4]


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


def lines(model: Model, cases: list[Case], seeds: list[int], budget: int) -> list[list[str]]:
    chats = [messages(model.prompt_text(case), model.instructions) for case in cases]
    drawn = sample_lines(model.engine, chats, seeds, [budget] * len(cases))
    for of_case in drawn:
        assert len(of_case) == 1 or sum(len(g.token_ids) for g in of_case) <= budget
        assert all(g.text.count("\n") <= 1 and (g.truncated or g.text.endswith("\n")) for g in of_case)
    return [[g.text for g in of_case] for of_case in drawn]


@needs_model
@pytest.mark.slow
@pytest.mark.model
def test_a_seed_gives_the_same_lines_whatever_the_other_cases_and_however_many(model: Model) -> None:
    first, second = lines(model, CASES, [1, 2], 40)
    assert len(first) > 2 and len(second) > 2
    assert lines(model, CASES[1:], [2], 40) == [second]
    (more,) = lines(model, CASES[1:], [2], 80)
    assert more[: len(second)] == second and len(more) > len(second)
    assert lines(model, CASES[:1], [3], 40) != [first]
    assert [len(one) for one in lines(model, CASES, [1, 2], 1)] == [1, 1]


@needs_model
@pytest.mark.slow
@pytest.mark.model
def test_a_name_comes_as_often_as_the_model_makes_it_likely(model: Model) -> None:
    (answer,) = model.generate(CASES[:1])
    signal, name = answer.signals[0], answer.generation.text.splitlines()[0].rpartition(" ")[0]
    assert signal is not None and 0.1 < signal.name < 0.9, "a case that the model is sure of would test nothing"
    (drawn,) = lines(model, CASES[:1], [7], 200 * SHORTEST)
    named = sum(text.rpartition(" ")[0] == name for text in drawn)
    assert len(drawn) > 80
    assert binomtest(named, len(drawn), signal.name).pvalue > 0.01, (name, named, len(drawn), signal.name)
