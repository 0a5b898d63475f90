"""What the warm start is shown: points of an interview, and how much of each answer is taught."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ddx.data.ddxplus import Patient
from ddx.data.prepare import load_split
from ddx.data.stages import interview, stage_length
from ddx.evaluation.tabular import Tabular, shipped_tabular
from ddx.train.config import SFTConfig
from ddx.train.examples import presentations
from ddx.train.packing import AnswerWriter
from ddx.train.targets import Target, from_list
from ddx.vocabulary import load_vocabulary

Shown = list[tuple[Patient, list[int], list[bool]]]


@pytest.fixture(scope="module")
def patients(some_patients: Callable[[int], Path]) -> list[Patient]:
    return load_split(some_patients(60), "train")


def _shown(patients: list[Patient], dense: bool, narrative: float = 0.0) -> Shown:
    config = SFTConfig(
        cuts=1, points={"half": 0.5, "full": 0.3, "initial": 0.2}, dense=dense, narrative_share=narrative
    )
    rows = presentations(patients, config, Tabular.load(shipped_tabular()), random.Random(0))
    return [(row[0], [int(case.case_id.rsplit("-", 1)[1]) for case in row[2]], row[4]) for row in rows]


def test_a_dense_run_adds_the_points_between_and_answers_the_drawn_ones_only(patients: list[Patient]) -> None:
    plain, dense = _shown(patients, False), _shown(patients, True)
    assert len(plain) == len(dense) == len(patients)
    for (patient, drawn, answered), (_, points, whole) in zip(plain, dense, strict=True):
        items = interview(patient)
        assert drawn[0] in (1, stage_length(items, "half"), len(items))
        assert answered == [True]
        assert points == ([1] if drawn == [1] else [*range(2, drawn[0]), drawn[0]][-11:])
        assert whole == [point in drawn for point in points]
    assert max(drawn[0] for _, drawn, _ in plain) > 12  # more points than a pack should hold
    assert _shown(patients, True, narrative=1.0) == _shown(patients, False, narrative=1.0)


def test_no_line_teaches_which_name_begins_and_nothing_else() -> None:
    def encode(text: str) -> list[int]:
        return list(text.encode())

    writer = AnswerWriter(encode, ["flu", "gout", "fever"], end=0, soft=0.5)
    target = Target((1, 0), (0.6, 0.3), np.array([0.3, 0.6, 0.1]))
    answer = writer.write(target, 0)
    assert answer.tokens == encode("g")
    assert answer.targets == [pytest.approx({encode("g")[0]: 0.8, encode("f")[0]: 0.2})]
    whole = writer.write(target, 1)
    assert (whole.tokens[0], whole.targets[0]) == (answer.tokens[0], answer.targets[0])
    assert bytes(whole.tokens) == b"gout 60\n"


def test_names_of_a_written_differential_say_what_it_leaves_to_something_else() -> None:
    vocabulary = load_vocabulary()
    sure, unsure = (
        from_list([("GERD", first), ("Anemia", 0.02), ("Influenza", 0.0)], vocabulary, 5) for first in (0.97, 0.08)
    )
    for target, other in ((sure, 0.01), (unsure, 0.90)):
        listed = target.scores[list(target.listed)]
        assert listed.tolist() == sorted(listed, reverse=True)
        unlisted = np.delete(target.scores, target.listed)
        assert unlisted.sum() == pytest.approx(other, rel=0.1)
        assert listed.min() >= unlisted.max(), "what is listed stays at least as likely as what is not"
    assert unsure.confidence == (0.08, 0.02, 0.0)
