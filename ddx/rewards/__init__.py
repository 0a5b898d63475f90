"""Rewards of multi-answer reinforcement learning (Puri et al. 2026, arXiv 2603.24844). Imports no torch."""

from ddx.rewards.formulas import coverage, discounted_coverage, multi_brier
from ddx.rewards.options import Objective, RewardOptions
from ddx.rewards.paper import paper_parts
from ddx.rewards.reward import Gold, Reward, Scored

__all__ = [
    "Gold", "Objective", "Reward", "RewardOptions", "Scored",
    "coverage", "discounted_coverage", "multi_brier", "paper_parts",
]  # fmt: skip
