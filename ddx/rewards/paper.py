"""The paper's own scoring (Puri et al. 2026, arXiv 2603.24844), for side-by-side tables only. Never train on it.

It matches by normalised exact match, gates by format, and can be gamed in ways that `ddx.rewards.exploits` lists.
Its faults are kept: it drops the article "A" ("Hepatitis A" = "Hepatitis"), deletes the slash of "NSTEMI/STEMI",
and finds answers inside the reasoning. Everything else in the project uses `ddx.rewards.reward`.
"""

from __future__ import annotations

import math
import re
import string
from collections.abc import Sequence
from typing import get_args

from ddx.errors import InputError
from ddx.rewards.options import Objective

__all__ = ["paper_parts"]

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_THINK = re.compile(r"<(/?)think>")

Pair = tuple[str, str]


def paper_parts(text: str, gold: Sequence[str], k: int, objective: str) -> dict[str, float]:
    """The parts of the paper's reward for one completion, each in [0, 1].

    Returns `format`, `unique`, `any_correct`, `count_correct` (a share of k) and, for the rlcr objectives,
    `constraint` and `brier` (1 − mean (y − p)², so that more is better).

    Raises InputError for an unknown objective or k below 1.

    >>> text = "<think>x</think><answer1>GERD</answer1><answer2>gerd.</answer2>"
    >>> parts = paper_parts(text, ["GERD"], 2, "rlvr-multi")
    >>> parts["any_correct"], parts["count_correct"]  # one diagnosis, counted twice
    (1.0, 1.0)
    """
    if objective not in get_args(Objective):
        raise InputError(f"objective {objective!r} is not one of {', '.join(get_args(Objective))}")
    if k < 1:
        raise InputError(f"k is {k}; it must be at least 1")
    multi, rlcr = objective.endswith("-multi"), objective.startswith("rlcr-")
    pairs = (_pairs(text, k) if multi and k > 1 else _single_pair(text)) if rlcr else []
    answers = [answer for answer, _ in pairs] if rlcr else _answers(text, k) if multi else _first_answer(text)
    unique = not multi or (len(answers) == k and len({a.strip().lower() for a in answers}) == k)
    confidences = [_float(written) for _, written in pairs]
    well_formed = _has_tags(text, k, rlcr) and bool(answers)
    if rlcr:
        well_formed &= all(q is not None and 0 <= q <= 1 for q in confidences)
    wanted = {_normalised(name) for name in gold}
    counted = answers if multi else re.findall(r"<answer>(.*?)</answer>", text, re.DOTALL)[-1:]
    correct = {answer.strip() for answer in counted if _matches(answer, wanted)}
    gate = float(well_formed) * (float(unique) if objective == "rlcr-multi" else 1.0)
    parts = {
        "format": float(well_formed),
        "unique": float(unique),
        "any_correct": gate * bool(correct),
        "count_correct": gate * len(correct) / k,
    }
    if rlcr:
        values = [q for q in confidences if q is not None]
        complete = len(pairs) == (k if multi else 1) and len(values) == len(pairs)
        constraint = float(complete and unique and sum(values) <= 1.0)
        parts["constraint"] = constraint
        parts["brier"] = 0.0
        if constraint and well_formed:
            errors = [
                (_matches(answer, wanted) - min(1.0, max(0.0, q))) ** 2
                for (answer, _), q in zip(pairs, values, strict=True)
            ]
            parts["brier"] = 1.0 - sum(errors) / len(errors)
    return parts


def _has_tags(text: str, k: int, rlcr: bool) -> bool:
    if not _thinks(text):
        return False
    slots = [""] if k == 1 else [str(i) for i in range(1, k + 1)]
    needed = [f"answer{s}" for s in slots]
    if rlcr:
        needed += [f"confidence{s}" for s in slots] + ["analysis"]
    return all(f"<{tag}>" in text and f"</{tag}>" in text for tag in needed)


def _thinks(text: str) -> bool:
    """As many openings as closings, at least one; the i-th closing after the i-th opening, with words between."""
    tags = list(_THINK.finditer(text))
    opens, closes = [t for t in tags if not t[1]], [t for t in tags if t[1]]
    return (
        len(opens) == len(closes) > 0
        and all(o.end() <= c.start() for o, c in zip(opens, closes, strict=True))
        and all(text[o.end() : c.start()].strip() for o, c in zip(opens, closes, strict=True))
    )


def _find(text: str, tag: str, start: int = 0) -> re.Match[str] | None:
    return re.compile(f"<{tag}>(.*?)</{tag}>", re.DOTALL).search(text, start)


def _pairs(text: str, k: int) -> list[Pair]:
    """k (answer, confidence) pairs: interleaved, else all answers and all confidences; [] if some are missing."""
    pairs: list[Pair] = []
    at = 0
    for i in range(1, k + 1):
        answer = _find(text, f"answer{i}", at)
        confidence = _find(text, f"confidence{i}", answer.end()) if answer else None
        if answer is None or confidence is None:
            break
        pairs.append((answer[1].strip(), confidence[1].strip()))
        at = confidence.end()
    if len(pairs) == k:
        return pairs
    found = [(_find(text, f"answer{i}"), _find(text, f"confidence{i}")) for i in range(1, k + 1)]
    apart = [(a[1].strip(), c[1].strip()) for a, c in found if a is not None and c is not None]
    return apart if len(apart) == k else []


def _single_pair(text: str) -> list[Pair]:
    answer = _find(text, "answer")
    confidence = _find(text, "confidence", answer.end()) if answer else None
    return [(answer[1].strip(), confidence[1].strip())] if answer and confidence else []


def _answers(text: str, k: int) -> list[str]:
    """Answers 1, 2, … k until one is missing; a single `<answer>` where there is no first."""
    answers: list[str] = []
    while len(answers) < k and (match := _find(text, f"answer{len(answers) + 1}")):
        answers.append(match[1].strip())
    return answers or _first_answer(text)


def _first_answer(text: str) -> list[str]:
    match = _find(text, "answer")
    return [match[1].strip()] if match else []


def _normalised(text: str) -> str:
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def _matches(answer: str, wanted: set[str]) -> bool:
    plain = _normalised(answer)
    return bool(plain) and plain in wanted


def _float(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
