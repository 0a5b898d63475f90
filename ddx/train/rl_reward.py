"""The reward as TRL calls it: one scalar a completion to the optimiser, its parts to the log."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ddx.metrics.calibration import ece
from ddx.rewards import Gold, Reward, Scored

_MAX_PAIRS = 20_000  # the latest (confidence, outcome) pairs, for "ECE so far"


def written(completion: str | Sequence[dict[str, Any]]) -> str:
    """The text that a model wrote, reasoning included, from a completion as TRL hands it over.

    Chat templates of some models move `<think>` out of the content into a field of its own; it is put back, so
    that the parser sees what was generated.
    """
    if isinstance(completion, str):
        return completion
    message = completion[-1]
    thought = message.get("reasoning_content")
    return (f"<think>{thought}</think>" if thought else "") + (message.get("content") or "")


class TrainingReward:
    """Callable for `GRPOTrainer(reward_funcs=...)`. Keeps what it scored last for the callbacks.

    `golds` maps case ids to matched gold. A completion that does not end in one of `end_tokens` was cut off.
    """

    __name__ = "ddx"  # TRL logs under this name

    def __init__(self, reward: Reward, golds: dict[str, Gold], end_tokens: set[int]) -> None:
        self.reward, self.golds, self.end_tokens = reward, golds, end_tokens
        self.seconds = 0.0
        self.last: list[tuple[str, str, Scored]] = []
        self._pairs: list[tuple[float, float]] = []

    def __call__(
        self,
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]],
        case_id: Sequence[str],
        log_metric: Callable[[str, float], None] | None = None,
        **_: Any,
    ) -> list[float]:
        """Rewards in the order of `completions`."""
        began = time.perf_counter()
        self.last = []
        for completion, ids, case in zip(completions, completion_ids, case_id, strict=True):
            text = written(completion)
            truncated = not ids or ids[-1] not in self.end_tokens
            self.last.append((case, text, self.reward(text, self.golds[case], truncated, len(ids))))
        scored = [s for _, _, s in self.last]
        if log_metric is not None:
            for name, value in self._parts(scored, [len(ids) for ids in completion_ids]).items():
                log_metric(f"ddx/{name}", value)
        self.seconds += time.perf_counter() - began
        return [s.reward for s in scored]

    def _parts(self, scored: list[Scored], tokens: list[int]) -> dict[str, float]:
        """Means over the completions of this call; `ece` over the latest pairs of the run."""
        self._pairs += [pair for s in scored for pair in zip(s.confidences, s.outcomes, strict=True)]
        self._pairs = self._pairs[-_MAX_PAIRS:]
        briers = [s.brier for s in scored if s.brier is not None]
        parts = {
            "reward": float(np.mean([s.reward for s in scored])),
            "coverage": float(np.mean([s.coverage for s in scored])),
            "distinct": float(np.mean([s.distinct for s in scored])),
            "unique": float(np.mean([s.unique for s in scored])),
            "valid": float(np.mean([s.valid for s in scored])),
            "tokens": float(np.mean(tokens)),
            "reward_seconds": self.seconds,
        }
        if briers:
            parts["brier"] = float(np.mean(briers))
        if self._pairs:
            q, y = np.array(self._pairs).T
            parts["ece"] = float(ece(q, y))
        return parts


def write_samples(path: Path, step: int, last: Sequence[tuple[str, str, Scored]], n: int = 4) -> None:
    """Append some completions of a step, spread over its prompts: case ids and what was written, no case text."""
    with open(path, "a", encoding="utf-8") as handle:
        for case, text, scored in list(last)[:: max(1, len(last) // n)][:n]:
            record = {"step": step, "case_id": case, "completion": text, **scored.to_dict()}
            handle.write(json.dumps(record, ensure_ascii=False) + "\n")
