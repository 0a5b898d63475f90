"""Fit the calibrator of a model on calibration patients, none of whom trained or will test anything.

The steps apart, for whoever has the answers already: `material` reads them, `fitted` fits, `applied` applies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple, cast, get_args

import numpy as np

from ddx.answers import Answered, read_answer
from ddx.calibration.calibrator import Calibrator, Kind, to_unit_sum
from ddx.calibration.signals import SIGNALS
from ddx.data.splits import split_of
from ddx.errors import InputError
from ddx.evaluation.completions import stored_answers
from ddx.evaluation.free_text import VIGNETTE
from ddx.evaluation.ladder import check_packages, fit_kind, kind_for
from ddx.evaluation.sample import Sample, draw, patient_ids
from ddx.files import write_text
from ddx.model import CALIBRATOR, CALIBRATOR_STATED, COVARIATES, Model, covariates
from ddx.provenance import ids_hash

__all__ = [
    "Choice",
    "Fitted",
    "Material",
    "applied",
    "calibrate",
    "chosen",
    "fitted",
    "material",
    "refuse_test_patients",
    "write_calibrators",
]

Choice = Kind | Literal["auto"]
# What a vignette counts for, beside a patient: 120 of other conditions at full weight bend the confidence of patients,
# none of whom has one, out of its calibrated range; a quarter does nearly as much for the vignettes
# (training/studies/calibrators.py).
VIGNETTE_WEIGHT = 0.25


@dataclass(frozen=True)
class Material:
    """n readable answers to calibration cases, slots in the order written: stated conf and mask [n, K], outcome [n]
    in 0..K (K: something else), covariates x [n, m], and what the token probabilities say, beside [F, n, K] in the
    order of `signals` (F = 0 where no engine told). `rows` [n]: their places in the sample. `over` [n]: whether the
    confidences as written summed to more than 1, and were divided by their sum to give `conf`. `weight` [n]: how many
    cases one counts for in a fit."""

    conf: np.ndarray
    mask: np.ndarray
    outcome: np.ndarray
    x: np.ndarray
    beside: np.ndarray
    signals: tuple[str, ...]
    rows: np.ndarray
    over: np.ndarray
    weight: np.ndarray

    def take(self, rows: np.ndarray) -> Material:
        """Some of the cases."""
        return Material(
            self.conf[rows], self.mask[rows], self.outcome[rows], self.x[rows], self.beside[:, rows], self.signals,
            self.rows[rows], self.over[rows], self.weight[rows],
        )  # fmt: skip

    def stated_alone(self) -> Material:
        """The same cases without signals: what an engine without token probabilities tells."""
        return replace(self, beside=self.beside[:0], signals=())


class Fitted(NamedTuple):
    """What `calibrate` made: the calibrator; the one for engines that give no token probabilities (None where the first
    reads none, and serves them too); the cases, the answers, and what was fitted on."""

    calibrator: Calibrator
    stated_alone: Calibrator | None
    sample: Sample
    answers: list[Answered]
    material: Material


def calibrate(
    model: Model,
    data: Path,
    size: str = "750",
    on_done: Callable[[int], None] | None = None,
    completions: Path | None = None,
    kind: Choice = "auto",
    vignettes: Sample | None = None,
) -> Fitted:
    """Calibrators fitted on `size` calibration patients at each evidence stage, and on `vignettes` (see
    `ddx.evaluation.free_text`), each of which counts for `VIGNETTE_WEIGHT` patients.

    The unit is the case; unreadable answers are left out, as they get no calibrated confidence either.
    `completions` of an earlier fit on the same cases are read instead of asking the model again. Kind "auto": what
    `ddx.evaluation.ladder` advises for as many cases as could be read.

    Raises InputError for patients of the test split, and for a model of `membership` confidences.
    """
    if model.semantics != "pathology":
        raise InputError("a calibrator is fitted on confidences of the pathology; this model's are of membership")
    check_packages(kind)  # before the model answers, which takes an hour
    sample = draw(data, "calibration", size, model.vocabulary)
    refuse_test_patients(patient_ids(sample))
    who = ids_hash(patient_ids(sample))
    if vignettes is not None:
        sample = sample.joined(vignettes)
    if completions is None:
        answers = model.generate(sample.cases, on_done, sample.seeds)
    else:
        answers = stored_answers(completions, model, sample)
    found = material(model, sample, answers)
    calibrator = fitted(kind, found, who)
    alone = fitted(kind, found.stated_alone(), who) if calibrator.signals else None
    return Fitted(calibrator, alone, sample, answers, found)


def write_calibrators(folder: Path, found: Fitted) -> None:
    """Into a model's folder, where `ddx.model.load_model` reads them. One of an earlier fit does not stay."""
    write_text(folder / CALIBRATOR, found.calibrator.to_json())
    if found.stated_alone is None:
        (folder / CALIBRATOR_STATED).unlink(missing_ok=True)
    else:
        write_text(folder / CALIBRATOR_STATED, found.stated_alone.to_json())


def chosen(name: str) -> Choice:
    """The kind of that name, or "auto". Raises InputError for another word."""
    names = ("auto", *get_args(Kind))
    if name not in names:
        raise InputError(f"--kind: {name!r} is not one of {', '.join(names)}")
    return cast(Choice, name)


def fitted(kind: Choice, found: Material, fitted_on: str = "") -> Calibrator:
    """A calibrator of a kind ("auto": see `kind_for`), with the covariates and signals that the kind takes."""
    taken = kind_for(len(found.conf), bool(found.signals)) if kind == "auto" else kind
    if taken != "list-softmax" and (found.weight != 1).any():
        raise InputError(f"vignettes count for less than patients, which a fit of kind {taken!r} can't do; see --kind")
    return fit_kind(
        taken, found.conf, found.mask, found.outcome, found.x, found.beside,
        weight=found.weight, covariates=COVARIATES, signals=found.signals, fitted_on=fitted_on,
    )  # fmt: skip


def applied(calibrator: Calibrator, found: Material) -> tuple[np.ndarray, np.ndarray]:
    """(calibrated [n, K], rescaled [n]) of a calibrator that `fitted` made, for these cases."""
    x = found.x if calibrator.covariates else None
    lists = found.beside if calibrator.signals else None
    conf, again = calibrator.apply(found.conf, found.mask, x, lists)
    return conf, found.over | again


def material(model: Model, sample: Sample, answers: Sequence[Answered]) -> Material:
    """What a calibrator is fitted on. Raises InputError when no answer can be read."""
    written = [read_answer(answer, model.format, model.matcher, model.semantics) for answer in answers]
    rows = [i for i, w in enumerate(written) if w.matches and w.status in ("ok", "repaired")]
    if not rows:
        raise InputError("no answer of this model can be read, so there is nothing to calibrate; train it longer")
    k, n = model.format.k, len(rows)
    conf, stated, beside, outcome = np.zeros((n, k)), np.zeros((n, k)), np.zeros((len(SIGNALS), n, k)), np.full(n, k)
    mask = np.zeros((n, k), dtype=bool)
    keys = [condition.key for condition in model.vocabulary]
    for row, i in enumerate(rows):
        listed = [m.condition.key if m.condition else None for m in written[i].matches]
        mask[row, : len(listed)] = True
        conf[row, : len(listed)] = written[i].conf[0]
        stated[row, : len(listed)] = [c or 0.0 for c in written[i].stated]
        beside[:, row, : len(listed)] = written[i].beside[:, 0]
        truth = keys[sample.truth[i]] if sample.truth[i] < len(keys) else ""
        if truth in listed:
            outcome[row] = listed.index(truth)
    x = np.array([[covariates(answers[i].text)[name] for name in COVARIATES] for i in rows])
    signals = SIGNALS if any(answers[i].signals for i in rows) else ()
    _, over = to_unit_sum(stated)
    weight = np.array([VIGNETTE_WEIGHT if sample.stages[i] == VIGNETTE else 1.0 for i in rows])
    return Material(conf, mask, outcome, x, beside[: len(signals)], signals, np.array(rows), over, weight)


def refuse_test_patients(ids: list[str]) -> None:
    """Raise InputError when one of these patients belongs to the test split."""
    theirs = sum(split_of(one) == "test" for one in ids)
    if theirs:
        raise InputError(f"{theirs} of {len(ids)} patients belong to the test split: never fit on them")
