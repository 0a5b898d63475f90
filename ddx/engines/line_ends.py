"""The form of a list in the `lines` format, kept while it is written: behind a whole name a number, behind that the
line end.

A case in odd words can lead a small model astray in the middle of a line ("Pneumonia 9 age"): the line is then lost to
the reader, though its name and number were there. What a model would have written is only held back where it leaves the
form; the probabilities that are kept of each token are the model's own (cf. grammar-constrained decoding, Geng et al.
2023, of which this is the part that loses no answer in the form).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

__all__ = ["FORM", "LineEnds", "line_ends"]

FORM = "ddx_line_ends"  # the name of a form among what a request carries


class LineEnds(NamedTuple):
    """Which tokens may come next. Token ids: each of `heads` is a condition's name and the space behind it."""

    heads: frozenset[tuple[int, ...]]
    space: int
    digits: tuple[int, ...]  # of 0 to 9, in this order
    newline: int
    end: int

    def allowed(self, written: Sequence[int]) -> frozenset[int] | None:
        """The tokens that may follow those of an answer so far; None where all of them may.

        A number has further digits only while it stays a percentage: none behind 11 to 99.
        """
        if not written or (written[-1] != self.space and written[-1] not in self.digits):
            return None  # most tokens: asked at every one of an answer
        line = _since(written, lambda token: token == self.newline)
        number = [self.digits.index(token) for token in _since(line, lambda token: token not in self.digits)]
        if tuple(line[: len(line) - len(number)]) not in self.heads:
            return None
        digits, ends = frozenset(self.digits), frozenset((self.newline, self.end))
        if not number:
            return digits
        return digits | ends if number in ([1, 0], number[:1]) else ends

    def as_numbers(self) -> dict[str, Any]:
        """For a message between processes; `LineEnds.of` reads it."""
        return {**self._asdict(), "heads": sorted(map(list, self.heads))}

    @classmethod
    def of(cls, numbers: Mapping[str, Any]) -> LineEnds:
        """The inverse of `as_numbers`."""
        heads, digits = frozenset(map(tuple, numbers["heads"])), tuple(numbers["digits"])
        return cls(heads, numbers["space"], digits, numbers["newline"], numbers["end"])


def _since(tokens: Sequence[int], stop: Callable[[int], bool]) -> Sequence[int]:
    """The tokens behind the last one that is a stop; all, where none is."""
    return tokens[next((at for at in range(len(tokens), 0, -1) if stop(tokens[at - 1])), 0) :]


def line_ends(encode: Callable[[str], list[int]], names: Iterable[str], end: int) -> LineEnds:
    """The form of lines that begin with these names. `encode` maps text to token ids without special tokens."""
    space = encode("a 0")[-2]
    heads = frozenset((*encode(name), space) for name in names)
    return LineEnds(heads, space, tuple(encode(f"a {digit}")[-1] for digit in range(10)), encode("a\n")[-1], end)
