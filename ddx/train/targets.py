"""What the warm start teaches: which conditions to list, in which order, with which confidence.

For a DDXPlus patient at a point of the interview, a teacher fitted on the training split (the tabular classifier, or
what `ddx.train.teacher` makes) gives p (posterior of the pathology, given what is known at that point) and m
(probability that the condition is in the gold differential). The list is the K conditions with the highest
`p + LISTED·m`: by posterior while that says anything, then by membership, so that the tail of a certain case still
lists what belongs in its differential. The stated confidence is p in whole percent: honest about what the findings
support at that point, not the 0/1 label, which would teach certainty at partial evidence.

A teaching vignette carries its own list.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ddx.vocabulary import Vocabulary

LISTED = 0.02
_MAX_PERCENT = 99


@dataclass(frozen=True)
class Target:
    """The answer for one presentation: condition indices in order, their confidence in [0, 1], and the
    weight of every condition as the next name (`scores` [C], not normalised)."""

    listed: tuple[int, ...]
    confidence: tuple[float, ...]
    scores: np.ndarray


def from_teacher(p: np.ndarray, m: np.ndarray, k: int) -> Target:
    """Target from a teacher's posterior p [C] and membership m [C]."""
    scores = p + LISTED * m
    listed = np.argsort(-scores, kind="stable")[:k]
    return Target(tuple(int(i) for i in listed), tuple(_round(p[i]) for i in listed), scores)


def from_list(differential: Sequence[tuple[str, float]], vocabulary: Vocabulary, k: int) -> Target:
    """Target from a written differential: (DDXPlus name, probability) in descending order.

    What the list leaves to "something else" is spread over the conditions that it does not name: the names'
    probabilities then say, too, that none of them fits, which is what a calibrator reads beside the stated numbers.
    """
    pairs = [(vocabulary.index(vocabulary.from_ddxplus(name).key), p) for name, p in differential][:k]
    rest = max(0.0, 1.0 - sum(p for _, p in pairs)) / max(1, len(vocabulary) - len(pairs))
    scores = np.full(len(vocabulary), max(1e-4, rest))
    for index, p in pairs:
        scores[index] = max(p, scores[index])  # a listed name stays possible where its share rounds to 0
    return Target(tuple(i for i, _ in pairs), tuple(_round(p) for _, p in pairs), scores)


def _round(p: float) -> float:
    return min(round(100 * float(p)), _MAX_PERCENT) / 100
