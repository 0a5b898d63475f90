"""Vignettes that the project wrote to calibrate with: free text, of conditions in the vocabulary and of others.

No DDXPlus patient has a condition that the vocabulary lacks, so that a calibrator fitted on patients alone never sees
what a model writes of one, and learns to trust it. `calibration_inside*.jsonl` and `calibration_outside*.jsonl` hold
{"id", "condition", "age", "sex", "text"} a line; they train nothing else.
"""

from __future__ import annotations

import json
from pathlib import Path

from ddx.case import Case
from ddx.errors import InputError
from ddx.evaluation.sample import Sample
from ddx.vocabulary import Matcher, Vocabulary

__all__ = ["VIGNETTE", "calibration_vignettes"]

VIGNETTE = "vignette"  # in the place of an evidence stage


def calibration_vignettes(folder: Path, vocabulary: Vocabulary) -> Sample:
    """The vignettes of a folder, those inside first; the truth of one outside is `len(vocabulary)`.

    Raises InputError where there are none, and with file and line for one that can't be read, or whose condition does
    not stand where its file says.
    """
    matcher, cases, truth = Matcher(vocabulary), [], []
    for path in sorted(folder.glob("calibration_*.jsonl")):
        inside = path.name.startswith("calibration_inside")
        # only "\n" ends a line: a text may hold other separators; its last line is empty
        for number, line in enumerate(path.read_bytes().removesuffix(b"\n").split(b"\n"), start=1):
            try:
                row = json.loads(line)
                cases.append(Case(row["id"], row["age"], row["sex"], text=row["text"]))
                condition = matcher.match(row["condition"]).condition
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{path}, line {number}: not a vignette ({type(error).__name__}: {error})") from None
            if (condition is not None) is not inside:
                where = "in" if condition else "not in"
                raise InputError(f"{path}, line {number}: {row['condition']!r} is {where} the vocabulary")
            truth.append(vocabulary.index(condition.key) if condition else len(vocabulary))
    if not cases:
        raise InputError(f"{folder}: no calibration_inside*.jsonl or calibration_outside*.jsonl here")
    gold = [frozenset({one}) for one in truth]
    return Sample(cases, [VIGNETTE] * len(cases), [0] * len(cases), truth, gold, gold)
