"""A generation read and matched, before calibration: parser, matcher, and what the token probabilities say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddx.calibration.calibrator import to_unit_sum
from ddx.calibration.signals import LineSignal, beside, line_signals
from ddx.differential import Semantics, Status
from ddx.formats import LinesFormat, TagsFormat
from ddx.generation import Generation
from ddx.vocabulary import Match, Matcher

__all__ = ["Answered", "Written", "answered", "read_answer"]

Floats = NDArray[np.float64]


class Answered(NamedTuple):
    """What the model saw of a case, what it wrote, and how sure it was of each line (see `ddx.calibration.signals`;
    nothing where the engine or the format does not tell)."""

    text: str
    generation: Generation
    signals: tuple[LineSignal | None, ...] = ()


class Written(NamedTuple):
    """One answer as written: its distinct diagnoses, in their order.

    conf [1, K]: the stated confidences, 0 where one is missing (it claims nothing), for `pathology` rescaled where
    they sum to more than 1. beside [F, 1, K]: what the token probabilities say of the same slots, in the order of
    `ddx.calibration.signals.SIGNALS`.
    """

    matches: tuple[Match, ...]
    stated: tuple[float | None, ...]
    conf: Floats
    beside: Floats
    status: Status
    repairs: tuple[str, ...]


def answered(text: str, generation: Generation, format: LinesFormat | TagsFormat) -> Answered:
    """With the signals by line of the text, where lines are told apart as the parser tells them."""
    lines = format.name == "lines" and "\r" not in generation.text and "</think>" not in generation.text
    return Answered(text, generation, tuple(line_signals(generation.tokens)) if lines else ())


def read_answer(
    answer: Answered, format: LinesFormat | TagsFormat, matcher: Matcher, semantics: Semantics = "pathology"
) -> Written:
    """Parse and match, each condition once: a synonym of an answer already given is dropped. Never raises."""
    parsed = format.parse(answer.generation.text, truncated=answer.generation.truncated)
    matches: list[Match] = []
    stated: list[float | None] = []
    signals: list[LineSignal | None] = []
    repairs, seen = list(parsed.repairs), set()
    for found in parsed.answers:
        match = matcher.match(found.text)
        if match.identity in seen:
            repairs.append(f"same condition twice: {found.text}")
            continue
        seen.add(match.identity)
        matches.append(match)
        stated.append(found.confidence)
        signals.append(_signal(answer.signals, found.line))
    status = "repaired" if parsed.status == "ok" and len(repairs) > len(parsed.repairs) else parsed.status
    conf = np.array([[c or 0.0 for c in stated]])
    if semantics == "pathology":
        conf, _ = to_unit_sum(conf)
    lists = beside(conf[0].tolist(), signals)[:, None, :]
    return Written(tuple(matches), tuple(stated), conf, lists, status, tuple(repairs))


def _signal(signals: Sequence[LineSignal | None], line: int | None) -> LineSignal | None:
    return signals[line] if line is not None and line < len(signals) else None
