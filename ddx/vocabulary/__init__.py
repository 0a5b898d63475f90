"""Conditions, and how a written diagnosis is matched to one."""

from ddx.vocabulary.conditions import Condition, Vocabulary, load_vocabulary
from ddx.vocabulary.matching import Match, Matcher, normalise

__all__ = ["Condition", "Match", "Matcher", "Vocabulary", "load_vocabulary", "normalise"]
