"""What a reward is made of: objective, meaning of confidence, and the named options beyond the paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ddx.differential import Semantics
from ddx.errors import InputError

__all__ = ["Objective", "RewardOptions"]

Objective = Literal["rlvr-single", "rlcr-single", "rlvr-multi", "rlcr-multi"]


@dataclass(frozen=True)
class RewardOptions:
    """The defaults are the paper's reward (Puri et al. 2026), on matched conditions instead of strings.

    objective: `rlvr-*` is coverage alone; `rlcr-*` is coverage minus Multi-Brier. `*-single` has k = 1.
    k: slots of a list, 1 or more.
    meaning: what a confidence claims, and so what it is scored against: `pathology` (the patient's condition) or
        `membership` (in the gold differential).
    coverage_on: which gold the coverage counts: the gold differential, or the pathology alone.

    Beyond the paper, each off by default:
    normalise: divide coverage and Brier alike by min(k, |G|), so that long gold lists weigh no more than short ones.
    gold_weights: a covered member counts its gold probability p* instead of 1.
    soft_brier: score confidence against p* instead of 0 or 1; only for `membership`.
    severity_weight: a covered must-not-miss condition (severity 1 or 2) counts this much more than others; 1 is off.
    rank_gain: coverage by rank, k-truncated DCG over its ideal (Järvelin and Kekäläinen 2002), in coverage's units.
    length_penalty: taken off per generated token.
    format_reward: added once to a valid output.
    """

    objective: Objective = "rlcr-multi"
    k: int = 3
    meaning: Semantics = "pathology"
    coverage_on: Literal["differential", "pathology"] = "differential"
    normalise: bool = False
    gold_weights: bool = False
    soft_brier: bool = False
    severity_weight: float = 1.0
    rank_gain: bool = False
    length_penalty: float = 0.0
    format_reward: float = 0.0

    def __post_init__(self) -> None:
        if self.objective not in get_args(Objective):
            raise InputError(f"objective {self.objective!r} is not one of {', '.join(get_args(Objective))}")
        if self.meaning not in get_args(Semantics):
            raise InputError(f"meaning {self.meaning!r} is not one of {', '.join(get_args(Semantics))}")
        if self.coverage_on not in ("differential", "pathology"):
            raise InputError(f"coverage_on {self.coverage_on!r} is not one of differential, pathology")
        if self.k < 1:
            raise InputError(f"k is {self.k}; it must be at least 1")
        if self.objective.endswith("-single") and self.k != 1:
            raise InputError(f"objective {self.objective} writes one answer, but k is {self.k}; set k to 1")
        if self.soft_brier and self.meaning != "membership":
            raise InputError("soft_brier scores against the gold probabilities, which only `membership` claims")
        for name in ("severity_weight", "length_penalty", "format_reward"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InputError(f"{name} is {getattr(self, name)}; it must be 0 or more")

    @property
    def calibrated(self) -> bool:
        """Whether confidences are scored (rlcr)."""
        return self.objective.startswith("rlcr-")
