"""What a model's own token probabilities say of each line that it wrote, beyond the number in it.

A greedy answer states the likeliest digits. Where a model wavers between "99" and "20" it writes "99" and hides
the doubt; the probabilities of the digits that it did not write show it, and those of the names that it did not write
first. Three signals of a line, for the `lines` format (name, space, whole percent):

- `expected`: the mean of the stated number under the model's distribution over its digits (the mean in the place of
  the mode, as Wang, Zhang & Choi 2025, arXiv 2503.03064, do for a judge's marks);
- `name`: the probability with which the model wrote the name, given the lines before (the sequence likelihood, as
  in Malinin & Gales 2021, arXiv 2002.07650);
- `first`: the probability with which the model would have begun its list with this name. Once "Acute rhinosinusitis"
  stands in the first line, how likely "Chronic rhinosinusitis" is in the second says little about which of the two it
  is; how likely it was in the first says it (token probabilities of the possible answers, as in Kadavath et al. 2022,
  arXiv 2207.05221, here of names that take several tokens).

All come from the pass that wrote the answer. `beside` turns them into confidences of the same slots, which a
calibrator pools with the stated ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddx.generation import Token

__all__ = ["SIGNALS", "LineSignal", "beside", "line_signals"]

SIGNALS = ("expected", "implied", "first")
DIGITS = 4  # decimals kept: the order of a sum depends on the batch, and stored signals must be the computed ones


class LineSignal(NamedTuple):
    """`expected`, `name` and `first`, all in [0, 1], to four decimals."""

    expected: float
    name: float
    first: float


def beside(stated: Sequence[float], signals: Sequence[LineSignal | None]) -> NDArray[np.float64]:
    """Confidences [3, K] of the K slots with these stated confidences, in the order of `SIGNALS`.

    "expected" and "first" are the signals of these names. "implied" is the chance that a name drawn line by line from
    the model comes out at the slot: name_r · Π_{s<r} (1 − name_s). Where a line has no signal, all are what was stated.

    >>> beside([.9, .1], [LineSignal(.8, .7, .7), LineSignal(.1, .5, .2)]).round(2).tolist()
    [[0.8, 0.1], [0.7, 0.15], [0.7, 0.2]]
    >>> beside([.9], [None]).tolist()
    [[0.9], [0.9], [0.9]]
    """
    known = [signal for signal in signals if signal is not None]
    if len(known) < len(signals):
        return np.array([stated] * len(SIGNALS), dtype=np.float64)
    name = np.array([signal.name for signal in known])
    left = np.cumprod(np.append(1.0, 1.0 - name[:-1]))
    return np.array([[signal.expected for signal in known], name * left, [signal.first for signal in known]])


def line_signals(tokens: Sequence[Token]) -> list[LineSignal | None]:
    """One entry for each line of the text that the tokens spell; None for a line that does not end in one or two
    digits written one token each, with what else could have stood there.

    >>> nine, two, end = ("9", -0.22), ("2", -1.6), ("\\n", -0.1)
    >>> first = Token("9", -0.22, (nine, two))
    >>> line = [Token("Gout", -0.1), Token(" ", 0.0), first, Token("5", 0.0, (("5", 0.0),)), Token("\\n", 0.0, (end,))]
    >>> line_signals(line)  # .80 · 95 % + .20 · 24.5 %; the text after the line end is an empty line
    [LineSignal(expected=0.8083, name=0.9048, first=0.9048), None]
    """
    lines: list[list[Token]] = [[]]
    for token in tokens:
        if token.text:
            lines[-1].append(token)
        lines += [[] for _ in range(token.text.count("\n"))]
    found: list[LineSignal | None] = []
    head: list[Token] = []  # the name in the first line that has one
    for line in lines:
        begin, digits = _number(line)
        if not digits:
            found.append(None)
            continue
        name = line[:begin]
        head = head or name
        expected = _expected(line[begin : begin + 2], digits)
        values = expected, _probability(name), _instead(name, head)
        found.append(LineSignal(*(round(value, DIGITS) for value in values)))
    return found


def _number(line: list[Token]) -> tuple[int, int]:
    """Where the number at the end of a line begins, and of how many digits it is; (0, 0) where a line is not a name, a
    space and one or two digits with what else could have stood there."""
    end = len(line) - 1 if line and "\n" in line[-1].text else len(line)
    begin = end
    while begin > 0 and _is_digit(line[begin - 1].text):
        begin -= 1
    spaced = begin > 0 and line[begin - 1].text.endswith(" ")
    if not spaced or not 1 <= end - begin <= 2 or not line[begin].alternatives:
        return 0, 0
    return begin, end - begin


def _probability(tokens: Sequence[Token]) -> float:
    return math.exp(sum(token.logprob for token in tokens))


def _instead(name: Sequence[Token], head: Sequence[Token]) -> float:
    """The probability of `name` where `head` was written.

    They share their first tokens; where they part, that of the name's token is among the alternatives of the head's (at
    most the least of them where it is not); what follows it was never computed there, and is taken from the name's own
    line. Names that part at the same token are each given all that it has: the sum over a list can exceed 1.
    """
    same = 0
    while same < min(len(name), len(head)) and name[same].text == head[same].text:
        same += 1
    if same == len(name):  # the first line itself, or its name once more
        return _probability(head[:same])
    if same == len(head) or not head[same].alternatives:
        return 0.0
    ways = dict(head[same].alternatives)
    there = ways.get(name[same].text, min(ways.values()))
    return math.exp(there) * _probability(head[:same]) * _probability(name[same + 1 :])


def _expected(tokens: list[Token], digits: int) -> float:
    """Mean of the number in [0, 1]. `tokens` are its first digit and what follows it.

    A first digit that was not written is taken to stand before as many digits as the written one, and its number for
    the middle of what they can say.
    """
    weights = _digit_weights(tokens[0])
    written = int(tokens[0].text)
    mean = 0.0
    for digit, weight in weights.items():
        if digit != written:
            value = 10 * digit + 4.5 if digits == 2 and digit else digit
        else:
            value = _second(tokens[1], written) if len(tokens) > 1 else written
        mean += weight * value
    return mean / sum(weights.values()) / 100


def _second(token: Token, first: int) -> float:
    """Mean of the number whose first digit is written: with one more digit, or ended here."""
    ways = {10.0 * first + d: w for d, w in _digit_weights(token).items()} if first else {}
    ended = sum(math.exp(lp) for text, lp in token.alternatives if not text or "\n" in text)
    total = sum(ways.values()) + ended
    return (sum(v * w for v, w in ways.items()) + first * ended) / total if total else float(first)


def _digit_weights(token: Token) -> dict[int, float]:
    return {int(text): math.exp(lp) for text, lp in token.alternatives if _is_digit(text)}


def _is_digit(text: str) -> bool:
    return len(text) == 1 and "0" <= text <= "9"
