"""The `lines` format: each status, each repair, and the round trip."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddx.errors import InputError
from ddx.formats import LinesFormat
from ddx.vocabulary import load_vocabulary, normalise

LINES = LinesFormat(5)
TWO = [("Pneumonia", 0.62), ("GERD", 0.2)]

NAMES = st.from_regex(r"\A[A-Za-z][A-Za-z0-9()/]{0,12}( [A-Za-z0-9()/]{1,12}){0,4}\Z")
PERCENTS = st.integers(0, 100).map(lambda n: n / 100)
PAIRS = st.lists(st.tuples(NAMES, PERCENTS), min_size=1, max_size=5, unique_by=lambda pair: normalise(pair[0]))


@given(PAIRS)
@settings(max_examples=150, deadline=None)
def test_what_is_rendered_is_read_back(pairs: list[tuple[str, float]]) -> None:
    try:
        text = LINES.render(pairs)
    except InputError:  # a few names are words that are no diagnosis, such as "Total"
        assert any(normalise(name) in ("sum", "total", "answer", "answers") for name, _ in pairs)
        return
    parsed = LINES.parse(text)
    assert (parsed.status, parsed.repairs) == ("ok", ())
    assert [(a.text, a.confidence) for a in parsed.answers] == pairs


def test_names_may_end_in_a_number() -> None:
    pairs = [("Covid 19", 0.4), ("Type 2 diabetes", 0.05), ("Trisomy 21", 1.0)]
    assert LINES.render(pairs) == "Covid 19 40\nType 2 diabetes 5\nTrisomy 21 100\n"
    assert [(a.text, a.confidence) for a in LINES.parse(LINES.render(pairs)).answers] == pairs


def test_every_name_of_the_vocabulary_can_be_written() -> None:
    for condition in load_vocabulary().conditions:
        for name in (condition.name, condition.short):
            assert LINES.parse(LINES.render([(name, 0.5)])).answers[0].text == name


@pytest.mark.parametrize(
    ("text", "repair"),
    [
        ("1. Pneumonia 62\n2) GERD 20", "numbering removed"),
        ("Diagnosis 1: Pneumonia 62\nDiagnosis 2: GERD 20", "numbering removed"),
        ("- Pneumonia 62\n- GERD 20", "bullet removed"),
        ("\u2022 Pneumonia 62\n* GERD 20", "bullet removed"),
        ("Pneumonia 62%\nGERD 20 percent", "percent sign removed"),
        ("Pneumonia: 62\nGERD:20", "colon removed"),
        ("Pneumonia - 62\nGERD = 20", "punctuation removed"),
        ("Pneumonia, 62\nGERD,20", "punctuation removed"),
        ("Pneumonia 62.\nGERD 20.", "punctuation removed"),
        ("Pneumonia (62%)\nGERD [20%]", "brackets removed"),
        ("Pneumonia (confidence: 62%)\nGERD, probability: 20", "label removed"),
        ("**Pneumonia** 62\n**GERD** 20", "markdown removed"),
        ("### Pneumonia 62\n### GERD 20", "markdown removed"),
        ("| Pneumonia | 62 |\n|---|---|\n| GERD | 20 |", "markdown removed"),
        ("Pneumonia 62\n\n\nGERD 20", "blank line removed"),
        ("Here is the list:\nPneumonia 62\nGERD 20", "extra line skipped"),
        ("Pneumonia 62\nGERD 20\nPlease see a doctor.", "extra line skipped"),
        ("Pneumonia 62\nGERD 20\nTotal 82", "extra line skipped"),
        ("Pneumonia 62\nGERD 20\n```", "extra line skipped"),
        ("x " * 100 + "\nPneumonia 62\nGERD 20", "extra line skipped"),
        ("Pneumonia 62\nGERD 20\nG.E.R.D. 5", "duplicate removed: G.E.R.D"),
        ("Pneumonia 0.62\nGERD 0.2", "fraction read as percent"),
        ("Pneumonia 62.0\nGERD 20.0", "number tidied"),
        ("Pneumonia ~ 62\nGERD ~20", "bound read as its number"),
        ("Pneumonia 62% because of the fever\nGERD 20", "explanation removed"),
        ("62% Pneumonia\n20% GERD", "confidence moved"),
        ("Pneumonia  62\nGERD\t20", "white space tidied"),
        ("Pneu\u200bmonia 62\nGERD\x00 20", "control characters removed"),
    ],
)
def test_repairs(text: str, repair: str) -> None:
    parsed = LINES.parse(text)
    assert parsed.status == "repaired"
    assert repair in parsed.repairs
    assert [(a.text, a.confidence) for a in parsed.answers] == TWO


@pytest.mark.parametrize(
    "text",
    [
        "Pneumonia 62\nGERD 20\n",
        "Pneumonia 62\r\nGERD 20",
        "\n\nPneumonia 62\nGERD 20\n\n",
        "<think>\nZebra 90\n</think>\n\nPneumonia 62\nGERD 20\n",
    ],
)
def test_ok(text: str) -> None:
    parsed = LINES.parse(text)
    assert (parsed.status, parsed.repairs) == ("ok", ())
    assert [(a.text, a.confidence) for a in parsed.answers] == TWO


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pneumonia\nGERD", [("Pneumonia", None), ("GERD", None)]),
        ("Pneumonia 62\nGERD", [("Pneumonia", 0.62), ("GERD", None)]),
        ("1. Pneumonia.\n2. GERD.", [("Pneumonia", None), ("GERD", None)]),
        ("Pneumonia 62\nGERD 150", [("Pneumonia", 0.62), ("GERD", None)]),
        ("Pneumonia 62\nGERD -5", [("Pneumonia", 0.62), ("GERD", None)]),
        ("Pneumonia 62\nGERD nan", [("Pneumonia", 0.62), ("GERD", None)]),
        ("Pneumonia 62\nGERD 20-30%", [("Pneumonia", 0.62), ("GERD", None)]),
        ("Pneumonia 62\n20", [("Pneumonia", 0.62)]),
        ("Pneumonia 62\n<answer1>GERD</answer1>", [("Pneumonia", 0.62)]),
        ("Pneumonia 62\nGERD 20%, asthma 10%", [("Pneumonia", 0.62)]),
    ],
)
def test_partial(text: str, expected: list[tuple[str, float | None]]) -> None:
    parsed = LINES.parse(text)
    assert parsed.status == "partial"
    assert [(a.text, a.confidence) for a in parsed.answers] == expected


@pytest.mark.parametrize("text", ["", " \n\t\n", "I cannot say.", "62", "---", "<answer1>GERD</answer1>", "a" * 500])
def test_empty(text: str) -> None:
    assert (LINES.parse(text).status, LINES.parse(text).answers) == ("empty", ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pneumonia 62\nGERD 20\n", TWO),
        ("Pneumonia 62\nGERD 20\nCovid 19", TWO),  # may be on its way to "Covid 19 40"
        ("Pneumonia 62\nGERD 20%", TWO),
        ("Pneumonia 62\nGERD 2", TWO[:1]),
        ("- Pneumonia 62\nGERD", TWO[:1]),
        ("Pneum", []),
        ("<think>Zebra 90\n", []),
    ],
)
def test_truncated(text: str, expected: list[tuple[str, float]]) -> None:
    parsed = LINES.parse(text, truncated=True)
    assert parsed.status == "truncated"
    assert [(a.text, a.confidence) for a in parsed.answers] == expected


def test_truncated_with_another_fault_is_partial() -> None:
    assert LINES.parse("Pneumonia\nGERD 20\nCov", truncated=True).status == "partial"


def test_an_unclosed_think_gives_no_answer() -> None:
    parsed = LINES.parse("Pneumonia 62\n<think>\nGERD 20\n")
    assert (parsed.status, parsed.answers) == ("truncated", ())


def test_more_than_k_answers_are_cut() -> None:
    parsed = LinesFormat(1).parse("Pneumonia 62\nGERD 20\n")
    assert [a.text for a in parsed.answers] == ["Pneumonia"]
    assert (parsed.status, parsed.repairs) == ("repaired", ("text after the last answer removed",))


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [("GERD", 0.2), ("gerd", 0.1)],
        [("GERD", 1.2)],
        [("GERD", float("nan"))],
        [("7", 0.2)],
        [("<b>GERD", 0.2)],
        [("a" * 200, 0.2)],
        [("GERD", 0.1)] * 6,
        [("", 0.1)],
    ],
)
def test_what_cannot_be_read_back_is_not_written(pairs: list[tuple[str, float]]) -> None:
    with pytest.raises(InputError, match="format lines"):
        LINES.render(pairs)


def test_instructions_are_short_and_say_k_and_percent() -> None:
    for k in (1, 2, 5, 10):
        text = LinesFormat(k).instructions()
        assert len(text.split()) < 30
        assert "percent" in text
        assert k == 1 or str(k) in text
    with pytest.raises(InputError):
        LinesFormat(0)
