"""Packing for the warm start: presentations that share a beginning share its computation.

The presentations of a patient at successive points of the interview begin alike. A *tree* holds their common
trunk once and one branch for each presentation; a mask lets a branch see the part of the trunk that is its
own beginning, and itself. Positions continue from there, so every presentation is computed exactly as if it
stood alone (a test compares them), for about half the tokens. Several trees make a pack of fixed size.

The loss stands on the answer's tokens only. Inside a condition's name the target is soft: `1 − soft` on the
token of the listed name, `soft` on the tokens by which the remaining conditions would go on, each with its
share of the teacher's posterior. More than half of the mass stays on the listed name, so that greedy
decoding follows the teacher's order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from ddx.train.targets import Target

Encode = Callable[[str], list[int]]


@dataclass
class Answer:
    """Tokens of an answer and, for each, the target distribution as {token: probability}."""

    tokens: list[int] = field(default_factory=list)
    targets: list[dict[int, float]] = field(default_factory=list)


@dataclass
class Pack:
    """One training sequence: `tokens` [T], `positions` [T], `visible` bool [T, T]; the loss at sequence index
    `at[j]` predicts distribution j given as (`row`, `token`, `weight`) triplets."""

    tokens: np.ndarray
    positions: np.ndarray
    visible: np.ndarray
    at: np.ndarray
    row: np.ndarray
    token: np.ndarray
    weight: np.ndarray
    presentations: int


class AnswerWriter:
    """Targets to answer tokens in the `lines` format. `names` are the conditions as the model writes them."""

    def __init__(self, encode: Encode, names: Sequence[str], end: int, soft: float) -> None:
        self.encode, self.end, self.soft = encode, end, soft
        self.names = [tuple(encode(name)) for name in names]
        # the token that ends a name, so that a name which begins another one is told apart
        self.space = encode("a 1")[1]

    def write(self, target: Target, lines: int) -> Answer:
        """The first `lines` lines of the answer; the end token stands only behind a whole list."""
        answer, left = Answer(), np.array(target.scores, dtype=float)
        for number, (index, confidence) in enumerate(zip(target.listed, target.confidence, strict=True)):
            if number == lines:
                return answer
            self._name(answer, index, left)
            left[index] = 0.0
            for token in self.encode(f"a {round(100 * confidence)}\n")[2:]:
                _add(answer, token, {token: 1.0})
        _add(answer, self.end, {self.end: 1.0})
        return answer

    def _name(self, answer: Answer, index: int, left: np.ndarray) -> None:
        alive = [i for i in range(len(self.names)) if left[i] > 0]
        for depth, token in enumerate((*self.names[index], self.space)):
            mass: dict[int, float] = {}
            for i in alive:
                path = (*self.names[i], self.space)
                mass[path[depth]] = mass.get(path[depth], 0.0) + left[i]
            total = sum(mass.values())
            soft = {t: self.soft * w / total for t, w in mass.items() if w / total > 1e-3} if total > 0 else {}
            soft[token] = soft.get(token, 0.0) + 1 - sum(soft.values())
            _add(answer, token, soft)
            alive = [i for i in alive if (*self.names[i], self.space)[depth : depth + 1] == (token,)]


def _add(answer: Answer, token: int, target: dict[int, float]) -> None:
    answer.tokens.append(token)
    answer.targets.append(target)


def tree(presentations: Sequence[tuple[list[int], Answer]]) -> Pack:
    """Pack presentations (prompt tokens, answer) around their common trunk: the longest prompt."""
    trunk = max((prompt for prompt, _ in presentations), key=len)
    tokens, positions = list(trunk), list(range(len(trunk)))
    blocks: list[tuple[int, int, int]] = []  # start, length, visible part of the trunk
    at: list[int] = []
    targets: list[dict[int, float]] = []
    for prompt, answer in presentations:
        shared = _common(prompt, trunk)
        # the last prompt token predicts the answer's first: it must belong to the branch
        shared = min(shared, len(prompt) - 1)
        branch = prompt[shared:] + answer.tokens[:-1]
        start = len(tokens)
        at += range(start + len(prompt) - shared - 1, start + len(branch))
        targets += answer.targets
        tokens += branch
        positions += range(shared, shared + len(branch))
        blocks.append((start, len(branch), shared))
    visible = np.zeros((len(tokens), len(tokens)), dtype=bool)
    visible[: len(trunk), : len(trunk)] = np.tri(len(trunk), dtype=bool)
    for start, length, shared in blocks:
        visible[start : start + length, :shared] = True
        visible[start : start + length, start : start + length] = np.tri(length, dtype=bool)
    row = [j for j, target in enumerate(targets) for _ in target]
    return Pack(
        np.array(tokens), np.array(positions), visible, np.array(at), np.array(row),
        np.array([t for target in targets for t in target]),
        np.array([w for target in targets for w in target.values()], dtype=np.float32),
        len(presentations),
    )  # fmt: skip


def join(trees: Sequence[Pack]) -> Pack:
    """Several trees in one sequence that do not see each other."""
    size = sum(len(t.tokens) for t in trees)
    visible = np.zeros((size, size), dtype=bool)
    start, row, ats, rows = 0, 0, [], []
    for t in trees:
        end = start + len(t.tokens)
        visible[start:end, start:end] = t.visible
        ats.append(t.at + start)
        rows.append(t.row + row)
        start, row = end, row + len(t.at)

    def together(name: str) -> np.ndarray:
        return np.concatenate([getattr(t, name) for t in trees])

    return Pack(
        together("tokens"), together("positions"), visible, np.concatenate(ats), np.concatenate(rows),
        together("token"), together("weight"), sum(t.presentations for t in trees),
    )  # fmt: skip


def fill(trees: Sequence[Pack], size: int) -> list[list[int]]:
    """Which trees share a pack: in the given order, as many as fit into `size` tokens (first fit over a short
    window of open packs, so that the order stays random)."""
    packs: list[list[int]] = []
    room: list[int] = []
    for index, one in enumerate(trees):
        for at in range(max(0, len(packs) - 8), len(packs)):
            if room[at] >= len(one.tokens):
                packs[at].append(index)
                room[at] -= len(one.tokens)
                break
        else:
            packs.append([index])
            room.append(size - len(one.tokens))
    return packs


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    n = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        n += 1
    return n
