"""What the confidences are good for: answering only where they are high, and acting on must-not-miss conditions."""

from __future__ import annotations

from typing import Any

import numpy as np

from ddx.calibration.selective import aurc, mistakes, risk_coverage
from ddx.evaluation.sample import Sample
from ddx.metrics import per_case
from ddx.metrics.aggregate import interval_of, mean_interval
from ddx.metrics.decision import THRESHOLDS, decision_curve, must_not_miss
from ddx.metrics.per_case import Batch
from ddx.vocabulary import Vocabulary

__all__ = ["decision_figures", "selective_figures"]

SHOWN = THRESHOLDS[[0, 1, 4, 9, 14, 19, 29, 39, 49]]  # 1, 2, 5, 10, 15, 20, 30, 40 and 50 %
GRID = np.arange(1, 51) / 50  # coverages at which the curve is kept
DRAWS = 400


def selective_figures(batch: Batch, sample: Sample, groups: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Mistake ("first", "list") → group → AURC with its interval over cases, the overall risk, and the risk-coverage
    curve: the risk at the smallest coverage that is at least each of `coverage`, as ties are answered together.

    Unreadable answers count as wrong with a score of 0.
    """
    conf = np.where(batch.valid[:, None], batch.conf, 0.0)
    listed = batch.listed & batch.valid[:, None]
    found: dict[str, dict[str, Any]] = {"first": {}, "list": {}}
    for what in found:
        score, wrong = mistakes(conf, listed, per_case.outcome(batch), what)  # type: ignore[arg-type]
        for group in groups:
            rows = np.array(sample.where(group), dtype=np.int64)
            if not len(rows):
                continue
            curve = risk_coverage(score[rows], wrong[rows])
            at = np.searchsorted(curve.coverage, GRID - 1e-9)
            found[what][group] = {
                "n": len(rows),
                "risk": mean_interval(wrong[rows], draws=DRAWS).to_dict(),
                "aurc": _aurc(score[rows], wrong[rows]),
                "coverage": curve.coverage[at].tolist(),
                "risks": curve.risk[at].tolist(),
                "thresholds": curve.threshold[at].tolist(),
            }
    return found


def _aurc(score: np.ndarray, wrong: np.ndarray) -> dict[str, float | int]:
    return interval_of(lambda rows: aurc(score[rows], wrong[rows]), len(score), draws=DRAWS).to_dict()


def decision_figures(
    batch: Batch, sample: Sample, vocabulary: Vocabulary, groups: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    """Group → decision curve (`ddx.metrics.decision`) for "a must-not-miss condition", at the thresholds `SHOWN`."""
    severe = [condition.must_not_miss for condition in vocabulary]
    probability, event = must_not_miss(batch, severe)
    found = {}
    for group in groups:
        rows = np.array(sample.where(group), dtype=np.int64)
        if len(rows):
            found[group] = decision_curve(probability[rows], event[rows], SHOWN, draws=DRAWS)
    return found
