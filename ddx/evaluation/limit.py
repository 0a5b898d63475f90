"""`ddx limit`: how far a model is from the best possible differential, on simulated cases whose posterior is known.

Every loss here is an expectation under the exact posterior of the case, by the project's own scores
(`ddx.metrics.per_case`), so that only the choice of cases is left to chance. Lists of different conditions can't be
compared by those scores (a list of unlikely conditions with nearly all on "something else" scores well), so that each
forecast is first written out over all conditions, "something else" shared equally among those not listed. What a
forecast loses against the ideal one, its regret, is never negative then, and is the sum of three parts:

- form: what any list of K loses, that of the K likeliest with their exact probabilities;
- choice: what is lost by listing others than these, still with their exact probabilities;
- confidence: what is lost by the confidences. By log loss that is the regret of the list as `ddx eval` scores it.

The clinic's findings are independent given the condition and its interviews told by chance, DDXPlus's are not: a part
of a regret is the way from the patients that a model was trained on to these. The ideal forecaster also knows the
stage, where a model only sees how much a case says: worth less than .002 nats a case (400 cases at each stage).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddx.data.stages import STAGES
from ddx.differential import NOTICE
from ddx.errors import InputError
from ddx.evaluation.measure import GROUPS, batch_of, batch_of_posterior, rounded
from ddx.evaluation.sample import Sample
from ddx.evaluation.tabular import Tabular, shipped_tabular
from ddx.metrics import per_case
from ddx.metrics.aggregate import mean_interval, paired_difference
from ddx.metrics.per_case import Batch, first_mention
from ddx.model import Model
from ddx.provenance import file_hash
from ddx.simulate.clinic import Clinic
from ddx.simulate.estimate import load_clinic, load_table, shipped_table

__all__ = ["expected", "limit", "regrets", "simulate", "table", "with_exact", "written_out"]

Floats = NDArray[np.float64]
Score = Callable[[Batch], Floats]
SCORES: dict[str, Score] = {"brier_list": per_case.brier_list, "log_loss": per_case.log_loss}
OUTSIDE = -9  # a truth that is on no list


def limit(model: Model, size: int, seed: int, on_done: Callable[[str, int, int], None]) -> dict[str, Any]:
    """The regret of a model and of the tabular classifier on `size` cases at each stage, as JSON-like data.

    `on_done(what, total, more)` hears of progress. Raises InputError for a model of `membership` confidences.
    """
    if model.semantics != "pathology":
        raise InputError("ddx limit needs a model whose confidences are of the pathology; this one's are of membership")
    clinic = load_clinic()
    sample, posterior = simulate(clinic, size, seed)
    on_done("model", len(sample), 0)
    lists = model.predict_many(sample.cases, lambda more: on_done("model", len(sample), more), sample.seeds)
    k = model.format.k
    by_findings, _ = Tabular.load(shipped_tabular()).predict(sample.cases)
    forecasts = {
        "tabular": batch_of_posterior(by_findings, sample, k),
        "model": batch_of(lists, sample, model.vocabulary, k),
    }
    counts = load_table()
    return rounded(
        {
            "protocol": "limit-1",
            "created": date.today().isoformat(),
            "notice": NOTICE,
            "n": len(sample),
            "seed": seed,
            "k": k,
            "clinic": {name: counts[name] for name in ("about", "patients", "ids_sha256")}
            | {"sha256": file_hash(shipped_table())},
            "model": model.info,
            "calibrator": {"kind": model.calibrator.kind, "n_cases": model.calibrator.n_cases},
            "tabular_sha256": file_hash(shipped_tabular()),
            "stages": regrets(forecasts, sample, posterior, k),
        }
    )


def simulate(clinic: Clinic, size: int, seed: int) -> tuple[Sample, Floats]:
    """`size` cases at each stage, other patients at each, and their exact posteriors [n, C]."""
    parts = [clinic.sample(size, stage, seed) for stage in STAGES]
    truth = [int(t) for part in parts for t in part.truth]
    wordings = np.random.default_rng(seed).integers(2**31, size=len(truth)).tolist()
    sample = Sample(
        [case for part in parts for case in part.cases],
        [stage for stage in STAGES for _ in range(size)],
        wordings,
        truth,
        [frozenset({t}) for t in truth],
    )
    return sample, np.concatenate([part.posterior for part in parts])


def regrets(
    forecasts: Mapping[str, Batch], sample: Sample, posterior: Floats, k: int
) -> dict[str, dict[str, dict[str, Any]]]:
    """Group of cases → score → the figures of the ideal forecaster and of each forecast, with their intervals.

    "ideal" and "form": the least possible loss, and what a list of k adds to it. For each forecast: "regret" and its
    parts "choice" and "confidence" (and form), paired by case; "loss" and "list" of the forecast written out and as it
    stands, both expected; "realised": written out, with the condition that was drawn.
    """
    conditions = posterior.shape[1]
    best = batch_of_posterior(posterior, sample, k)
    ideal = batch_of_posterior(posterior, sample, conditions)

    def loss(score: Score, forecast: Batch) -> Floats:
        return expected(score, written_out(forecast, conditions), posterior)

    found: dict[str, dict[str, dict[str, Any]]] = {group: {} for group in GROUPS if sample.where(group)}
    for name, score in SCORES.items():
        least, listed = expected(score, ideal, posterior), loss(score, best)
        own = {
            who: {
                "loss": loss(score, forecast),
                "exact": loss(score, with_exact(forecast, posterior)),
                "list": expected(score, forecast, posterior),
                "realised": score(written_out(forecast, conditions)),
            }
            for who, forecast in forecasts.items()
        }
        for group, figures in found.items():
            rows = sample.where(group)
            figures[name] = {
                "ideal": mean_interval(least[rows]).to_dict(),
                "realised": mean_interval(score(ideal)[rows]).to_dict(),
                "form": paired_difference(listed[rows], least[rows]).to_dict(),
            }
            for who, losses in own.items():
                figures[name][who] = {
                    **{part: mean_interval(losses[part][rows]).to_dict() for part in ("loss", "list", "realised")},
                    "regret": paired_difference(losses["loss"][rows], least[rows]).to_dict(),
                    "choice": paired_difference(losses["exact"][rows], listed[rows]).to_dict(),
                    "confidence": paired_difference(losses["loss"][rows], losses["exact"][rows]).to_dict(),
                }
    return found


def expected(score: Score, batch: Batch, posterior: Floats) -> Floats:
    """Σ_c P(c)·score(list, c), [n]: exact, since a score depends on the slot that holds the truth only.

    >>> b = Batch([[0]], [[.6]], [0], [{0}], [True])               # .7·(.4² + .4²) + .3·(.6² + .6²)
    >>> expected(per_case.brier_list, b, np.array([[.7, .2, .1]])).round(4).tolist()
    [0.44]
    """
    weight = _exact_chances(batch, posterior)
    total = (1 - weight.sum(axis=1)) * score(replace(batch, truth=np.full(len(batch), OUTSIDE)))
    for slot in range(batch.codes.shape[1]):
        total += weight[:, slot] * score(replace(batch, truth=np.where(weight[:, slot] > 0, batch.codes[:, slot], 0)))
    return total


def written_out(batch: Batch, conditions: int) -> Batch:
    """The same forecasts as lists of all conditions: "something else" in equal shares on those not listed.

    What was given to a text that names no condition, or to one for the second time, stays lost.

    >>> b = written_out(Batch([[2, 0]], [[.5, .2]], [0], [{0}], [True]), 4)
    >>> b.codes.tolist(), b.conf.round(2).tolist()
    ([[2, 0, 1, 3]], [[0.5, 0.2, 0.15, 0.15]])
    """
    n = len(batch)
    named = first_mention(batch.codes) & (batch.codes >= 0)
    rows, slots = np.nonzero(named)
    conf = np.zeros((n, conditions))
    rest = np.ones((n, conditions), dtype=np.bool_)
    conf[rows, batch.codes[rows, slots]] = batch.conf[rows, slots]
    rest[rows, batch.codes[rows, slots]] = False
    other = np.maximum(0.0, 1.0 - batch.conf.sum(axis=1)) / np.maximum(1, rest.sum(axis=1))
    conf += rest * other[:, None]
    codes = np.argsort(-conf, axis=1, kind="stable")
    return replace(batch, codes=codes, conf=np.take_along_axis(conf, codes, axis=1))


def with_exact(batch: Batch, posterior: Floats) -> Batch:
    """The same lists with the exact probability of each condition; an unreadable one lists nothing certain."""
    return replace(batch, conf=_exact_chances(batch, posterior), valid=np.ones(len(batch), dtype=np.bool_))


def table(result: Mapping[str, Any]) -> str:
    """The headline as Markdown: for each score the least possible loss, and the regret with its parts."""
    stages = list(result["stages"])
    lines = []
    for name, words in (("brier_list", "Brier score, 0 to 2"), ("log_loss", "Log loss, nats")):
        figures = [result["stages"][stage][name] for stage in stages]
        rows: list[tuple[str, Sequence[Mapping[str, Any]]]] = [
            ("least possible", [f["ideal"] for f in figures]),
            (f"any list of {result['k']} adds", [f["form"] for f in figures]),
        ]
        for who, title in (("tabular", "tabular classifier"), ("model", "model")):
            rows += [
                (f"{title}, regret", [f[who]["regret"] for f in figures]),
                ("… which conditions it lists", [f[who]["choice"] for f in figures]),
                ("… their confidences", [f[who]["confidence"] for f in figures]),
            ]
        lines += [f"| {words} | {' | '.join(stages)} |", f"|---|{'---:|' * len(stages)}"]
        lines += [f"| {title} | {' | '.join(map(_cell, cells))} |" for title, cells in rows] + [""]
    sizes = ", ".join(str(result["stages"][stage]["log_loss"]["ideal"]["n"]) for stage in stages)
    return "\n".join([*lines, f"n: {sizes} simulated cases; 95 % bootstrap intervals over cases."]) + "\n"


def _exact_chances(batch: Batch, posterior: Floats) -> Floats:
    """[n, K]: the exact probability of each listed condition, 0 in other slots and for repeats."""
    named = first_mention(batch.codes) & (batch.codes >= 0)
    chances = np.take_along_axis(posterior, np.where(named, batch.codes, 0), axis=1)
    return np.where(named, chances, 0.0)


def _cell(figure: Mapping[str, Any]) -> str:
    value, low, high = (f"{round(figure[name], 3) + 0.0:.3f}" for name in ("value", "low", "high"))  # no "-0.000"
    return f"{value} ({low} to {high})"
