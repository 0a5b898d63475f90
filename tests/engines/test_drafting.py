"""What a list will say next: the drafts spare most steps, and never go beyond a list's form."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddx.engines.drafting import like, line_drafter
from ddx.vocabulary import load_vocabulary

NAMES = [c.short for c in load_vocabulary()]
END, SPACE, LINE = 1, 2, 3
LIST = "Unstable angina 92\nMyocardial infarction 3\nStable angina 2\nGERD 1\nPulmonary embolism 1\n"


@pytest.fixture(scope="module")
def encode() -> Callable[[str], list[int]]:
    """A tokenizer of words in parts of three letters: digits, line ends and the space before a digit stand alone."""
    known: dict[str, int] = {" ": SPACE, "\n": LINE}
    parts = re.compile(r"\n|\d| (?=\d)| ?[^\s\d]{1,3}")
    return lambda text: [known.setdefault(part, len(known) + 2) for part in parts.findall(text)]


def passes(tokens: list[int], draft: Callable[[list[int]], list[int]]) -> int:
    """Forward passes until all tokens are there; one gives what of the draft is right and a token more."""
    at, count = 1, 0
    while at < len(tokens):
        for guess in [*draft(tokens[:at]), None]:
            at += 1
            if at >= len(tokens) or tokens[at - 1] != guess:
                break
        count += 1
    return count


def test_a_list_takes_less_than_half_the_passes(encode: Callable[[str], list[int]]) -> None:
    tokens = [*encode(LIST), END]
    assert passes(tokens, line_drafter(encode, NAMES, 5, END)) < len(tokens) / 2


def test_the_end_comes_after_the_last_line(encode: Callable[[str], list[int]]) -> None:
    written = encode(LIST)
    assert line_drafter(encode, NAMES, 5, END)(written) == [END]
    assert line_drafter(encode, NAMES, 6, END)(written) == []
    assert line_drafter(encode, NAMES, 5, END)(written[:-1]) == [LINE, END]


def test_a_name_that_stands_there_is_not_proposed_again(encode: Callable[[str], list[int]]) -> None:
    draft = line_drafter(encode, ["Stable angina", "Stable fracture"], 5, END)
    begun = encode("Stable")
    first = draft(begun)
    assert first[: len(encode(" angina"))] == encode("Stable angina")[len(begun) :]
    then = draft([*encode("Stable angina 20\n"), *begun])
    assert then[: len(encode("Stable fracture")) - len(begun)] == encode("Stable fracture")[len(begun) :]


def test_a_variant_is_proposed_what_the_case_was_answered(encode: Callable[[str], list[int]]) -> None:
    answer = [*encode(LIST), END]
    draft = like(answer, line_drafter(encode, NAMES, 5, END), LINE)
    assert draft(answer[:7]) == answer[7:]
    other = [*encode("Stable angina 60\n"), answer[answer.index(LINE) + 1]]  # another first line, the same second one
    assert draft(other) == answer[answer.index(LINE) + 2 :]
    assert draft(encode("Gastro")) == line_drafter(encode, NAMES, 5, END)(encode("Gastro"))
    assert passes([*encode(LIST.replace("92", "85")), END], draft) <= 4


@given(tokens=st.lists(st.integers(1, 300), min_size=1, max_size=60))
def test_any_text_gets_some_proposal(tokens: list[int], encode: Callable[[str], list[int]]) -> None:
    assert all(isinstance(token, int) for token in line_drafter(encode, NAMES, 5, END)(tokens))
