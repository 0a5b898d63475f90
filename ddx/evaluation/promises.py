"""What a model may promise: how many diagnoses to show, and when to abstain.

Fitted on calibration patients other than the calibrator's, whose confidences have seen their outcomes; kept in the
model's folder (promises.json); held against test patients by `promise_figures`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ddx.answers import Answered
from ddx.calibration.conformal import REFUSED, ListLength, fit_lengths
from ddx.calibration.selective import Abstention, Mistake, fit_abstention, mistakes
from ddx.errors import InputError
from ddx.evaluation.calibrate import refuse_test_patients
from ddx.evaluation.completions import stored_answers
from ddx.evaluation.measure import GROUPS, batch_of
from ddx.evaluation.sample import Sample, draw, patient_ids
from ddx.metrics import per_case
from ddx.metrics.aggregate import mean_interval
from ddx.metrics.per_case import EMPTY, Batch
from ddx.model import Model
from ddx.provenance import ids_hash

__all__ = [
    "ABSTENTIONS",
    "FILE",
    "TARGETS",
    "Promises",
    "fit_promises",
    "group_of",
    "promise_figures",
    "read_promises",
    "rules_from",
]

FILE = "promises.json"
VERSION = 1
TARGETS = (0.7, 0.8, 0.9, 0.95, 0.99)
ABSTENTIONS: tuple[tuple[Mistake, float], ...] = (("first", 0.05), ("first", 0.1), ("list", 0.05))
SEED = 0  # of the smoothed lists that coverage is tested on
SEXES = ("F", "M")


@dataclass(frozen=True)
class Promises:
    """List lengths by target and abstention rules, fitted on the same n_cases; `refused`: one line for each target or
    risk that no rule of the kind can keep, with the reason."""

    lengths: tuple[ListLength, ...]
    abstentions: tuple[Abstention, ...]
    n_cases: int
    fitted_on: str
    refused: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Readable JSON, the same text for the same rules."""
        body = {
            "version": VERSION,
            "n_cases": self.n_cases,
            "fitted_on": self.fitted_on,
            "lengths": [json.loads(rule.to_json()) for rule in self.lengths],
            "abstentions": [json.loads(rule.to_json()) for rule in self.abstentions],
            "refused": list(self.refused),
        }
        return json.dumps(body, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def read_promises(folder: Path) -> Promises | None:
    """The promises of a model's folder; None where none were fitted. Raises InputError for a file that is not one."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        if body["version"] != VERSION:
            raise ValueError(f"version {body['version']} is not {VERSION}")
        return Promises(
            tuple(ListLength.from_json(json.dumps(one), str(path)) for one in body["lengths"]),
            tuple(Abstention.from_json(json.dumps(one), str(path)) for one in body["abstentions"]),
            int(body["n_cases"]),
            str(body["fitted_on"]),
            tuple(str(line) for line in body["refused"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not the promises of this version ({error}); run ddx calibrate again") from error


def fit_promises(
    model: Model,
    data: Path,
    size: int,
    after: int,
    on_done: Callable[[int], None] | None = None,
    completions: Path | None = None,
) -> tuple[Promises, Sample, list[Answered]]:
    """Rules fitted on `size` calibration patients at each stage, those after the first `after`, on whom the model's
    calibrator was fitted; the cases; the answers. `completions` of an earlier fit are read instead of asking again.

    Raises InputError when the calibrator was fitted on other patients than the first `after`: these here could be
    among them.
    """
    everyone = draw(data, "calibration", str(after + size), model.vocabulary)
    if model.calibrator.fitted_on != ids_hash(patient_ids(everyone.first(after))):
        raise InputError(
            f"the calibrator was not fitted on the first {after} calibration patients of each stage; "
            "fit it again with ddx calibrate, so that list lengths and abstention rest on other patients"
        )
    sample = everyone.after(after)
    refuse_test_patients(patient_ids(sample))
    if completions is None:
        answers = model.generate(sample.cases, on_done, sample.seeds)
    else:
        answers = stored_answers(completions, model, sample)
    lists = model.read_many(sample.cases, answers)
    return rules_from(batch_of(lists, sample, model.vocabulary, model.format.k), sample), sample, answers


def rules_from(batch: Batch, sample: Sample) -> Promises:
    """The rules that calibrated answers to a sample support. An unreadable answer counts as an empty list."""
    batch = _readable(batch)
    outcome, fitted_on = per_case.outcome(batch), ids_hash(patient_ids(sample))
    groups = np.array([group_of(stage, case.sex) for stage, case in zip(sample.stages, sample.cases, strict=True)])
    lengths, abstentions, refused = [], [], []
    for target in TARGETS:
        try:
            rule = fit_lengths(batch.conf, batch.listed, outcome, groups, target=target, fitted_on=fitted_on)
        except InputError as error:
            refused.append(f"list length: {error}")
        else:
            lengths.append(rule)
            refused += [f"list length, {note}" for note in rule.notes]
    for what, risk in ABSTENTIONS:
        score, wrong = mistakes(batch.conf, batch.listed, outcome, what)
        try:
            abstentions.append(fit_abstention(score, wrong, what=what, risk=risk, fitted_on=fitted_on))
        except InputError as error:
            refused.append(f"abstention: {error}")
    return Promises(tuple(lengths), tuple(abstentions), len(sample), fitted_on, tuple(refused))


def group_of(stage: str, sex: str | None) -> str:
    """The group that a case's list is cut in: how much of the evidence is known, and the sex.

    >>> group_of("half", "F")
    'half, F'
    """
    return f"{stage}, {sex or 'not stated'}"


def promise_figures(promises: Promises, batch: Batch, sample: Sample) -> dict[str, Any]:
    """How the promises hold on other cases. `lengths`: target → group (stage × sex) → n, coverage of the smoothed
    lists (whose guarantee is an equality) beside the 95 % range of a binomial count at the target, and what a reader
    is shown: its coverage, which may be above, and the mean length. `abstention`: a row a rule."""
    read = _readable(batch)
    outcome = per_case.outcome(read)
    own = [group_of(stage, case.sex) for stage, case in zip(sample.stages, sample.cases, strict=True)]
    sex = np.array([case.sex or "" for case in sample.cases])
    figures: dict[str, Any] = {"n_cases": promises.n_cases, "fitted_on": promises.fitted_on}
    figures["refused"] = list(promises.refused)
    figures["lengths"] = {}
    for rule in promises.lengths:
        smoothed = rule.lengths(read.conf, read.listed, own, seed=SEED)
        shown = rule.lengths(read.conf, read.listed, own)
        table: dict[str, Any] = {}
        for stage in GROUPS:
            inside = np.zeros(len(sample), dtype=bool)
            inside[sample.where(stage)] = True
            for one in SEXES:
                rows = np.flatnonzero(inside & (sex == one))
                if not len(rows):
                    continue
                held = (smoothed[rows] == REFUSED).any()
                table[group_of(stage, one)] = (
                    {"n": len(rows), "refused": _refusal(rule, stage, one)}
                    if held
                    else _cell(rule.target, outcome[rows], smoothed[rows], shown[rows])
                )
        figures["lengths"][f"{rule.target:g}"] = table
    figures["abstention"] = [_kept(rule, read, outcome) for rule in promises.abstentions]
    return figures


def _cell(target: float, outcome: np.ndarray, smoothed: np.ndarray, shown: np.ndarray) -> dict[str, Any]:
    from scipy.stats import binom  # here: few callers need scipy

    n = len(outcome)
    low, high = (float(binom.ppf(q, n, target)) / n for q in (0.025, 0.975))
    covered = outcome < smoothed
    return {
        "n": n,
        "coverage": mean_interval(covered.astype(float)).to_dict(),
        "binomial_low": low,
        "binomial_high": high,
        "within": bool(low <= covered.mean() <= high),
        "shown_coverage": mean_interval((outcome < shown).astype(float)).to_dict(),
        "shown_length": mean_interval(shown.astype(float)).to_dict(),
    }


def _refusal(rule: ListLength, stage: str, sex: str) -> str:
    if stage == "all":
        return f"{rule.target:g} is refused at a stage"
    return rule.cut_of(group_of(stage, sex)).refusal(rule.target) or ""


def _kept(rule: Abstention, batch: Batch, outcome: np.ndarray) -> dict[str, Any]:
    """How an abstention rule does on these cases: the share it answers, and the risk of what it answers."""
    score, wrong = mistakes(batch.conf, batch.listed, outcome, rule.what)
    answers = rule.answers(score)
    row: dict[str, Any] = {
        "what": rule.what,
        "promised": rule.risk,
        "delta": rule.delta,
        "threshold": rule.threshold,
        "answered": mean_interval(answers.astype(float)).to_dict(),
        "risk_of_all": mean_interval(wrong.astype(float)).to_dict(),
    }
    if answers.any():
        risk = mean_interval(wrong[answers].astype(float)).to_dict()
        row |= {"risk": risk, "kept": bool(risk["value"] <= rule.risk)}
    return row


def _readable(batch: Batch) -> Batch:
    """The batch with unreadable answers as empty lists."""
    codes = np.where(batch.valid[:, None], batch.codes, EMPTY)
    return replace(batch, codes=codes, conf=np.where(batch.valid[:, None], batch.conf, 0.0))
