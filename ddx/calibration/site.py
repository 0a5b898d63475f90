"""A site's own calibrator: a second stage on the calibrated list, fitted on what the site's clinicians decided.

The outcome is the clinician's final first diagnosis: a place on the model's list, or "something else". So this measures
and restores agreement with clinicians, who mostly saw the model's list first. It is not correctness.

A review keeps calibrated confidences and no token probabilities. For such lists the ladder (`ddx.evaluation.ladder`,
stated lists alone) advises a temperature from 25 cases on. It stays a temperature at any number, for two reasons: it
never reorders the list that was reviewed, and it can be undone (`before`), so that reviews made under one version still
serve to fit the next. What the ladder's next rung would gain, from 1,600 cases on, was .003 nats
(training/studies/calibrators.md).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ddx.calibration.calibrator import Calibrator, to_unit_sum
from ddx.calibration.fitting import fit
from ddx.differential import Differential
from ddx.errors import InputError
from ddx.metrics.aggregate import mean_interval, paired_difference

__all__ = [
    "LEAST",
    "SiteCalibrator",
    "SiteCase",
    "apply",
    "before",
    "compared",
    "fit_site",
    "identity",
    "is_better",
    "newest",
]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Figures = Mapping[str, Mapping[str, Mapping[str, float]]]

LEAST = 25  # cases: the ladder's first rung above "as it is"
FOLDS = 10
WIDTH = 20  # slots that a list may have, whatever those of the fit had: a temperature is the same for any number
VERSION = 1
FLOOR = 5e-5  # of the log loss: a review keeps four decimals, so 0 stands for anything below this
_IDENTITY = ("id", "base_sha256", "adapter_sha256", "calibrator_sha256", "signals")
METRICS = {"log_loss": "Log loss", "brier": "Brier score of the list"}


@dataclass(frozen=True)
class SiteCase:
    """One reviewed case. `confidences`: the model's own calibrated list in [0, 1], its order, before any site
    calibrator. `outcome`: the place of the clinician's first diagnosis on it, from 0; its length for one that is not on
    it. `case`: equal for two reviews of one case. `decided_at`: ISO 8601. `own_first`: whether the clinician wrote a
    list before seeing this one."""

    review_id: str
    decided_at: str
    case: str
    confidences: tuple[float, ...]
    outcome: int
    own_first: bool = False


@dataclass(frozen=True)
class SiteCalibrator:
    """A version: a temperature, the model that it belongs to, and what it was fitted on and how it did there.

    `figures`: metric → "before", "after" and "difference" (after − before, paired), each value, low, high, n: every
    case scored by a fit on the other nine tenths, 95 % bootstrap intervals over cases. `calibrator.fitted_on`: SHA-256
    of the reviews, their decision times, lists and outcomes. `left_out`: why → how many reviews were not used.
    `number` is 0 until a folder has given it one. Times are ISO 8601.
    """

    calibrator: Calibrator
    model: Mapping[str, str]
    first_decided: str
    last_decided: str
    made_at: str
    figures: Figures
    made_by: str = ""
    n_own_first: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    number: int = 0

    @property
    def n_cases(self) -> int:
        """Cases that it was fitted on."""
        return self.calibrator.n_cases

    @property
    def temperature(self) -> float:
        """Above 1 it draws confidences together, below 1 apart."""
        return float(np.exp(-self.calibrator.parameters["log_slope"]))

    @property
    def better(self) -> bool:
        """Whether the cross-validated figures show, at 95 %, a lower log loss, and no higher Brier score."""
        return is_better(self.figures)

    @property
    def sha256(self) -> str:
        """SHA-256 of the JSON form."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Readable JSON, the same text for the same version."""
        body = {one.name: getattr(self, one.name) for one in fields(self)}
        body |= {"version": VERSION, "calibrator": json.loads(self.calibrator.to_json())}
        return json.dumps(body, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str = "site calibrator") -> SiteCalibrator:
        """Read what `to_json` wrote. Raises InputError, naming `source`, when the text is something else."""
        try:
            body = json.loads(text)
            if body.pop("version") != VERSION:
                raise ValueError("another version of the format")
            found = cls(**body | {"calibrator": Calibrator.from_json(json.dumps(body["calibrator"]), source)})
            if found.calibrator.kind != "temperature" or set(found.figures) != set(METRICS):
                raise ValueError("no temperature with its figures")
            is_better(found.figures)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{source}: not a site calibrator that this ddx wrote ({error})") from None
        return found


def identity(model: Mapping[str, Any]) -> dict[str, str]:
    """What makes a model's lists its own: id, hashes of base, adapter and calibrator, and whether the token
    probabilities that the calibrator wants were missing. From the `model` of a differential.

    >>> identity({"id": "m", "calibrator_sha256": "ab", "versions": {"ddx": "0.1"}})
    {'id': 'm', 'calibrator_sha256': 'ab'}
    """
    return {name: str(model[name]) for name in _IDENTITY if model.get(name) is not None}


def fit_site(
    cases: Sequence[SiteCase],
    model: Mapping[str, Any],
    made_at: str,
    made_by: str = "",
    left_out: Mapping[str, int] | None = None,
) -> SiteCalibrator:
    """Fit on the cases, all of this `model`. Of several reviews of one case the newest decision counts.

    Raises InputError with the number that lacks when there are fewer than `LEAST` cases.
    """
    kept = newest(cases)
    if len(kept) < LEAST:
        raise InputError(
            f"a site calibrator needs {LEAST} reviewed cases of this model; there are {len(kept)}, so "
            f"{LEAST - len(kept)} more are needed"
        )
    p, listed, y = _arrays(kept)
    whole = replace(fit("temperature", p, listed, y, fitted_on=_hash(kept)), k=max(WIDTH, p.shape[1]))
    missed = Counter(left_out or {})
    missed["an earlier review of the same case"] += len(cases) - len(kept)
    decided = [case.decided_at for case in kept]
    return SiteCalibrator(
        whole, identity(model), min(decided), max(decided), made_at, _figures(p, _held_out(kept, p, listed, y), y),
        made_by, sum(case.own_first for case in kept), {why: n for why, n in missed.items() if n},
    )  # fmt: skip


def newest(cases: Iterable[SiteCase]) -> list[SiteCase]:
    """One review for each case, that of the newest decision; oldest first."""
    kept = {case.case: case for case in sorted(cases, key=lambda case: (case.decided_at, case.review_id))}
    return sorted(kept.values(), key=lambda case: (case.decided_at, case.review_id))


def compared(site: SiteCalibrator, cases: Sequence[SiteCase]) -> Figures | None:
    """How a version does on cases decided after the last one that it was fitted on; as `figures` of a version.

    None while there are fewer than `LEAST` of them.
    """
    since = [case for case in newest(cases) if case.decided_at > site.last_decided]
    if len(since) < LEAST:
        return None
    p, listed, y = _arrays(since)
    return _figures(p, site.calibrator.apply(p, listed)[0], y)


def is_better(figures: Figures) -> bool:
    """Whether figures show a lower log loss, and no higher Brier score: by the 95 % intervals of the differences.

    There is no "worse" beside it: the folds' fits depend on each other, so that the interval of a calibrator that
    changes next to nothing can lie just above 0.
    """
    return figures["log_loss"]["difference"]["high"] < 0 and figures["brier"]["difference"]["low"] <= 0


def apply(site: SiteCalibrator, differential: Differential) -> Differential:
    """The differential with the site's confidences; `model["site_calibrator"]` then says which version, by its hash.

    The order stays. An interval (Venn-Abers) goes: it was one of the confidence before. A list without diagnoses comes
    back as it is. Raises InputError for a list of another model, of `membership` confidences, or with a site calibrator
    already.
    """
    if not differential.diagnoses:
        return differential
    if "site_calibrator" in differential.model:
        raise InputError("these confidences are a site calibrator's already")
    if differential.semantics != "pathology":
        raise InputError("a site calibrator is for confidences of the pathology; these are of membership")
    if (found := identity(differential.model)) != dict(site.model):
        raise InputError(
            f"site calibrator {site.number} was fitted for the model {_name(site.model)}, not for {_name(found)}; "
            "recalibrate from reviews of this model"
        )
    p = np.array([[d.confidence for d in differential.diagnoses]])
    conf, _ = site.calibrator.apply(p, np.ones_like(p, dtype=np.bool_))
    made = {"version": site.number, "sha256": site.sha256, "n_cases": site.n_cases}
    return replace(
        differential,
        diagnoses=tuple(
            replace(d, confidence=float(q), interval=None) for d, q in zip(differential.diagnoses, conf[0], strict=True)
        ),
        model={**differential.model, "site_calibrator": made},
    )


def before(site: SiteCalibrator, confidences: Sequence[float]) -> tuple[float, ...]:
    """The model's own confidences, from those that `apply` gave: q_r ∝ p_r^s solved for p_r, "something else" included.

    Exact but for the four decimals that a review keeps and the floor of half a percent that a temperature takes.
    """
    q = np.asarray(confidences, dtype=np.float64)
    every = np.maximum(0.0, np.append(q, 1.0 - q.sum()))
    roots = every ** float(np.exp(-site.calibrator.parameters["log_slope"]))
    return tuple((roots / roots.sum())[:-1].tolist())


def _arrays(cases: Sequence[SiteCase]) -> tuple[Floats, Bools, NDArray[np.int64]]:
    """conf [n, K], listed [n, K] and outcome [n] in 0..K, K being "something else"."""
    k = max(len(case.confidences) for case in cases)
    p, listed, y = np.zeros((len(cases), k)), np.zeros((len(cases), k), dtype=np.bool_), np.full(len(cases), k)
    for row, case in enumerate(cases):
        n = len(case.confidences)
        p[row, :n], listed[row, :n] = case.confidences, True
        if case.outcome < n:
            y[row] = case.outcome
    return to_unit_sum(p)[0], listed, y


def _held_out(cases: Sequence[SiteCase], p: Floats, listed: Bools, y: NDArray[np.int64]) -> Floats:
    """Each case's confidences [n, K] by a fit on the other folds; the folds follow from the cases, not from chance."""
    order = np.argsort([hashlib.sha256(case.case.encode()).hexdigest() for case in cases])
    fold = np.empty(len(cases), dtype=np.int64)
    fold[order] = np.arange(len(cases)) % FOLDS
    after = np.empty_like(p)
    for one in range(FOLDS):
        test = fold == one
        after[test], _ = fit("temperature", p[~test], listed[~test], y[~test]).apply(p[test], listed[test])
    return after


def _figures(p: Floats, after: Floats, y: NDArray[np.int64]) -> dict[str, dict[str, dict[str, float]]]:
    found = {}
    for metric, loss in (("log_loss", _log_losses), ("brier", _brier_scores)):
        old, new = loss(p, y), loss(after, y)
        estimates = {
            "before": mean_interval(old), "after": mean_interval(new), "difference": paired_difference(new, old)
        }  # fmt: skip
        found[metric] = {name: {k: round(v, 6) for k, v in asdict(one).items()} for name, one in estimates.items()}
    return found


def _every(conf: Floats) -> Floats:
    return np.column_stack([conf, np.maximum(0.0, 1.0 - conf.sum(axis=1))])


def _log_losses(conf: Floats, y: NDArray[np.int64]) -> Floats:
    return np.asarray(-np.log(np.maximum(_every(conf)[np.arange(len(y)), y], FLOOR)))


def _brier_scores(conf: Floats, y: NDArray[np.int64]) -> Floats:
    every = _every(conf)
    every[np.arange(len(y)), y] -= 1.0
    return np.asarray((every**2).sum(axis=1))


def _hash(cases: Sequence[SiteCase]) -> str:
    lines = sorted(json.dumps([case.review_id, case.decided_at, case.confidences, case.outcome]) for case in cases)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _name(model: Mapping[str, str]) -> str:
    hashes = [f"{name.removesuffix('_sha256')} {value[:8]}" for name, value in model.items() if name != "id"]
    return f"{model.get('id', 'without an id')} ({', '.join(hashes) or 'no hashes'})"
