"""The formulas of the reward, on numbers alone (§3 of the paper: Puri et al. 2026, arXiv 2603.24844).

y_i = 1 if answer i is the first to name a gold entry, else 0; q_i its confidence; K the slots of a list. A list of
fewer than K answers has empty slots, which count as q = 0 and y = 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["coverage", "discounted_coverage", "multi_brier"]


def coverage(gains: Sequence[float]) -> float:
    """R_cov = Σ_i y_i, the multi-answer RLVR reward (with weights: Σ_i w_i y_i, given as `gains`), 0..K.

    K = 1 is RLVR; one gold entry and K > 1 is Pass@K.

    >>> coverage([1, 0, 1])
    2.0
    """
    return float(sum(gains))


def multi_brier(q: Sequence[float], y: Sequence[float], k: int) -> float:
    """B = (1/K) Σ_i (q_i − y_i)², in [0, 1]: the calibration part of multi-answer RLCR, R = R_cov − B.

    Strictly proper slot by slot: with y ~ Bernoulli(p), the expectation is least at q = p. With soft targets y in
    [0, 1] it is the soft Brier score.

    >>> round(multi_brier([.6, .3], [1, 0], 3), 4)    # (.16 + .09 + 0) / 3
    0.0833
    """
    return sum((a - b) ** 2 for a, b in zip(q, y, strict=True)) / k


def discounted_coverage(gains: Sequence[float], weights: Sequence[float], k: int) -> float:
    """Coverage by rank: nDCG@K times the most that coverage could be, so that both share units and range.

    `gains` in the order listed; `weights` those of all gold entries. nDCG = Σ_i g_i / log2(i + 1) over the same sum
    of the K largest weights (Järvelin and Kekäläinen 2002, with the logarithm from the first rank on).

    >>> discounted_coverage([1, 1, 0], [1, 1], 3), round(discounted_coverage([0, 1, 1], [1, 1], 3), 4)
    (2.0, 1.3869)
    """
    best = sorted(weights, reverse=True)[:k]
    ideal = _dcg(best)
    return _dcg(gains) / ideal * sum(best) if ideal > 0 else 0.0


def _dcg(gains: Sequence[float]) -> float:
    return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1))
