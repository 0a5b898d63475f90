"""Partial credit along ICD-10: stable for unstable angina is a nearer miss than gout.

A diagnosis stands for its code and everything above it: category, block (blocks may nest) and chapter. Which categories
a block holds and which chapter it is in comes from `ddx/vocabulary/tables/icd10_blocks.csv`, WHO ICD-10 (2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddx.metrics.per_case import UNMATCHED, Batch, first_mention

__all__ = ["Hierarchical", "ancestors", "hierarchical"]

OUTSIDE = 4  # nodes of what has no place in the tree: a code's usual number, so that nonsense is not a cheaper guess

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


class Hierarchical(NamedTuple):
    """Hierarchical precision, recall and F1 of each case, [n] in [0, 1]."""

    precision: Floats
    recall: Floats
    f1: Floats


def ancestors(code: str) -> frozenset[str]:
    """A WHO ICD-10 code with its category, blocks and chapter; a category outside every block has none of these.

    >>> sorted(ancestors("I20.0")), sorted(ancestors("J93"))
    (['I20', 'I20-I25', 'I20.0', 'IX'], ['J90-J94', 'J93', 'X'])
    """
    category = code[:3]
    above = {name for first, last, *names in _blocks() if first <= category <= last for name in names}
    return frozenset({code, category} | above)


def hierarchical(batch: Batch, icd10: Sequence[str], k: int) -> Hierarchical:
    """hP, hR, hF1 of the first k diagnoses against the gold set; `icd10` has the code of each condition index.

    Kiritchenko, Matwin, Nock & Famili 2006 (Canadian AI, LNAI 4013, section 4): with P̂ and T̂ the two sets of codes
    extended by all ancestors (but the root), hP = |P̂ ∩ T̂| / |P̂| and hR = |P̂ ∩ T̂| / |T̂|. They pool the counts over a
    data set; here they are of one case, so that intervals over cases are possible. A condition without a code is a
    node of its own; a string that matches no condition, and a gold member outside the vocabulary, are `OUTSIDE` nodes
    that match nothing. An invalid or empty list earns 0; NaN where the gold set is empty. For the pathology alone pass
    a batch whose gold is the pathology. Raises ValueError when a condition of the batch has no entry in `icd10`.

    >>> b = Batch([[0]], [[.9]], [1], [{1}], [True])       # one angina for the other: 3 of 4 nodes
    >>> hierarchical(b, ["I20.0", "I20.8"], 1).f1.tolist()
    [0.75]
    """
    if k < 1:
        raise ValueError(f"k must be at least 1; got {k}")
    tree = _nodes(icd10)
    codes = batch.codes[:, :k]
    if int(codes.max(initial=-1)) >= len(tree) or batch.gold_matrix.shape[1] > len(tree):
        raise ValueError(f"icd10 has {len(tree)} codes, and the batch names conditions beyond them")
    first = first_mention(codes) & batch.valid[:, None]
    listed = np.zeros((len(batch), len(tree)), dtype=np.bool_)
    rows, slots = np.nonzero(first & (codes >= 0))
    listed[rows, codes[rows, slots]] = True
    claimed = _reached(listed, tree)
    true = _reached(batch.gold_matrix, tree[: batch.gold_matrix.shape[1]])
    shared = (claimed & true).sum(axis=1)
    n_claimed = claimed.sum(axis=1) + OUTSIDE * (first & (codes <= UNMATCHED)).sum(axis=1)
    n_true = true.sum(axis=1) + OUTSIDE * (batch.gold_size - batch.gold_matrix.sum(axis=1))
    undefined = n_true == 0
    return Hierarchical(
        np.where(undefined, np.nan, shared / np.maximum(1, n_claimed)),
        np.where(undefined, np.nan, shared / np.maximum(1, n_true)),
        np.where(undefined, np.nan, 2 * shared / np.maximum(1, n_claimed + n_true)),
    )


@lru_cache(maxsize=1)
def _blocks() -> tuple[tuple[str, str, str, str], ...]:
    """(first category, last category, block, chapter) of every block."""
    text = files("ddx.vocabulary").joinpath("tables", "icd10_blocks.csv").read_text(encoding="utf-8")
    rows = [line.split(",") for line in text.split()[1:]]
    return tuple((block[:3], block[4:], block, chapter) for block, chapter in rows)


def _nodes(icd10: Sequence[str]) -> NDArray[np.float32]:
    """[C, nodes]: 1 where the node is the condition's code or above it."""
    paths = [ancestors(code) if code else frozenset({f"condition {i}"}) for i, code in enumerate(icd10)]
    column = {name: i for i, name in enumerate(sorted(frozenset().union(*paths)))}
    tree = np.zeros((len(paths), len(column)), dtype=np.float32)
    for row, path in enumerate(paths):
        tree[row, [column[name] for name in path]] = 1
    return tree


def _reached(conditions: Bools, tree: NDArray[np.float32]) -> Bools:
    """[n, nodes]: nodes that any of a case's conditions [n, C] reaches."""
    reached: Bools = conditions.astype(np.float32) @ tree > 0
    return reached
