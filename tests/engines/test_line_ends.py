"""The form of a line: behind a name a number, behind a number the line end, and nothing is held back in a good list."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddx.engines.line_ends import LineEnds, line_ends
from ddx.vocabulary import load_vocabulary

NAMES = [c.short for c in load_vocabulary()]
END = 1
Encode = Callable[[str], list[int]]
_KNOWN = {" ": 2, "\n": 3, **{str(digit): 4 + digit for digit in range(10)}}
_PARTS = re.compile(r"\n|\d| (?=\d)| ?[^\s\d]{1,3}")


def encode(text: str) -> list[int]:
    """A tokenizer of words in parts of three letters: digits, line ends and the space before a digit stand alone."""
    return [_KNOWN.setdefault(part, len(_KNOWN) + 2) for part in _PARTS.findall(text)]


@pytest.fixture(scope="module")
def ends() -> LineEnds:
    return line_ends(encode, NAMES, END)


def allowed(ends: LineEnds, text: str) -> str | None:
    """The characters that may follow, `$` for the end of the answer; None where anything may."""
    tokens = ends.allowed(encode(text))
    texts = {token: text for text, token in _KNOWN.items()} | {END: "$"}
    return None if tokens is None else "".join(sorted(texts[token] for token in tokens))


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("", None),
        ("Pneu", None),
        ("Pneumonia", None),  # "Pneumonia " may still become a longer name
        ("Pneumonia 9", "\n$0123456789"),
        ("Pneumonia 0", "\n$0123456789"),
        ("Pneumonia 10", "\n$0123456789"),
        ("Pneumonia 98", "\n$"),
        ("Pneumonia 100", "\n$"),
        ("Pneumonia 98\nGERD 1", "\n$0123456789"),
        ("Pneumonia 98\n", None),
        ("Pneumonia 98\nHepatitis B virus 2", None),  # not a name of the list: its number may be part of it
        ("Type 2", None),
        ("12", None),
    ],
)
def test_what_may_follow(ends: LineEnds, text: str, after: str | None) -> None:
    assert allowed(ends, text) == after


def test_a_name_and_a_space_ask_for_a_number(ends: LineEnds) -> None:
    tokens = ends.allowed([*encode("Pneumonia"), _KNOWN[" "]])
    assert tokens == {_KNOWN[str(digit)] for digit in range(10)}


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 100)), min_size=1, max_size=10))
def test_nothing_is_held_back_in_a_good_list(lines: list[tuple[str, int]]) -> None:
    rule = line_ends(encode, NAMES, END)
    tokens = [*encode("".join(f"{name} {percent}\n" for name, percent in lines)), END]
    for at, token in enumerate(tokens):
        may = rule.allowed(tokens[:at])
        assert may is None or token in may


@given(st.lists(st.integers(1, 60), max_size=30))
def test_any_tokens_are_taken(tokens: list[int]) -> None:
    rule = line_ends(encode, NAMES, END)
    may = rule.allowed(tokens)
    assert may is None or may


def test_the_form_travels_as_numbers(ends: LineEnds) -> None:
    assert LineEnds.of(ends.as_numbers()) == ends
