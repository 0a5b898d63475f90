"""Do the parts of a text that move the model agree with what a reader quoted as evidence?

For each diagnosis that the model listed and that the gold differential supports with quotes: do the parts that overlap
a quote weigh more than the others, and is the part that weighs most one of them? A part without a quote is not proven
to be no evidence, so agreement has a ceiling that nobody knows; chance stands beside every figure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ddx.data.vignettes import Vignette
from ddx.differential import Differential
from ddx.explain.effects import Evidence
from ddx.explain.spans import evidence_spans
from ddx.metrics.aggregate import mean_interval

if TYPE_CHECKING:
    from ddx.model import Model

__all__ = ["auroc", "span_agreement", "supported", "top_precision"]

Span = tuple[int, int]
Floats = NDArray[np.float64]
NAMES = ("auroc", "auroc_length", "top1", "top3", "chance", "top1_minus_chance")


def span_agreement(
    model: Model,
    vignettes: Sequence[Vignette],
    answers: Sequence[Differential],
    limit: int | None = None,
    on_done: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Figures over the cases with a listed diagnosis that the gold supports, at most the first `limit` of them.

    A case's figure is the mean over its diagnoses: `auroc` of the weights for "overlaps a quote", `auroc_length` the
    same for the number of letters of a part (what length alone gives), `top1` and `top3` the share of the heaviest
    parts that overlap one, `chance` the share of all parts. Each with n and interval over cases; besides the number of
    `diagnoses` behind them and of `generations` they took (parts + 1 a case).
    """
    rows: list[list[float]] = []
    diagnoses = generations = 0
    for vignette, answer in zip(vignettes, answers, strict=True):
        keys = supported(vignette, answer)
        if not keys or (limit is not None and len(rows) == limit):
            continue
        evidence = evidence_spans(model, vignette.case, keys)
        rows.append(_mean([_agreement(evidence, key, _quoted(vignette, key)) for key in keys]))
        diagnoses += len(keys)
        generations += len(evidence.effects) + 1
        if on_done is not None:
            on_done(1)
    columns = np.array(rows, dtype=np.float64).reshape(-1, len(NAMES)).T
    figures = {name: mean_interval(values).to_dict() for name, values in zip(NAMES, columns, strict=True)}
    return {"cases": len(rows), "diagnoses": diagnoses, "generations": generations, **figures}


def supported(vignette: Vignette, answer: Differential) -> list[str]:
    """The listed diagnoses that the gold differential holds too, with at least one quote found in the text."""
    return [d.key for d in answer.diagnoses if d.key is not None and _quoted(vignette, d.key)]


def auroc(weights: ArrayLike, overlaps: Sequence[bool]) -> float:
    """P(a part that overlaps a quote weighs more than one that does not), ties half; NaN where all or none overlap.

    >>> auroc([2.0, 0.5, 0.5, -1.0], [True, True, False, False])
    0.875
    """
    w, y = np.asarray(weights, dtype=np.float64), np.asarray(overlaps, dtype=np.bool_)
    if y.all() or not y.any():
        return math.nan
    pairs = w[y][:, None] - w[~y][None, :]
    return float((pairs > 0).mean() + (pairs == 0).mean() / 2)


def top_precision(weights: ArrayLike, overlaps: Sequence[bool], k: int) -> float:
    """Share of the k heaviest parts (all, if there are fewer) that overlap a quote; equal weights in any order.

    >>> top_precision([1.0, 1.0, 0.0], [True, False, False], 1)      # either of the first two
    0.5
    """
    w, y = np.asarray(weights, dtype=np.float64), np.asarray(overlaps, dtype=np.float64)
    if len(w) == 0:
        return math.nan
    values, which = np.unique(-w, return_inverse=True)
    share = np.bincount(which, weights=y, minlength=len(values)) / np.bincount(which, minlength=len(values))
    return float(share[np.sort(which)[:k]].mean())


def _agreement(evidence: Evidence, key: str, quoted: Sequence[Span]) -> list[float]:
    """The figures of one diagnosis, in the order of `NAMES`."""
    effects = [e for e in evidence.ranked(key) if e.change.span is not None]
    spans = [e.change.span for e in effects if e.change.span is not None]
    weights = [e.weights[key] for e in effects]
    overlaps = [any(s < end and start < e for s, e in quoted) for start, end in spans]
    chance = float(np.mean(overlaps)) if overlaps else math.nan
    top1 = top_precision(weights, overlaps, 1)
    lengths = [end - start for start, end in spans]
    return [
        auroc(weights, overlaps),
        auroc(lengths, overlaps),
        top1,
        top_precision(weights, overlaps, 3),
        chance,
        top1 - chance,
    ]


def _quoted(vignette: Vignette, key: str) -> list[Span]:
    """Where the quotes for a condition stand in the text."""
    return [q.span for d in vignette.differential if d.key == key for q in d.quotes if q.span is not None]


def _mean(rows: Sequence[Sequence[float]]) -> list[float]:
    """Column by column, NaN left out; NaN where there is nothing else."""
    columns = ([x for x in column if not math.isnan(x)] for column in zip(*rows, strict=True))
    return [float(np.mean(column)) if column else math.nan for column in columns]
