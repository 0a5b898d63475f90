"""The compatibility mode follows the paper's rules to the letter, faults included."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddx.errors import InputError
from ddx.rewards import paper_parts

THINK = "<think>because</think>"
ANALYSIS = "<analysis>so</analysis>"
OBJECTIVES = ("rlvr-single", "rlcr-single", "rlvr-multi", "rlcr-multi")


def pairs(*answers: tuple[str, object], head: str = THINK + ANALYSIS) -> str:
    return head + "".join(
        f"<answer{i}>{a}</answer{i}><confidence{i}>{q}</confidence{i}>" for i, (a, q) in enumerate(answers, 1)
    )


def single(answer: str, q: object, head: str = THINK + ANALYSIS) -> str:
    return f"{head}<answer>{answer}</answer><confidence>{q}</confidence>"


def test_rlcr_multi_by_hand() -> None:
    parts = paper_parts(pairs(("GERD", 0.6), ("Croup", 0.3)), ["gerd", "Asthma"], 2, "rlcr-multi")
    assert parts == {
        "format": 1.0, "unique": 1.0, "any_correct": 1.0, "count_correct": 0.5, "constraint": 1.0,
        "brier": pytest.approx(1 - (0.16 + 0.09) / 2),
    }  # fmt: skip


def test_keys_are_those_of_the_objective() -> None:
    for objective in OBJECTIVES:
        parts = paper_parts("", ["x"], 1, objective)
        assert ("brier" in parts) == ("constraint" in parts) == objective.startswith("rlcr")
        assert all(value == 0 for key, value in parts.items() if key != "unique")
        assert parts["unique"] == float(objective.endswith("-single"))


@pytest.mark.parametrize(
    ("head", "well_formed"),
    [
        (THINK + ANALYSIS, 1),
        (THINK + "<think>more</think>" + ANALYSIS, 1),
        ("<think><think>a</think></think>" + ANALYSIS, 1),  # in order of occurrence: "<think>a" and "a</think>"
        ("<think> \n</think>" + ANALYSIS, 0),
        ("<think>a" + ANALYSIS, 0),
        ("</think>a<think>" + ANALYSIS, 0),
        (ANALYSIS, 0),
        (THINK, 0),  # rlcr wants <analysis> too
        (THINK + "</analysis><analysis>", 1),  # both tags occur somewhere: that is all that is asked
    ],
)
def test_format_of_the_head(head: str, well_formed: int) -> None:
    text = pairs(("GERD", 0.6), ("Croup", 0.3), head=head)
    assert paper_parts(text, ["GERD"], 2, "rlcr-multi")["format"] == well_formed


def test_rlvr_wants_neither_analysis_nor_confidences() -> None:
    text = THINK + "<answer1>GERD</answer1><answer2>Croup</answer2>"
    assert paper_parts(text, ["GERD", "Croup"], 2, "rlvr-multi")["count_correct"] == 1.0
    assert paper_parts(text, ["GERD", "Croup"], 2, "rlcr-multi")["format"] == 0.0


@pytest.mark.parametrize(
    ("q", "well_formed", "constraint"),
    [
        (0.5, 1, 1),
        ("1e-1", 1, 1),
        (" .5 ", 1, 1),
        ("50%", 0, 0),
        ("nan", 0, 0),
        ("inf", 0, 0),
        (-0.1, 0, 1),
        (1.5, 0, 0),
    ],
)
def test_confidences(q: object, well_formed: int, constraint: int) -> None:
    parts = paper_parts(pairs(("GERD", q), ("Croup", 0.1)), ["GERD"], 2, "rlcr-multi")
    assert (parts["format"], parts["constraint"]) == (well_formed, constraint)
    one = paper_parts(single("GERD", q), ["GERD"], 1, "rlcr-single")
    assert (one["format"], one["constraint"]) == (well_formed, constraint)


def test_the_sum_rule_has_no_tolerance() -> None:
    exact = paper_parts(pairs(("a x", 0.5), ("b", 0.5)), ["b"], 2, "rlcr-multi")
    above = paper_parts(pairs(("a x", 0.7), ("b", 0.1), ("c", 0.2)), ["b"], 3, "rlcr-multi")
    assert exact["constraint"] == 1.0
    assert sum([0.7, 0.1, 0.2]) <= 1.0 and above["constraint"] == 1.0
    over = paper_parts(pairs(("a x", 0.5), ("b", 0.5000001)), ["b"], 2, "rlcr-multi")
    assert (over["constraint"], over["brier"], over["any_correct"]) == (0.0, 0.0, 1.0)


def test_unique_gates_rlcr_multi_only() -> None:
    text = pairs(("GERD", 0.3), (" gerd ", 0.3))
    rlcr, rlvr = (paper_parts(text, ["GERD"], 2, o) for o in ("rlcr-multi", "rlvr-multi"))
    assert (rlcr["unique"], rlcr["any_correct"], rlcr["count_correct"], rlcr["brier"]) == (0, 0, 0, 0)
    assert (rlvr["unique"], rlvr["any_correct"], rlvr["count_correct"]) == (0, 1, 1)  # two texts of one diagnosis
    dotted = paper_parts(pairs(("GERD", 0.3), ("G.E.R.D.", 0.3)), ["GERD"], 2, "rlcr-multi")
    assert (dotted["unique"], dotted["count_correct"]) == (1, 1)  # counted twice: a fault that stays


def test_rlcr_multi_reads_pairs_first_then_answers_and_confidences_apart() -> None:
    head = THINK + ANALYSIS
    apart = (
        head + "<answer1>A1</answer1><answer2>B</answer2><confidence1>0.2</confidence1><confidence2>0.7</confidence2>"
    )
    parts = paper_parts(apart, ["B"], 2, "rlcr-multi")
    assert parts["brier"] == pytest.approx(1 - (0.04 + 0.09) / 2)
    before = (
        head + "<confidence1>0.2</confidence1><answer1>A1</answer1><confidence2>0.7</confidence2><answer2>B</answer2>"
    )
    assert paper_parts(before, ["B"], 2, "rlcr-multi")["brier"] == pytest.approx(1 - (0.04 + 0.09) / 2)
    # draft answers in the reasoning come first: the search starts at the start of the text
    draft = pairs(("A1", 0.2), ("B", 0.7), head="<think>x<answer1>B</answer1></think>" + ANALYSIS)
    assert paper_parts(draft, ["B"], 2, "rlcr-multi")["unique"] == 0.0


def test_rlvr_multi_takes_answers_until_one_is_missing() -> None:
    text = THINK + "<answer1>GERD</answer1><answer3>Croup</answer3>"
    parts = paper_parts(text, ["GERD", "Croup"], 3, "rlvr-multi")
    assert (parts["format"], parts["unique"], parts["any_correct"]) == (0, 0, 0)  # the tags of slot 2 are missing
    three = pairs(("GERD", 0), ("Croup", 0), ("Asthma", 0))
    assert paper_parts(three, ["GERD", "Croup", "Asthma"], 2, "rlvr-multi") == {
        "format": 1.0, "unique": 1.0, "any_correct": 1.0, "count_correct": 1.0,
    }  # fmt: skip
    lone = paper_parts(THINK + "<answer>GERD</answer>", ["GERD"], 1, "rlvr-multi")
    assert (lone["format"], lone["unique"], lone["count_correct"]) == (1, 1, 1)


def test_singles_count_the_last_answer_and_score_the_first_pair() -> None:
    text = single("Croup", 0.2) + "<answer>GERD</answer>"
    parts = paper_parts(text, ["GERD"], 1, "rlcr-single")
    assert parts["any_correct"] == 1.0
    assert parts["brier"] == pytest.approx(1 - 0.04)
    assert paper_parts(THINK + "<answer>Croup</answer><answer>GERD</answer>", ["GERD"], 1, "rlvr-single") == {
        "format": 1.0, "unique": 1.0, "any_correct": 1.0, "count_correct": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "gold", "correct"),
    [
        ("Hepatitis A", "hepatitis", 1),  # the fault of dropped articles
        ("NSTEMI/STEMI", "NSTEMISTEMI", 1),  # the fault of deleted slashes
        ("the  G.E.R.D.", "gerd", 1),
        ("Anemia", "Anaemia", 0),
        ("", "", 0),
        ("the", "a", 0),
        ("theory", "ory", 0),
    ],
)
def test_matching(answer: str, gold: str, correct: int) -> None:
    assert paper_parts(THINK + f"<answer>{answer}</answer>", [gold], 1, "rlvr-single")["any_correct"] == correct


def test_bad_arguments() -> None:
    with pytest.raises(InputError, match="rlvr-single"):
        paper_parts("", [], 1, "grpo")
    with pytest.raises(InputError, match="at least 1"):
        paper_parts("", [], 0, "rlvr-multi")


pieces = st.sampled_from(
    ["<think>", "</think>", "x", " ", ANALYSIS, "<answer1>", "</answer1>", "<answer>", "</answer>", "<confidence1>",
     "</confidence1>", "<answer2>GERD</answer2>", "<confidence2>0.4</confidence2>", "0.3", "GERD", "nan", "\n"]
)  # fmt: skip


@given(st.lists(pieces, max_size=25).map("".join), st.sampled_from(OBJECTIVES), st.integers(1, 3))
def test_any_text_gets_parts_in_range(text: str, objective: str, k: int) -> None:
    parts = paper_parts(text, ["GERD"], k, objective)
    assert all(0 <= value <= 1 for value in parts.values())
