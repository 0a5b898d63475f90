"""Differentials and gold to figures: every one with n and a bootstrap interval over cases."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ddx.calibration.reliability import reliability
from ddx.differential import Differential
from ddx.evaluation.sample import Sample
from ddx.evaluation.subgroups import members
from ddx.metrics import ddxplus, per_case
from ddx.metrics.aggregate import interval_of, mean_interval, ratio
from ddx.metrics.calibration import Corp, corp_of_cases, ece, ece_null
from ddx.metrics.hierarchy import hierarchical
from ddx.metrics.per_case import EMPTY, UNMATCHED, Batch
from ddx.vocabulary import Vocabulary

DRAWS = 400  # of the bootstrap where a draw is more than a mean
GROUPS = ("all", "initial", "quarter", "half", "full")
Figures = dict[str, dict[str, Any]]


def batch_of(differentials: Sequence[Differential], sample: Sample, vocabulary: Vocabulary, k: int) -> Batch:
    """Arrays of n differentials with at most k diagnoses."""
    n = len(differentials)
    codes, conf = np.full((n, k), EMPTY), np.zeros((n, k))
    for row, differential in enumerate(differentials):
        for slot, d in enumerate(differential.diagnoses[:k]):
            codes[row, slot] = UNMATCHED - slot if d.key is None else vocabulary.index(d.key)
            conf[row, slot] = d.confidence
    valid = np.array([d.valid for d in differentials])
    return Batch(codes, conf, np.array(sample.truth), sample.gold, valid)


def batch_of_posterior(posterior: np.ndarray, sample: Sample, k: int) -> Batch:
    """Arrays of the k likeliest conditions of a posterior [n, C]; in millionths, to be the same on every machine."""
    codes = np.argsort(-posterior, axis=1, kind="stable")[:, :k]
    conf = np.round(np.take_along_axis(posterior, codes, axis=1), 6)
    conf = conf / np.maximum(1.0, conf.sum(axis=1, keepdims=True))
    return Batch(codes, conf, np.array(sample.truth), sample.gold, np.ones(len(codes), dtype=bool))


def figures(
    batch: Batch, sample: Sample, vocabulary: Vocabulary, cost: dict[str, np.ndarray] | None = None
) -> dict[str, Figures]:
    """Metric → estimate, for all cases and by stage. `cost` holds arrays [n] such as tokens and seconds."""
    own = _hierarchical(batch, vocabulary) | (_ddxplus(batch, sample, vocabulary) if sample.shown else {})
    found = {}
    for group in GROUPS:
        rows = np.array(sample.where(group))
        if len(rows):
            part = {name: values[rows] for name, values in (cost or {}).items()}
            found[group] = _figures(batch.take(rows), part)
            found[group] |= {name: mean_interval(values[rows]).to_dict() for name, values in own.items()}
    return found


def _hierarchical(batch: Batch, vocabulary: Vocabulary) -> dict[str, np.ndarray]:
    """Partial credit along ICD-10, [n]: the first diagnosis against the pathology, the list against the gold one."""
    codes = [condition.icd10 for condition in vocabulary]
    pathology = replace(batch, gold=[frozenset({int(t)}) for t in batch.truth])
    return {
        "icd10_f1@1": hierarchical(pathology, codes, 1).f1,
        "icd10_f1": hierarchical(batch, codes, batch.codes.shape[1]).f1,
    }


def _ddxplus(batch: Batch, sample: Sample, vocabulary: Vocabulary) -> dict[str, np.ndarray]:
    """DDXPlus's own metrics of each case [n]."""
    shown = replace(batch, gold=sample.shown)
    severe = np.array([condition.must_not_miss for condition in vocabulary])
    return {
        "ddr": ddxplus.ddr(shown),
        "ddp": ddxplus.ddp(shown),
        "ddf1": ddxplus.ddf1(shown),
        "dsf1": ddxplus.dsf1(shown, severe),
        **{f"gtpa@{k}": ddxplus.gtpa(shown, k) for k in (1, 3, 5)},
    }


def _figures(batch: Batch, cost: dict[str, np.ndarray]) -> Figures:
    k = batch.codes.shape[1]
    listed = batch.codes != EMPTY
    per = {
        "pass@1": per_case.pass_at(batch, 1),
        "pass@3": per_case.pass_at(batch, 3),
        f"pass@{k}": per_case.pass_at(batch, k),
        f"recall@{k}": per_case.recall_at(batch, k),
        f"distinct@{k}": per_case.distinct_gold_at(batch, k),
        "mrr": per_case.reciprocal_rank(batch),
        "brier_list": per_case.brier_list(batch),
        "log_loss": per_case.log_loss(batch),
        "validity": batch.valid.astype(float),
        "unmatched": (batch.codes <= UNMATCHED).sum(axis=1) / np.maximum(1, listed.sum(axis=1)),
    }
    out: Figures = {name: mean_interval(values).to_dict() for name, values in per.items()}
    for name, values in cost.items():
        if name == "seconds":
            out["seconds_p50"], out["seconds_p95"] = (_quantile(values, q) for q in (0.5, 0.95))
        else:
            out[name] = mean_interval(values).to_dict()
    if "tokens" in cost:
        out["tokens_per_distinct"] = ratio(cost["tokens"], per[f"distinct@{k}"]).to_dict()
    readable = batch.take(batch.valid)
    if len(readable):
        hits, mask = per_case.hits(readable), readable.codes != EMPTY
        out["ece_item"] = _ece(readable.conf, hits, mask)
        out["ece_top1"] = _ece(readable.conf[:, 0], hits[:, 0], None)
        out["ece_set"] = _ece(np.minimum(1.0, per_case.set_confidence(readable)), per_case.set_hit(readable), None)
        for level, of in (
            ("top1", corp_of_cases(readable.conf[:, 0], hits[:, 0])),
            ("item", corp_of_cases(readable.conf, hits, mask)),
        ):
            out |= {f"{part}_{level}": _corp_part(of, part, len(readable)) for part in ("brier_skill", "mcb", "dsc")}
    return out


def _ece(conf: np.ndarray, hit: np.ndarray, mask: np.ndarray | None) -> dict[str, Any]:
    """ECE (ten equal-width bins) beside its null: the 95 % range of a calibrated model at this n."""
    null = ece_null(conf, mask=mask)
    value = float(ece(conf, hit, mask=mask))
    return {"value": value, "null_mean": null.mean, "null_low": null.low, "null_high": null.high, "n": len(conf),
            "within_null": bool(value <= null.high)}  # fmt: skip


def reliability_by_group(batch: Batch, sample: Sample, subgroups: bool = False) -> dict[str, dict[str, Any]]:
    """Reliability data at the level of items, first diagnoses and whole lists, for all cases and by stage; with
    `subgroups` by sex and by age band, too."""
    out: dict[str, dict[str, Any]] = {"item": {}, "top1": {}, "set": {}}
    groups = {group: np.array(sample.where(group), dtype=np.int64) for group in GROUPS}
    if subgroups:
        groups |= {name: np.flatnonzero(x) for kind in members(sample).values() for name, x in kind.items()}
    for group, rows in groups.items():
        if not len(rows):
            continue
        part = batch.take(rows)
        part = part.take(part.valid)
        if not len(part):
            continue
        hits, mask = per_case.hits(part), part.codes != EMPTY
        total = np.minimum(1.0, per_case.set_confidence(part))
        out["item"][group] = rounded(reliability(part.conf, hits, mask))
        out["top1"][group] = rounded(reliability(part.conf[:, 0], hits[:, 0]))
        out["set"][group] = rounded(reliability(total, per_case.set_hit(part)))
    return out


def rounded(value: Any, digits: int = 5) -> Any:
    """The same structure with floats rounded, so that files stay small and comparable; NaN becomes None."""
    if isinstance(value, float):
        return round(value, digits) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: rounded(v, digits) for k, v in value.items()}
    return [rounded(v, digits) for v in value] if isinstance(value, list) else value


def _corp_part(of: Callable[[np.ndarray], Corp], part: str, n: int) -> dict[str, Any]:
    return interval_of(lambda rows: float(getattr(of(rows), part)), n, DRAWS).to_dict()


def _quantile(values: np.ndarray, q: float) -> dict[str, Any]:
    return interval_of(lambda rows: float(np.quantile(values[rows], q)), len(values), DRAWS).to_dict()
