"""`ddx eval`: one model on the fixed test sample and on outside cases, beside its references, as one JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ddx.data.splits import Split
from ddx.differential import NOTICE, Differential
from ddx.evaluation.cases import case_table
from ddx.evaluation.completions import records_of, stored_answers
from ddx.evaluation.decisions import decision_figures, selective_figures
from ddx.evaluation.examples import wrong_examples
from ddx.evaluation.measure import GROUPS, batch_of, batch_of_posterior, figures, reliability_by_group, rounded
from ddx.evaluation.outside import load_outside, outside_figures
from ddx.evaluation.sample import Sample, draw, patient_ids
from ddx.evaluation.subgroups import subgroup_figures
from ddx.evaluation.tabular import Tabular, shipped_tabular
from ddx.metrics import per_case
from ddx.metrics.aggregate import paired_difference
from ddx.metrics.per_case import Batch
from ddx.model import Model
from ddx.provenance import file_hash, ids_hash

PROTOCOL = "2"  # 2: subgroups, selective prediction, decision curves, examples
COMPARED = {"pass@1": lambda b: per_case.pass_at(b, 1), "brier_list": per_case.brier_list}
OnDone = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Plan:
    """What to evaluate on. `base_cases` prompted cases at each stage for the untrained base (0: none);
    `completions` of an earlier evaluation of the same cases are read instead of asking the model again."""

    data: Path
    split: Split = "test"
    size: str = "standard"
    vignettes: Path | None = None
    base_cases: int = 100
    completions: Path | None = None


@dataclass(frozen=True)
class Evaluation:
    """`result`: every figure, as JSON-like data. `records`: what the model wrote, one a case. `cases`: a row a case."""

    result: dict[str, Any]
    records: list[dict[str, Any]]
    cases: pd.DataFrame


def evaluate(model: Model, base: Model | None, plan: Plan, on_done: OnDone) -> Evaluation:
    """Measure a model on the plan's cases, beside its references.

    `base` is the base model without training, prompted (see `ddx.model.prompted_base`); None leaves it out.
    `on_done(what, total, more)` hears of progress.
    """
    sample = draw(plan.data, plan.split, plan.size, model.vocabulary)
    if plan.completions is None:
        answers = model.generate(sample.cases, _ticker(on_done, "model", len(sample)), sample.seeds)
    else:
        answers = stored_answers(plan.completions, model, sample)
    lists = model.read_many(sample.cases, answers)
    stated = model.uncalibrated().read_many(sample.cases, answers)
    k = model.format.k
    batch, as_stated = (batch_of(x, sample, model.vocabulary, k) for x in (lists, stated))
    posterior, _ = Tabular.load(shipped_tabular()).predict(sample.cases)
    tabular = batch_of_posterior(posterior, sample, k)
    cost = {
        "tokens": np.array([d.tokens for d in lists], dtype=float),
        "prompt_tokens": np.array([d.prompt_tokens for d in lists], dtype=float),
        "seconds": np.array([round(d.seconds, 4) for d in lists]),  # as the records keep them
    }
    result: dict[str, Any] = {
        "protocol": PROTOCOL,
        "created": date.today().isoformat(),
        "notice": NOTICE,
        "n": len(sample),
        "data": {
            "source": "DDXPlus (CC-BY 4.0)",
            "split": f"{plan.split} patients of the project's own split",
            "sample": plan.size,
            "patients_sha256": ids_hash(patient_ids(sample)),
        },
        "model": model.info,
        "calibrator": {"kind": model.calibrator.kind, "n_cases": model.calibrator.n_cases,
                       "fitted_on": model.calibrator.fitted_on},
        "metrics": figures(batch, sample, model.vocabulary, cost),
        "metrics_stated": figures(as_stated, sample, model.vocabulary),
        "baselines": {"tabular": figures(tabular, sample, model.vocabulary)},
        "tabular_sha256": file_hash(shipped_tabular()),
        "minus_tabular": _differences(batch, tabular, sample),
        "failures": _failures(lists),
        "subgroups": subgroup_figures(batch, sample, GROUPS),
        "reliability": reliability_by_group(batch, sample, subgroups=True),
        "reliability_stated": reliability_by_group(as_stated, sample),
        "selective": selective_figures(batch, sample, GROUPS),
        "decision": decision_figures(batch, sample, model.vocabulary, GROUPS),
        "examples": wrong_examples(sample, answers, lists, model.vocabulary),
    }  # fmt: skip
    if base is not None and plan.base_cases:
        small = sample.first(plan.base_cases)
        written = base.predict_many(small.cases, _ticker(on_done, "base model", len(small)), small.seeds)
        small_batch = batch_of(written, small, base.vocabulary, k)
        result["baselines"]["base-prompted"] = figures(small_batch, small, base.vocabulary)
        result["base_prompt_sha256"] = base.info["prompt_sha256"]
    if plan.vignettes is not None:
        vignettes = load_outside(plan.vignettes, model)
        cases = [v.case for v in vignettes]
        result["outside"] = {
            "model": outside_figures(
                vignettes, model.predict_many(cases, _ticker(on_done, "outside cases", len(cases)))
            )
        }
        if base is not None:
            known = [v for v in vignettes if v.key is not None]
            written = base.predict_many([v.case for v in known], _ticker(on_done, "base, outside", len(known)))
            result["outside"]["base-prompted"] = outside_figures(known, written)
    return Evaluation(rounded(result), records_of(sample, answers), case_table(batch, sample, model.vocabulary, lists))


def _differences(batch: Batch, other: Batch, sample: Sample) -> dict[str, dict[str, Any]]:
    """Paired differences, model − tabular classifier, by stage."""
    found: dict[str, dict[str, Any]] = {}
    for group in GROUPS:
        rows = np.array(sample.where(group))
        if len(rows):
            a, b = batch.take(rows), other.take(rows)
            found[group] = {name: paired_difference(f(a), f(b)).to_dict() for name, f in COMPARED.items()}
    return found


def _failures(lists: list[Differential]) -> dict[str, int]:
    return dict(sorted(Counter(d.status for d in lists).items()))


def _ticker(on_done: OnDone, what: str, total: int) -> Callable[[int], None]:
    on_done(what, total, 0)
    return lambda more: on_done(what, total, more)
