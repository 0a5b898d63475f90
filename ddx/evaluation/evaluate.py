"""`ddx eval`: one model on the fixed test sample and on outside cases, beside its references, as one JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ddx.data.splits import Split
from ddx.data.stages import STAGES
from ddx.differential import NOTICE, Differential
from ddx.evaluation.baselines import (
    LABEL_LIST,
    Cost,
    OnDone,
    Record,
    ask,
    baseline_figures,
    beside,
    differences,
    stored_records,
    ticks,
    untrained,
)  # fmt: skip
from ddx.evaluation.cases import case_table
from ddx.evaluation.completions import records_of, stored_answers
from ddx.evaluation.decisions import decision_figures, selective_figures
from ddx.evaluation.examples import wrong_examples
from ddx.evaluation.measure import GROUPS, batch_of, batch_of_posterior, figures, reliability_by_group, rounded
from ddx.evaluation.outside import load_outside, outside_figures
from ddx.evaluation.promises import Promises, promise_figures
from ddx.evaluation.sample import Sample, draw, patient_ids
from ddx.evaluation.subgroups import subgroup_figures
from ddx.evaluation.tabular import Tabular, shipped_tabular
from ddx.metrics.per_case import Batch
from ddx.model import Model
from ddx.provenance import file_hash, ids_hash

# 2: subgroups, selective prediction, decision curves, examples. 3: other ways to answer, on the same cases; promises
PROTOCOL = "3"


@dataclass(frozen=True)
class Plan:
    """What to evaluate on. `base_cases`: on how many cases at each stage the other ways to answer are tried (0: none).
    `completions` of an earlier evaluation of the same cases are read instead of asking the model again; and what the
    baselines wrote, where it lies beside them (`ddx.evaluation.baselines.beside`). `promises`: the model's, to be held
    against these cases."""

    data: Path
    split: Split = "test"
    size: str = "standard"
    vignettes: Path | None = None
    base_cases: int = 10
    completions: Path | None = None
    promises: Promises | None = None

    @property
    def stored(self) -> Path | None:
        """What the baselines wrote, if it is to be read again."""
        path = None if self.completions is None else beside(self.completions)
        return path if path is not None and path.exists() else None

    @property
    def asks_the_base(self) -> bool:
        """Whether the untrained base model has to write something."""
        return self.base_cases > 0 and (self.vignettes is not None or self.stored is None)


@dataclass(frozen=True)
class Evaluation:
    """`result`: every figure, as JSON-like data. `records`: what the model wrote, one a case; `baseline_records`: what
    the baselines wrote (none without `base_cases`). `cases`: a row a case."""

    result: dict[str, Any]
    records: list[Record]
    baseline_records: list[Record]
    cases: pd.DataFrame


def evaluate(model: Model, plan: Plan, on_done: OnDone) -> Evaluation:
    """Measure a model on the plan's cases, beside its references. `on_done(what, total, more)` hears of progress.

    The untrained base model is loaded only where it has to be asked.
    """
    sample = draw(plan.data, plan.split, plan.size, model.vocabulary)
    if plan.completions is None:
        answers = model.generate(sample.cases, ticks(on_done, "model", len(sample)), sample.seeds)
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
        "base_cases": plan.base_cases,
        "data": {
            "source": "DDXPlus (CC-BY 4.0)",
            "split": f"{plan.split} patients of the project's own split",
            "sample": plan.size,
            "patients_sha256": ids_hash(patient_ids(sample)),
        },
        "model": model.info,
        "calibrator": {"kind": model.calibrator.kind, "n_cases": model.calibrator.n_cases,
                       "fitted_on": model.calibrator.fitted_on,
                       "rescaled": {"count": sum(d.rescaled for d in lists), "n": len(lists)}},
        "metrics": figures(batch, sample, model.vocabulary, cost),
        "metrics_stated": figures(as_stated, sample, model.vocabulary),
        "baselines": {"tabular": figures(tabular, sample, model.vocabulary)},
        "tabular_sha256": file_hash(shipped_tabular()),
        "minus_tabular": differences(batch, tabular, sample),
        "failures": _failures(lists),
        "subgroups": subgroup_figures(batch, sample, GROUPS),
        "reliability": reliability_by_group(batch, sample, subgroups=True),
        "reliability_stated": reliability_by_group(as_stated, sample),
        "selective": selective_figures(batch, sample, GROUPS),
        "decision": decision_figures(batch, sample, model.vocabulary, GROUPS),
        "examples": wrong_examples(sample, answers, lists, model.vocabulary),
    }  # fmt: skip
    if plan.promises is not None:
        result["promises"] = promise_figures(plan.promises, batch, sample)
    base = untrained(model) if plan.asks_the_base else {}
    written: list[Record] = []
    if plan.base_cases:
        own = {"model": (batch, cost), "sft-only": (as_stated, cost), "tabular": (tabular, {})}
        written, others = _other_ways(model, base, plan, sample, own, on_done)
        result["baselines"] |= others.pop("baselines")
        result |= others
    if plan.vignettes is not None:
        result["outside"] = _outside(model, base, plan.vignettes, on_done)
    table = case_table(batch, sample, model.vocabulary, lists)
    return Evaluation(rounded(result), records_of(sample, answers), written, table)


def _other_ways(
    model: Model,
    base: Mapping[str, Model],
    plan: Plan,
    sample: Sample,
    own: Mapping[str, tuple[Batch, Cost]],
    on_done: OnDone,
) -> tuple[list[Record], dict[str, Any]]:
    """On the first cases of each stage: what the baselines wrote, and the figures of all ways to answer."""
    small = sample.first(plan.base_cases)
    rows = np.array([i for stage in STAGES for i in sample.where(stage)[: plan.base_cases]])
    taken = {name: (b.take(rows), {what: x[rows] for what, x in c.items()}) for name, (b, c) in own.items()}
    if plan.stored is not None:
        written = stored_records(plan.stored, model, small)
    else:
        written = ask(model, base, small, taken["model"][1]["tokens"].astype(int).tolist(), on_done)
    return written, baseline_figures(model, small, taken, written)


def _outside(model: Model, base: Mapping[str, Model], path: Path, on_done: OnDone) -> dict[str, Any]:
    """Cases from elsewhere, and those whose pathology the vocabulary has by the base model told its names."""
    vignettes = load_outside(path, model)
    lists = model.predict_many([v.case for v in vignettes], ticks(on_done, "outside cases", len(vignettes)))
    found = {"model": outside_figures(vignettes, lists)}
    if base:
        known = [v for v in vignettes if v.key is not None]
        lists = base[LABEL_LIST].predict_many([v.case for v in known], ticks(on_done, "base, outside", len(known)))
        found[LABEL_LIST] = outside_figures(known, lists)
    return found


def _failures(lists: list[Differential]) -> dict[str, int]:
    return dict(sorted(Counter(d.status for d in lists).items()))
