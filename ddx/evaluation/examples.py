"""Failures to read one by one: the wrong first diagnoses that the model was surest of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ddx.answers import Answered
from ddx.data.stages import STAGES
from ddx.differential import Differential
from ddx.evaluation.sample import Sample
from ddx.vocabulary import Vocabulary

__all__ = ["wrong_examples"]


def wrong_examples(
    sample: Sample, answers: Sequence[Answered], lists: Sequence[Differential], vocabulary: Vocabulary, each: int = 3
) -> list[dict[str, Any]]:
    """`each` cases of every stage: the text that the model saw, the patient's condition, the list.

    Those with the highest confidence on a wrong first diagnosis; they show where the model fails, not how often.
    """
    conditions = list(vocabulary)
    found = []
    for stage in STAGES:
        wrong = [
            i for i in sample.where(stage)
            if lists[i].diagnoses and lists[i].diagnoses[0].key != conditions[sample.truth[i]].key
        ]  # fmt: skip
        for i in sorted(wrong, key=lambda i: -lists[i].diagnoses[0].confidence)[:each]:
            found.append(
                {
                    "case_id": sample.cases[i].case_id,
                    "stage": stage,
                    "text": answers[i].text,
                    "pathology": conditions[sample.truth[i]].name,
                    "listed": [[d.name, round(d.confidence, 3)] for d in lists[i].diagnoses],
                }
            )
    return found
