"""Signals of a line come from the token probabilities, stand at the right line, and are lists like the stated ones."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddx.answers import Answered, answered, read_answer
from ddx.calibration.signals import LineSignal, beside, line_signals
from ddx.formats import LinesFormat, TagsFormat
from ddx.generation import Generation, Token
from ddx.vocabulary import Matcher, load_vocabulary


def digit(chosen: str, mass: dict[str, float]) -> Token:
    ways = sorted(((text, math.log(p)) for text, p in mass.items()), key=lambda way: -way[1])
    return Token(chosen, math.log(mass[chosen]), tuple(ways))


def line(name: str, p_name: float, first: dict[str, float], second: dict[str, float] | None = None) -> list[Token]:
    """A line whose likeliest digits are written."""
    one = digit(max(first, key=first.__getitem__), first)
    rest = [digit(max(second, key=second.__getitem__), second)] if second else []
    end = Token("\n", 0.0, (("\n", 0.0),))
    return [Token(name, math.log(p_name)), Token(" ", 0.0), one, *rest, end]


def generation(tokens: list[Token]) -> Generation:
    return Generation("".join(t.text for t in tokens), (0,) * len(tokens), 9, False, 0.1, tuple(tokens))


def test_the_mean_of_two_digits() -> None:
    tokens = line("Gout", 0.5, {"9": 0.6, "2": 0.4}, {"9": 0.5, "0": 0.5})
    (found, after) = line_signals(tokens)
    assert found == LineSignal(round(0.6 * 0.945 + 0.4 * 0.245, 4), 0.5, 0.5) and after is None


def test_one_digit_and_what_may_follow_it() -> None:
    sure = line("Gout", 1.0, {"4": 1.0})
    assert line_signals(sure)[0] == LineSignal(0.04, 1.0, 1.0)
    tokens = [*sure[:3], Token("\n", math.log(0.75), (("\n", math.log(0.75)), ("0", math.log(0.25))))]
    found = line_signals(tokens)[0]  # 4 with .75, 40 with .25
    assert found is not None and found.expected == pytest.approx(0.13)
    zero = line_signals(line("Gout", 1.0, {"0": 0.9, "3": 0.1}))[0]  # in the place of a single digit, 3 means 3 %
    assert zero is not None and zero.expected == pytest.approx(0.003)


def test_at_the_end_of_the_text_the_end_token_ends_the_number() -> None:
    tokens = [*line("Gout", 1.0, {"4": 1.0})[:3], Token("", 0.0, (("", 0.0),))]
    assert line_signals(tokens) == [LineSignal(0.04, 1.0, 1.0)]


@pytest.mark.parametrize("text", ["Gout", "Gout 9.5", "Gout 100", "9", "", "Gout 9%"])
def test_what_is_not_written_as_name_and_percent_has_no_signal(text: str) -> None:
    tokens = [Token(c, -0.1, ((c, -0.1),)) for c in text]
    assert line_signals(tokens) == [None]


def named(*tokens: tuple[str, dict[str, float]]) -> list[Token]:
    """A line at 99 % whose name takes several tokens, each with what else could have stood there."""
    return [*(digit(text, ways) for text, ways in tokens), *line("", 1.0, {"9": 1.0}, {"9": 1.0})[1:]]


def test_how_likely_a_later_name_was_in_the_first_line() -> None:
    """They part at the token for which the first line kept what else could have stood there."""
    tokens = [
        *named(("Acute", {"Acute": 0.6, "Chronic": 0.3, "G": 0.02}), (" sinusitis", {" sinusitis": 0.9, " HIV": 0.1})),
        *named(("Chronic", {"Chronic": 0.2}), (" sinusitis", {" sinusitis": 0.8})),
        *named(("Acute", {"Acute": 0.5}), (" HIV", {" HIV": 0.7})),
        *named(("Pertussis", {"Pertussis": 0.9})),
        *named(("Acute", {"Acute": 0.5}), (" sinusitis", {" sinusitis": 0.7})),
    ]
    found = [signal.first for signal in line_signals(tokens) if signal]
    # the third shares the first token; the fourth was not among what was kept, and is at most the least of that
    assert found == pytest.approx([0.6 * 0.9, 0.3 * 0.8, 0.6 * 0.1, 0.02, 0.6 * 0.9], abs=1e-4)


def test_without_alternatives_in_the_first_name_nothing_else_was_possible_there() -> None:
    tokens = [*line("Gout", 0.5, {"9": 1.0}), *line("Pertussis", 0.4, {"9": 1.0})]
    assert [signal.first for signal in line_signals(tokens) if signal] == [0.5, 0.0]


@given(
    st.lists(st.tuples(*[st.floats(0.0, 1.0)] * 3), min_size=1, max_size=6),
    st.lists(st.floats(0, 1), min_size=6, max_size=6),
)
def test_implied_is_a_list_of_confidences(triples: list[tuple[float, float, float]], stated: list[float]) -> None:
    signals = [LineSignal(*triple) for triple in triples]
    found = beside(stated[: len(signals)], signals)
    assert found.shape == (3, len(signals))
    assert (found >= 0).all() and found[1].sum() <= 1 + 1e-9
    missing = beside(stated[: len(signals)], [*signals[:-1], None])
    assert np.array_equal(missing, [stated[: len(signals)]] * 3)


def test_signals_follow_their_lines_through_parser_and_matcher() -> None:
    """A heading, a blank line and a synonym given twice stand between: each diagnosis keeps its own signal."""
    tokens = [
        Token("Differential:\n\n", -0.1),
        *line("Heart attack", 0.8, {"7": 1.0}, {"0": 1.0}),
        *line("Myocardial infarction", 0.7, {"6": 1.0}, {"0": 1.0}),
        *line("Pulmonary embolism", 0.6, {"2": 1.0}, {"0": 1.0}),
    ]
    form, matcher = LinesFormat(5), Matcher(load_vocabulary())
    answer = answered("case", generation(tokens), form)
    written = read_answer(answer, form, matcher)
    assert [m.condition.key for m in written.matches if m.condition] == ["myocardial_infarction", "pulmonary_embolism"]
    assert written.beside[:, 0] == pytest.approx(np.array([[0.7, 0.2], [0.8, 0.2 * 0.6], [0.8, 0.0]]))
    assert written.conf[0].tolist() == [0.7, 0.2] and written.status == "repaired"


def test_without_token_probabilities_the_stated_confidence_stands_in() -> None:
    form, matcher = LinesFormat(5), Matcher(load_vocabulary())
    answer = Answered("case", generation([Token("Gout 80\nPulmonary embolism 60\n", -0.1)]))
    written = read_answer(answer, form, matcher)
    assert written.beside[:, 0].tolist() == [written.conf[0].tolist()] * 3
    assert written.conf.sum() == pytest.approx(1.0)  # 140 % stated


@pytest.mark.parametrize("text", ["Gout 80\r\n", "<think>Gout 80\n</think>Gout 80\n"])
def test_lines_that_the_parser_counts_otherwise_get_no_signal(text: str) -> None:
    made = Generation(text, (0,), 9, False, 0.1, tuple(Token(c, -0.1, ((c, -0.1),)) for c in text))
    assert answered("case", made, LinesFormat(5)).signals == ()
    assert answered("case", generation(line("Gout", 0.5, {"9": 1.0})), TagsFormat(3)).signals == ()
