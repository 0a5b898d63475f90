"""`ddx stability`: a model on cases and on their perturbed twins: what stays the same, and what must not.

The case is the unit: a figure is a mean over cases with a bootstrap interval. A case to which a perturbation does not
apply is left out, so n differs (see `ddx.evaluation.perturb`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from ddx.case import Case
from ddx.data.prepare import load_split
from ddx.data.splits import Split
from ddx.differential import NOTICE, Differential
from ddx.evaluation.measure import GROUPS, batch_of, rounded
from ddx.evaluation.perturb import PERTURBATIONS, Decisive, ablate, seeded
from ddx.evaluation.sample import Sample, draw, patient_ids, select
from ddx.evaluation.tabular import Tabular, shipped_tabular
from ddx.evaluation.words import cell
from ddx.files import write_text
from ddx.metrics import agreement, per_case
from ddx.metrics.aggregate import mean_interval
from ddx.metrics.per_case import UNMATCHED, Batch
from ddx.model import BATCH, Model
from ddx.provenance import file_hash, ids_hash
from ddx.vocabulary import Vocabulary, normalise

__all__ = ["PROTOCOL", "ablation", "pair", "stability", "to_markdown", "values", "write_stability"]

PROTOCOL = "1"
_NAMES = {
    "rbo": "RBO", "top1_flip": "first diagnosis changed", "shift": "shift of its confidence",
    "pass@1_change": "change in pass@1",
}  # fmt: skip
OnDone = Callable[[str, int, int], None]
Arrays = dict[str, np.ndarray]


def stability(
    model: Model, data: Path, split: Split, size: int, on_done: OnDone, seed: int = 0
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(the figures as JSON-like data, one record a twin) for `size` cases of the split at each stage.

    `repeat` asks each case alone, where the original shared its batch with others. Decisive findings are those of the
    training patients in `data`. The records hold what the model wrote, not the case's text.
    """
    sample, vocabulary = draw(data, split, str(size), model.vocabulary), model.vocabulary
    twins, cut = _twins(sample, Decisive(load_split(data, "train")), vocabulary, seed)
    originals = model.predict_many(sample.cases, _ticker(on_done, "original", len(sample)), sample.seeds)
    tabular = Tabular.load(shipped_tabular())
    figures: dict[str, Any] = {}
    records: list[dict[str, Any]] = []
    for name, made in twins.items():
        part, before = _part(sample, list(made)), select(originals, list(made))
        ticker = _ticker(on_done, name, len(made))
        after = model.predict_many(list(made.values()), ticker, batch_size=1 if name == "repeat" else BATCH)
        one, other = pair(before, after, part, vocabulary, model.format.k)
        found = values(one, other)
        if name == "ablate":
            found |= ablation(one, other, tabular.predict(part.cases)[0], tabular.predict(cut)[0])
        figures[name] = _figures(found, part)
        records += _records(name, part, before, after, found)
    result = {
        "protocol": PROTOCOL,
        "created": date.today().isoformat(),
        "notice": NOTICE,
        "n": len(sample),
        "seed": seed,
        "data": {
            "source": "DDXPlus (CC-BY 4.0)",
            "split": f"{split} patients of the project's own split",
            "sample": str(size),
            "patients_sha256": ids_hash(patient_ids(sample)),
        },
        "model": model.info,
        "calibrator": {"kind": model.calibrator.kind, "n_cases": model.calibrator.n_cases,
                       "fitted_on": model.calibrator.fitted_on},
        "tabular_sha256": file_hash(shipped_tabular()),
        "perturbations": figures,
    }  # fmt: skip
    return rounded(result), records


def pair(
    before: Sequence[Differential], after: Sequence[Differential], sample: Sample, vocabulary: Vocabulary, k: int
) -> tuple[Batch, Batch]:
    """Arrays of the two answers to each case, in which equal codes are the same diagnosis, matched or not."""
    names: dict[str, int] = {}
    batches = []
    for lists in (before, after):
        batch = batch_of(lists, sample, vocabulary, k)
        for row, slot in np.argwhere(batch.codes <= UNMATCHED):
            name = normalise(lists[row].diagnoses[slot].name)
            batch.codes[row, slot] = UNMATCHED - names.setdefault(name, len(names))
        batches.append(batch)
    return batches[0], batches[1]


def values(one: Batch, other: Batch) -> Arrays:
    """How the answers to the twins, `other`, differ from the answers to the cases: each [n], NaN where undefined.

    jaccard@1/3/K of the sets of conditions, rbo (p = 0.9), top1_flip, shift (absolute, of the confidence in the
    original first diagnosis), and pass@1_change (twin minus original).
    """
    k = one.codes.shape[1]
    return {
        **{f"jaccard@{j}": agreement.jaccard_at(one.codes, other.codes, j) for j in sorted({1, min(3, k), k})},
        "rbo": agreement.rank_biased_overlap(one.codes, other.codes),
        "top1_flip": agreement.top1_flip(one.codes, other.codes),
        "shift": np.abs(agreement.confidence_shift(one.codes, one.conf, other.codes, other.conf)),
        "pass@1_change": per_case.pass_at(other, 1) - per_case.pass_at(one, 1),
    }


def ablation(one: Batch, other: Batch, posterior: np.ndarray, posterior_after: np.ndarray) -> Arrays:
    """The confidence in the pathology without its decisive finding: before, its change, and whether it fell, each [n].

    `tabular_…` is the same for the classifier, from its posteriors [n, C] with and without the finding. NaN, for both
    alike, where the model did not list the pathology to begin with, or one of its answers could not be read.
    """
    rows, truth = np.arange(len(one)), one.truth
    before, after = (agreement.confidence_in(b.codes, b.conf, truth) for b in (one, other))
    counted = one.valid & other.valid & (before > 0)
    found: Arrays = {}
    for who, a, b in (("", before, after), ("tabular_", posterior[rows, truth], posterior_after[rows, truth])):
        for name, value in (("before", a), ("change", b - a), ("fell", b < a)):
            found[who + name] = np.where(counted, value, np.nan)
    return found


def write_stability(out: Path, result: Mapping[str, Any], records: Sequence[dict[str, Any]]) -> str:
    """Write OUT (.json) and, beside it, .cases.jsonl; returns the tables."""
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n" for record in records)
    write_text(out.with_suffix(".cases.jsonl"), lines)
    write_text(out, json.dumps(result, ensure_ascii=False, allow_nan=False) + "\n")
    return to_markdown(result)


def to_markdown(result: Mapping[str, Any]) -> str:
    """The figures over all cases: one row a perturbation, then what the decisive finding was worth."""
    found = {name: groups["all"] for name, groups in result["perturbations"].items() if groups}
    names = list(found["repeat"])
    lines = [f"| | n | {' | '.join(_NAMES.get(n, n.capitalize()) for n in names)} |"]
    lines += [f"|---|{'---:|' * (len(names) + 1)}"]
    lines += [f"| {name} | {f[names[0]]['n']} | {' | '.join(cell(f[n]) for n in names)} |" for name, f in found.items()]
    if "ablate" in found:
        f = found["ablate"]
        lines += ["", f"Confidence in the patient's condition without its decisive finding (n={f['fell']['n']}):", ""]
        lines += ["| | with it | change | fell in |", "|---|---:|---:|---:|"]
        for who, words in (("", "ddx"), ("tabular_", "tabular classifier")):
            lines.append(f"| {words} | {' | '.join(cell(f[who + n]) for n in ('before', 'change', 'fell'))} |")
    return "\n".join(lines) + "\n"


def _twins(
    sample: Sample, decisive: Decisive, vocabulary: Vocabulary, seed: int
) -> tuple[dict[str, dict[int, Case]], list[Case]]:
    """Perturbation → place in the sample → twin, where there is one; and the cases of "ablate" as findings."""
    twins: dict[str, dict[int, Case]] = {name: {} for name in (*PERTURBATIONS, "ablate")}
    keys, cut = [condition.key for condition in vocabulary], []
    for i, (case, wording, truth) in enumerate(zip(sample.cases, sample.seeds, sample.truth, strict=True)):
        for name, change in PERTURBATIONS.items():
            twin = change(case, wording, seeded(name, case, seed))
            if twin is not None:
                twins[name][i] = twin
        item = decisive.of(case, keys[truth])
        without = None if item is None else ablate(case, wording, item)
        if without is not None:
            twins["ablate"][i] = without[0]
            cut.append(without[1])
    return twins, cut


def _figures(found: Arrays, sample: Sample) -> dict[str, dict[str, Any]]:
    """Estimates for all cases and by stage; a stage without cases is left out."""
    return {
        group: {name: mean_interval(array[rows]).to_dict() for name, array in found.items()}
        for group in GROUPS
        if (rows := sample.where(group))
    }


def _records(
    name: str, sample: Sample, before: Sequence[Differential], after: Sequence[Differential], found: Arrays
) -> list[dict[str, Any]]:
    return [
        {"perturbation": name, "case_id": case.case_id, "stage": stage, "status": [a.status, b.status],
         "original": a.raw_text, "twin": b.raw_text,
         **{metric: rounded(float(array[row])) for metric, array in found.items()}}
        for row, (case, stage, a, b) in enumerate(zip(sample.cases, sample.stages, before, after, strict=True))
    ]  # fmt: skip


def _part(sample: Sample, rows: Sequence[int]) -> Sample:
    parts = (sample.cases, sample.stages, sample.seeds, sample.truth, sample.gold, sample.shown)
    return Sample(*(select(part, rows) for part in parts))


def _ticker(on_done: OnDone, what: str, total: int) -> Callable[[int], None]:
    on_done(what, total, 0)
    return lambda more: on_done(what, total, more)
