"""What a model's own token probabilities say of each line that it wrote, beyond the number in it.

A greedy answer states the likeliest digits. Where a model wavers between "99" and "20" it writes "99" and hides
the doubt; the probabilities of the digits that it did not write show it. Two signals of a line, for the `lines`
format (name, space, whole percent):

- `expected`: the mean of the stated number under the model's distribution over its digits (the mean in the place of
  the mode, as Wang, Zhang & Choi 2025, arXiv 2503.03064, do for a judge's marks);
- `name`: the probability with which the model wrote the name, given the lines before (the sequence likelihood, as
  in Malinin & Gales 2021, arXiv 2002.07650).

Both come from the pass that wrote the answer. `beside` turns them into confidences of the same slots, which a
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

SIGNALS = ("expected", "implied")
DIGITS = 4  # decimals kept: the order of a sum depends on the batch, and stored signals must be the computed ones


class LineSignal(NamedTuple):
    """`expected` and `name`, both in [0, 1], to four decimals."""

    expected: float
    name: float


def beside(stated: Sequence[float], signals: Sequence[LineSignal | None]) -> NDArray[np.float64]:
    """Confidences [2, K] of the K slots with these stated confidences, in the order of `SIGNALS`.

    "expected" is the signal of that name. "implied" is the chance that a name drawn line by line from the model
    comes out at the slot: name_r · Π_{s<r} (1 − name_s). Where a line has no signal, both are what was stated.

    >>> beside([.9, .1], [LineSignal(.8, .7), LineSignal(.1, .5)]).round(2).tolist()
    [[0.8, 0.1], [0.7, 0.15]]
    >>> beside([.9], [None]).tolist()
    [[0.9], [0.9]]
    """
    known = [signal for signal in signals if signal is not None]
    if len(known) < len(signals):
        return np.array([stated, stated], dtype=np.float64)
    name = np.array([signal.name for signal in known])
    left = np.cumprod(np.append(1.0, 1.0 - name[:-1]))
    return np.array([[signal.expected for signal in known], name * left])


def line_signals(tokens: Sequence[Token]) -> list[LineSignal | None]:
    """One entry for each line of the text that the tokens spell; None for a line that does not end in one or two
    digits written one token each, with what else could have stood there.

    >>> nine, two, end = ("9", -0.22), ("2", -1.6), ("\\n", -0.1)
    >>> first = Token("9", -0.22, (nine, two))
    >>> line = [Token("Gout", -0.1), Token(" ", 0.0), first, Token("5", 0.0, (("5", 0.0),)), Token("\\n", 0.0, (end,))]
    >>> line_signals(line)  # .80 · 95 % + .20 · 24.5 %; the text after the line end is an empty line
    [LineSignal(expected=0.8083, name=0.9048), None]
    """
    lines: list[list[Token]] = [[]]
    for token in tokens:
        if token.text:
            lines[-1].append(token)
        lines += [[] for _ in range(token.text.count("\n"))]
    return [_signal(line) if line else None for line in lines]


def _signal(line: list[Token]) -> LineSignal | None:
    end = len(line) - 1 if "\n" in line[-1].text else len(line)
    begin = end
    while begin > 0 and _is_digit(line[begin - 1].text):
        begin -= 1
    digits = line[begin:end]
    spaced = begin > 0 and line[begin - 1].text.endswith(" ")
    if not spaced or not 1 <= len(digits) <= 2 or not digits[0].alternatives:
        return None
    name = math.exp(sum(token.logprob for token in line[:begin]))
    return LineSignal(round(_expected(line[begin : begin + 2], len(digits)), DIGITS), round(name, DIGITS))


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
