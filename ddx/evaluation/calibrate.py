"""Fit the calibrator of a model on calibration patients, none of whom trained or will test anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ddx.calibration.calibrator import Calibrator
from ddx.calibration.fitting import fit
from ddx.data.splits import split_of
from ddx.errors import InputError
from ddx.evaluation.measure import batch_of
from ddx.evaluation.sample import Sample, draw, patient_ids
from ddx.metrics.per_case import EMPTY, outcome
from ddx.model import COVARIATES, Model, covariates
from ddx.provenance import ids_hash


def calibrate(
    model: Model, data: Path, size: str = "750", on_done: Callable[[int], None] | None = None
) -> tuple[Calibrator, Sample]:
    """A list-softmax calibrator fitted on `size` calibration patients at each evidence stage.

    The unit is the case; unreadable answers are left out, as they get no calibrated confidence either.
    """
    sample = draw(data, "calibration", size, model.vocabulary)
    refuse_test_patients(patient_ids(sample))
    plain = model.uncalibrated()
    answers = plain.generate(sample.cases, on_done, sample.seeds)
    batch = batch_of(plain.read_many(sample.cases, answers), sample, model.vocabulary, model.format.k)
    usable = batch.valid & (batch.codes != EMPTY).any(axis=1)
    if not usable.any():
        raise InputError("no answer of this model can be read, so there is nothing to calibrate; train it longer")
    kept = batch.take(usable)
    x = np.array([[covariates(text)[name] for name in COVARIATES] for text, _ in answers])[usable]
    found = fit(
        "list-softmax", kept.conf, kept.codes != EMPTY, outcome(kept), x,
        covariates=COVARIATES, fitted_on=ids_hash(patient_ids(sample)),
    )  # fmt: skip
    return found, sample


def refuse_test_patients(ids: list[str]) -> None:
    """Raise InputError when one of these patients belongs to the test split."""
    theirs = sum(split_of(one) == "test" for one in ids)
    if theirs:
        raise InputError(f"{theirs} of {len(ids)} patients belong to the test split: never fit on them")
