"""What a model wrote for the cases of a sample, kept: an evaluation or a calibrator can be made again from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ddx.answers import Answered
from ddx.calibration.signals import LineSignal
from ddx.errors import InputError
from ddx.evaluation.sample import Sample
from ddx.generation import Generation
from ddx.model import Model

__all__ = ["read_lines", "records_of", "stored_answers", "to_lines"]


def records_of(sample: Sample, answers: Sequence[Answered]) -> list[dict[str, Any]]:
    """One record a case: what was written, its cost, and the signals of each line (see `LineSignal`)."""
    return [
        {"case_id": case.case_id, "stage": stage, "completion": generation.text, "truncated": generation.truncated,
         "tokens": len(generation.token_ids), "prompt_tokens": generation.prompt_tokens,
         "seconds": round(generation.seconds, 4), "signals": [list(s) if s else None for s in signals]}
        for case, stage, (_, generation, signals) in zip(sample.cases, sample.stages, answers, strict=True)
    ]  # fmt: skip


def to_lines(records: Sequence[dict[str, Any]]) -> str:
    """The records as JSONL."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """What `to_lines` wrote. Raises OSError, and ValueError for what is no JSONL."""
    # only "\n" ends a line: what a model wrote may hold other separators, at which splitlines() would break it
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def stored_answers(path: Path, model: Model, sample: Sample) -> list[Answered]:
    """What a model wrote for the cases of a sample, from the completions that an evaluation left. Their number of
    tokens is kept, not the tokens themselves.

    Raises InputError when the file is missing or holds other cases.
    """
    try:
        rows = read_lines(path)
        ids = [row["case_id"] for row in rows]
        found = [_answer(row) for row in rows]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{path}: not the completions of this version of ddx; let the model answer again") from None
    if ids != [case.case_id for case in sample.cases]:
        raise InputError(f"{path}: completions of other cases than this sample; let the model answer again")
    texts = [model.prompt_text(case, seed) for case, seed in zip(sample.cases, sample.seeds, strict=True)]
    return [Answered(text, *answer) for text, answer in zip(texts, found, strict=True)]


def _answer(row: dict[str, Any]) -> tuple[Generation, tuple[LineSignal | None, ...]]:
    generation = Generation(
        row["completion"], (0,) * row["tokens"], row["prompt_tokens"], row["truncated"], row["seconds"]
    )
    return generation, tuple(LineSignal(*signal) if signal else None for signal in row["signals"])
