"""The shared helpers: where the answer starts and how a number is read."""

import pytest

from ddx.formats import after_think, parse_confidence


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("Pneumonia 62", "", "Pneumonia 62"),
        ("<think>r</think>Pneumonia 62", "r", "Pneumonia 62"),
        ("r</think>\nPneumonia 62", "r", "\nPneumonia 62"),
        ("<think>a</think>b</think>c", "a</think>b", "c"),
        ("<THINK>a</ think >b", "a", "b"),
        ("<think>a", "a", None),
        ("<think>a</think>b<think>c", "a</think>b<think>c", None),
        ("", "", ""),
    ],
)
def test_only_what_follows_the_last_closing_tag_is_the_answer(text: str, reasoning: str, answer: str | None) -> None:
    assert after_think(text) == (reasoning, answer)


@pytest.mark.parametrize(
    ("text", "percent", "fraction"),
    [
        ("70%", 0.7, 0.7),
        ("70 percent", 0.7, 0.7),
        ("70 %", 0.7, 0.7),
        ("0.7%", 0.007, 0.007),
        ("7/10", 0.7, 0.7),
        ("7 out of 10", 0.7, 0.7),
        ("<1%", 0.01, 0.01),
        ("~70", 0.7, 0.7),
        ("1e-1", 0.1, 0.1),
        (".7", 0.7, 0.7),
        ("0,7", 0.7, 0.7),
        ("62.5", 0.625, 0.625),
        ("070", 0.7, 0.7),
        ("\uff17\uff10", None, None),  # only ASCII digits are numbers here
    ],
)
def test_repaired_numbers(text: str, percent: float | None, fraction: float | None) -> None:
    for bare, expected in (("percent", percent), ("fraction", fraction)):
        value, repairs = parse_confidence(text, bare)  # type: ignore[arg-type]
        assert value == expected
        assert bool(repairs) == (expected is not None)


@pytest.mark.parametrize(
    ("text", "percent", "fraction", "clean"),
    [
        ("70", 0.7, 0.7, "percent"),
        ("1", 0.01, 1.0, "both"),
        ("0", 0.0, 0.0, "both"),
        ("100", 1.0, 1.0, "percent"),
        ("0.7", 0.7, 0.7, "fraction"),
        ("1.0", 1.0, 1.0, "fraction"),
        ("0.62", 0.62, 0.62, "fraction"),
    ],
)
def test_a_bare_number_means_what_the_format_says(text: str, percent: float, fraction: float, clean: str) -> None:
    for bare, expected in (("percent", percent), ("fraction", fraction)):
        value, repairs = parse_confidence(text, bare)  # type: ignore[arg-type]
        assert value == expected
        assert (repairs == ()) == (clean in (bare, "both"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "nan",
        "inf",
        "-5",
        "-0.1",
        "101",
        "150%",
        "1e9",
        "1e400",
        "20-30%",
        "7/0",
        "11/10",
        "1,000",
        "high",
        "<",
        "%",
        ".",
        "1 2",
        "0.6.2",
        "9" * 40,
        "<answer1>",
    ],
)
def test_unreadable_numbers_have_no_confidence(text: str) -> None:
    assert parse_confidence(text, "percent") == (None, ())
    assert parse_confidence(text, "fraction") == (None, ())
