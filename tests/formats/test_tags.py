"""The `tags` format: each status, each repair, and the round trip."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddx.errors import InputError
from ddx.formats import TagsFormat
from ddx.vocabulary import normalise

TAGS = TagsFormat(2, think=False)
TWO = [("Pneumonia", 0.62), ("GERD", 0.2)]
A1, C1 = "<answer1>Pneumonia</answer1>", "<confidence1>0.62</confidence1>"
A2, C2 = "<answer2>GERD</answer2>", "<confidence2>0.2</confidence2>"

NAMES = st.from_regex(r"\A[A-Za-z0-9(][A-Za-z0-9()/]{0,12}( [A-Za-z0-9()/]{1,12}){0,4}\Z").filter(normalise)
PERCENTS = st.integers(0, 100).map(lambda n: n / 100)
PAIRS = st.lists(st.tuples(NAMES, PERCENTS), min_size=1, max_size=5, unique_by=lambda pair: normalise(pair[0]))


@given(PAIRS, st.booleans())
@settings(max_examples=150, deadline=None)
def test_what_is_rendered_is_read_back(pairs: list[tuple[str, float]], think: bool) -> None:
    form = TagsFormat(len(pairs), think)
    parsed = form.parse(form.render(pairs))
    assert (parsed.status, parsed.repairs) == ("ok", ())
    assert [(a.text, a.confidence) for a in parsed.answers] == pairs


@pytest.mark.parametrize(
    "text",
    [
        A1 + C1 + A2 + C2,
        A1 + A2 + C1 + C2,
        f"{A1}\n{C1}\n\n{A2}\n{C2}\n",
        f"{A1}<analysis>why <answer2>Zebra</answer2></analysis>{C1}{A2}{C2}",
        "<think><answer1>Zebra</answer1></think>" + A1 + C1 + A2 + C2,
    ],
)
def test_ok(text: str) -> None:
    parsed = TAGS.parse(text)
    assert (parsed.status, parsed.repairs) == ("ok", ())
    assert [(a.text, a.confidence) for a in parsed.answers] == TWO


@pytest.mark.parametrize(
    ("text", "repair"),
    [
        (f"So: {A1}{C1}{A2}{C2}", "text outside the tags removed"),
        (f"{A1}{C1}{A2}{C2} Done.", "text outside the tags removed"),
        (A1 + C1.replace("0.62", "62%") + A2 + C2, "percent sign removed"),
        (A1 + C1.replace("0.62", "62") + A2 + C2, "percent read as fraction"),
        (A1 + C1.replace("0.62", ".62") + A2 + C2, "number tidied"),
        (A1.replace("nia", "nia.") + C1 + A2 + C2, "punctuation removed"),
        (
            A1.lower().replace("answer", "Answer").replace("pneu", "Pneu") + C1 + A2 + C2,
            "tag spelling mended",
        ),
        (A1.replace("</answer1>", "</answer>") + C1 + A2 + C2, "closing tag mended"),
        ((A1 + C1 + A2 + C2).replace("1>", ">").replace("2>", ">"), "tag number mended"),
        (A2 + C2 + A1 + C1, "elements put in order"),
        (A1 + C1 + A2 + C2 + A1 + C1, "repeated element removed"),
        (A1 + C1 + A2 + C2 + "<answer3>Zebra</answer3>", "answers beyond k removed"),
        (A1.replace("Pneu", "Pneu\u200b") + C1 + A2 + C2, "control characters removed"),
    ],
)
def test_repairs(text: str, repair: str) -> None:
    parsed = TAGS.parse(text)
    assert parsed.status == "repaired"
    assert repair in parsed.repairs
    assert [(a.text, a.confidence) for a in parsed.answers] == TWO


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (A1 + C1, TWO[:1]),  # fewer than k
        (A1 + C1 + A2, [TWO[0], ("GERD", None)]),
        (A1 + A2, [("Pneumonia", None), ("GERD", None)]),
        (A1 + C1 + A2 + "<confidence2>high</confidence2>", [TWO[0], ("GERD", None)]),
        (A1 + C1 + A2 + "<confidence2>nan</confidence2>", [TWO[0], ("GERD", None)]),
        (A1 + C1 + A2 + "<confidence2>0.2", [TWO[0], ("GERD", None)]),
        (A1 + C1 + "<answer2>GERD" + C2, TWO[:1]),
        (A1 + C1 + "<answer2><b>GERD</b></answer2>" + C2, TWO[:1]),
        (A1 + C1 + "<answer2></answer2>" + C2, TWO[:1]),
        (A1 + C1 + "<answer2>...</answer2>" + C2, TWO[:1]),
        (A1 + C1 + "<answer2>x <answer3>y</answer3></answer2>" + C2, TWO[:1]),
        (A1 + C1 + f"<answer2>{'a' * 200}</answer2>" + C2, TWO[:1]),
        (A1 + C1 + "<answer2>PNEUMONIA</answer2>" + C2, TWO[:1]),
        (A1 + C1 + "<analysis>" + A2 + C2, TWO[:1]),
    ],
)
def test_partial(text: str, expected: list[tuple[str, float | None]]) -> None:
    parsed = TAGS.parse(text)
    assert parsed.status == "partial"
    assert [(a.text, a.confidence) for a in parsed.answers] == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Pneumonia 62",
        C1 + C2,
        "</answer1>",
        "<answer1>",
        "<think></think>",
        f"<think>{A1}{C1}{A2}{C2}</think>",
    ],
)
def test_empty(text: str) -> None:
    assert (TAGS.parse(text).status, TAGS.parse(text).answers) == ("empty", ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (A1 + C1 + A2 + C2, TWO),
        (A1 + C1 + "<answer2>GE", TWO[:1]),
        (A1 + C1 + "<ans", TWO[:1]),
        (A1 + C1 + A2 + "<confidence2>0.", [TWO[0], ("GERD", None)]),
        (A1 + A2 + C1, [TWO[0], ("GERD", None)]),
        ("<answer1>Pn", []),
    ],
)
def test_truncated(text: str, expected: list[tuple[str, float | None]]) -> None:
    parsed = TAGS.parse(text, truncated=True)
    assert parsed.status == "truncated"
    assert [(a.text, a.confidence) for a in parsed.answers] == expected


def test_truncated_with_another_fault_is_partial() -> None:
    assert TAGS.parse(A1 + A2 + C2, truncated=True).status == "partial"
    assert TAGS.parse(A2 + C2, truncated=True).status == "partial"


def test_reasoning_is_asked_for_by_think() -> None:
    form = TagsFormat(2)
    whole = A1 + C1 + A2 + C2
    assert form.parse("<think>r</think>" + whole).status == "ok"
    assert form.parse("<think>r</think>" + whole).reasoning == "r"
    assert form.parse(whole).repairs == ("no reasoning block",)
    assert form.parse(whole, truncated=True).answers == ()  # the template may have opened <think> in the prompt
    unclosed = form.parse("<think>" + whole)
    assert (unclosed.status, unclosed.answers) == ("truncated", ())
    assert form.parse(form.render(TWO, reasoning="Fever.")).reasoning == "Fever."


def test_one_answer_has_tags_without_numbers() -> None:
    form = TagsFormat(1, think=False)
    text = form.render([("GERD", 0.2)])
    assert text == "<answer>GERD</answer><confidence>0.20</confidence>\n"
    assert form.parse(text).status == "ok"
    assert form.parse(text + text).repairs == ("answers beyond k removed",)
    assert form.parse("<answer1>GERD</answer1><confidence1>0.2</confidence1>").repairs == ("tag number mended",)


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        TWO[:1],
        [*TWO, ("Zebra", 0.1)],
        [TWO[0], ("<b>", 0.1)],
        [TWO[0], ("GERD", -0.1)],
        [TWO[0], ("pneumonia", 0.1)],
    ],
)
def test_what_cannot_be_read_back_is_not_written(pairs: list[tuple[str, float]]) -> None:
    with pytest.raises(InputError, match="format tags"):
        TAGS.render(pairs)


def test_instructions_show_every_tag() -> None:
    text = TagsFormat(3).instructions()
    for tag in ("<think>", "</think>", "<answer1>", "</answer3>", "<confidence2>", "</confidence3>"):
        assert tag in text
    assert "<answer4>" not in text
    assert "<answer>" in TagsFormat(1).instructions()
    assert "think" not in TagsFormat(3, think=False).instructions()
    for k in (0, 100):
        with pytest.raises(InputError):
            TagsFormat(k)
