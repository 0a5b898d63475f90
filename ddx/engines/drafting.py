"""Drafts: what a list in the `lines` format will probably say next.

A condition's name is decided by its first token or two, and the rest can be proposed at once. The engine
checks every proposed token against the model's own choice in one forward pass, so drafts change the speed and
never the answer (speculative decoding, Leviathan et al. 2023, with a table in the place of a draft model).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Draft = Callable[[Sequence[int]], list[int]]


def line_drafter(encode: Callable[[str], list[int]], names: Sequence[str]) -> Draft:
    """A drafter for lines `name percent`; it takes the tokens generated so far and returns a proposal.

    `encode` maps text to token ids without special tokens.
    """
    newline, space = encode("a\n")[1], encode("a 1")[1]
    digits = {encode(f"a {d}")[-1] for d in range(10)}
    paths = [(*encode(name), space) for name in names]
    table: dict[tuple[int, ...], list[int] | None] = {}
    for path in paths:
        for depth in range(1, len(path)):
            head, rest = path[:depth], list(path[depth:])
            known = table.setdefault(head, rest)
            if known is not None and known != rest:
                table[head] = _common(known, rest) or None

    def draft(generated: Sequence[int]) -> list[int]:
        line: list[int] = []
        for token in reversed(generated):
            if token == newline:
                break
            line.append(token)
        line.reverse()
        if len(line) > 2 and line[-1] in digits and line[-2] in digits:
            return [newline]
        return table.get(tuple(line)) or []

    return draft


def _common(a: Sequence[int], b: Sequence[int]) -> list[int]:
    shared: list[int] = []
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        shared.append(x)
    return shared
