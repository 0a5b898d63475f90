"""Packing for the warm start: presentations that share a beginning share its computation.

All presentations begin with the same instructions, and those of one patient at successive points of the interview
with the same findings. A pack is a prefix tree of token sequences laid out as one sequence: a mask lets each token
see its own beginning only, and positions count from there, so every presentation is computed exactly as if it stood
alone (a test compares them), for far fewer tokens.

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
    """One training sequence: `tokens` [T], `positions` [T]; the loss at sequence index `at[j]` predicts distribution j
    given as (`row`, `token`, `weight`) triplets.

    `enter`, `leave` [T]: a token's place in a walk through the tree, and the first place behind what begins with it, so
    that token j stands in the beginning of token i, or is i, where `enter[j] <= enter[i] < leave[j]`."""

    tokens: np.ndarray
    positions: np.ndarray
    enter: np.ndarray
    leave: np.ndarray
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
        """The first `lines` lines of the answer; the end token stands only behind a whole list. With 0, the first token
        of the first name: which condition comes first, at no more tokens than the prompt has."""
        answer, left = Answer(), np.array(target.scores, dtype=float)
        if lines == 0:
            self._name(answer, target.listed[0], left)
            return Answer(answer.tokens[:1], answer.targets[:1])
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


class Packer:
    """Presentations to packs: a prefix tree of tokens that is closed when the next presentations do not fit."""

    def __init__(self, size: int) -> None:
        """`size` in tokens; a pack of a single group may be larger."""
        self.size = size
        self.packs: list[Pack] = []
        self._open: list[tuple[list[int], Answer]] = []
        self._nodes: dict[tuple[int, int], int] = {}

    def add(self, presentations: Sequence[tuple[list[int], Answer]]) -> None:
        """Presentations (prompt tokens, answer) that stay together, such as those of one patient."""
        if self._open and len(self._nodes) + self._new(presentations) > self.size:
            self.close()
        for prompt, answer in presentations:
            walk(self._nodes, prompt + answer.tokens[:-1])
        self._open += presentations

    def close(self) -> list[Pack]:
        """Finish the open pack; all packs so far."""
        if self._open:
            self.packs.append(pack(self._open))
            self._open, self._nodes = [], {}
        return self.packs

    def _new(self, presentations: Sequence[tuple[list[int], Answer]]) -> int:
        nodes = dict(self._nodes)
        for prompt, answer in presentations:
            walk(nodes, prompt + answer.tokens[:-1])
        return len(nodes) - len(self._nodes)


def pack(presentations: Sequence[tuple[list[int], Answer]]) -> Pack:
    """One sequence that computes these (prompt tokens, answer) pairs."""
    nodes: dict[tuple[int, int], int] = {}
    at: list[int] = []
    targets: list[dict[int, float]] = []
    for prompt, answer in presentations:
        path = walk(nodes, prompt + answer.tokens[:-1])
        at += path[len(prompt) - 1 :]
        targets += answer.targets
    size = len(nodes)
    tokens, parents = np.array([token for _, token in nodes]), [parent for parent, _ in nodes]
    positions, enter, below = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64), [1] * size
    for index in reversed(range(size)):  # parents come first in the order of insertion
        if parents[index] >= 0:
            below[parents[index]] += below[index]
    free = [0] * (size + 1)  # the place of a node's next child; at -1, of the next root
    for index, parent in enumerate(parents):
        positions[index] = positions[parent] + 1 if parent >= 0 else 0
        enter[index] = free[parent]
        free[parent] += below[index]
        free[index] = enter[index] + 1
    return Pack(
        tokens, positions, enter, enter + np.array(below), np.array(at),
        np.array([j for j, target in enumerate(targets) for _ in target]),
        np.array([t for target in targets for t in target]),
        np.array([w for target in targets for w in target.values()], dtype=np.float32),
        len(presentations),
    )  # fmt: skip


def walk(nodes: dict[tuple[int, int], int], tokens: Sequence[int]) -> list[int]:
    """The path of a token sequence through a prefix tree {(parent, token): index}, which grows as needed."""
    path, parent = [], -1
    for token in tokens:
        parent = nodes.setdefault((parent, token), len(nodes))
        path.append(parent)
    return path
