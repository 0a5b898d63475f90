"""The cases of an evaluation: which patients at which stage, and what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ddx.case import Case
from ddx.data.ddxplus import Patient
from ddx.data.prepare import load_split, sample
from ddx.data.splits import Split
from ddx.data.stages import STAGES, case_at, wording_seed
from ddx.metrics.ddxplus import THRESHOLD
from ddx.vocabulary import Vocabulary


@dataclass(frozen=True)
class Sample:
    """n cases in a fixed order: the case, its stage, its wording seed, and the gold as condition indices (the number of
    conditions where it is none of them).

    `shown`: the gold above DDXPlus's threshold of 0.01 (all of it where the probabilities are not known).
    """

    cases: list[Case]
    stages: list[str]
    seeds: list[int]
    truth: list[int]
    gold: list[frozenset[int]]
    shown: list[frozenset[int]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.cases)

    def where(self, stage: str) -> list[int]:
        """Positions of a stage's cases; all of them for "all"."""
        return [i for i, s in enumerate(self.stages) if stage in ("all", s)]

    def first(self, each: int) -> Sample:
        """The first `each` cases of every stage."""
        return self._at([i for stage in STAGES for i in self.where(stage)[:each]])

    def after(self, each: int) -> Sample:
        """The cases of every stage but for the first `each`."""
        return self._at([i for stage in STAGES for i in self.where(stage)[each:]])

    def joined(self, other: Sample) -> Sample:
        """These cases, then those."""
        return Sample(
            [*self.cases, *other.cases], [*self.stages, *other.stages], [*self.seeds, *other.seeds],
            [*self.truth, *other.truth], [*self.gold, *other.gold], [*self.shown, *other.shown],
        )  # fmt: skip

    def _at(self, rows: Sequence[int]) -> Sample:
        parts = (self.cases, self.stages, self.seeds, self.truth, self.gold, self.shown)
        return Sample(*(select(part, rows) if part else [] for part in parts))


def draw(folder: Path, split: Split, size: str, vocabulary: Vocabulary) -> Sample:
    """The fixed sample of a split (see `ddx.data.prepare.sample`)."""
    chosen = sample(load_split(folder, split), size)
    rows = [(patient, stage) for stage in STAGES for patient in chosen[stage]]
    return Sample(
        [case_at(p, s) for p, s in rows],
        [s for _, s in rows],
        [wording_seed(p) for p, _ in rows],
        [vocabulary.index(p.pathology or "") for p, _ in rows],
        [frozenset(vocabulary.index(g) for g in p.gold) for p, _ in rows],
        [_shown(p, vocabulary) for p, _ in rows],
    )


def _shown(patient: Patient, vocabulary: Vocabulary) -> frozenset[int]:
    chances = patient.gold_probs or (1.0,) * len(patient.gold)
    return frozenset(vocabulary.index(g) for g, p in zip(patient.gold, chances, strict=True) if p > THRESHOLD)


def patient_ids(sample_: Sample) -> list[str]:
    """Ids of the patients behind the cases."""
    return [case.case_id.rsplit("-", 1)[0] for case in sample_.cases]


def select(values: Sequence, rows: Sequence[int]) -> list:
    """`values` at `rows`."""
    return [values[i] for i in rows]
