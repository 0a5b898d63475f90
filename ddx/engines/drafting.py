"""Drafts: what a list in the `lines` format will probably say next.

A condition's name is decided by its first token or two, and most confidences below the first line have one digit; the
rest can be proposed at once. The engine checks every proposed token against the model's own choice in one forward
pass, where a few tokens cost hardly more than one, so drafts change the speed and never the answer (speculative
decoding, Leviathan et al. 2023, with a table in the place of a draft model).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Draft = Callable[[Sequence[int]], list[int]]


def line_drafter(encode: Callable[[str], list[int]], names: Sequence[str], lines: int, end: int) -> Draft:
    """A drafter for so many lines `name percent`; it takes the tokens generated so far and returns a proposal.

    `encode` maps text to token ids without special tokens; `end` is the token that ends an answer.
    """
    newline, (space, none), few = encode("a\n")[1], encode("a 0")[1:], encode("a 1")[-1]
    paths = [(*encode(name), space) for name in names]

    def draft(generated: Sequence[int]) -> list[int]:
        *before, line = _split(generated, newline)
        if not line:
            return [end] if len(before) >= lines else []
        last = [newline, end] if len(before) + 1 >= lines else [newline]
        number = len(line) - 1 - line.index(space) if space in line else 0
        if number:  # on the first line two digits, on later ones mostly one
            return last if number > 1 or before else []
        heads = [tuple(old[: old.index(space) + 1]) for old in before if space in old]
        fitting = [path for path in paths if path[: len(line)] == line and path not in heads]
        rest = list(fitting[0][len(line) :]) if fitting else []
        if not before or not (rest or line[-1] == space):
            return rest
        # The sum is 100 at most, and confidences fall: after 0 comes 0.
        return [*rest, none if before[-1][-2:] == (space, none) else few, *last]

    return draft


def like(answer: Sequence[int], draft: Draft, newline: int) -> Draft:
    """A drafter that proposes the rest of another answer as long as the line agrees with its line of that number: for
    a variant of a case. Else what `draft` proposes."""
    starts = [0, *(at + 1 for at, token in enumerate(answer) if token == newline)]

    def proposed(generated: Sequence[int]) -> list[int]:
        *before, line = _split(generated, newline)
        if len(before) < len(starts):
            start = starts[len(before)]
            if tuple(answer[start : start + len(line)]) == line:
                return list(answer[start + len(line) :])
        return draft(generated)

    return proposed


def _split(tokens: Sequence[int], newline: int) -> list[tuple[int, ...]]:
    """The lines of a text; the last one is still being written, and may be empty."""
    lines: list[tuple[int, ...]] = []
    begin = 0
    for at, token in enumerate(tokens):
        if token == newline:
            lines.append(tuple(tokens[begin:at]))
            begin = at + 1
    return [*lines, tuple(tokens[begin:])]
