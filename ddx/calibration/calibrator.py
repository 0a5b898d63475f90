"""Calibrators: from the confidences a model states to confidences that mean what they say.

Kinds:
- "identity": what was stated, rescaled only where it sums to more than 1;
- "isotonic", "beta", "venn-abers", "sigmoid": one item at a time (see `ddx.calibration.items`), then rescaled only
  where the sum is above 1; "venn-abers" gives an interval, too;
- "list-softmax": the whole list with "something else" as one categorical, q_r ∝ exp(Σ_f s_fr·ln p_fr + b_r),
  temperature and vector scaling (Guo et al. 2017) on the stated list (f = 0), pooled in logarithms with what the
  token probabilities say of the same slots where the model gives them (f > 0, see `ddx.calibration.signals`). It
  sums to 1 by construction, so nothing is rescaled;
- "temperature": the list-softmax with one number, q_r ∝ p_r^s: the stated list alone, one slope s for every slot and
  "something else", no bias.

Which of them for how many cases: `ddx.evaluation.ladder.kind_for`.

Slots keep their places. A calibrated confidence can be larger in a later slot: the caller re-sorts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ddx.calibration.items import FLOOR, ITEM_KINDS, check_item_parameters, item_interval, item_values
from ddx.differential import Semantics
from ddx.errors import InputError

__all__ = [
    "Calibrator",
    "Kind",
    "checked_lists",
    "checked_outcome",
    "list_log_scores",
    "list_shares",
    "one_slope",
    "pooled",
    "to_unit_sum",
]

Kind = Literal["identity", "temperature", "sigmoid", "beta", "isotonic", "venn-abers", "list-softmax"]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

VERSION = 2
REACH = 3.0  # covariates are held within this many standard deviations of the cases fitted on


@dataclass(frozen=True)
class Calibrator:
    """A fitted calibrator; make one with `ddx.evaluation.ladder.fit_kind`, or `Calibrator("identity", k=5)`.

    parameters: "isotonic", "beta", "venn-abers": groups by rank, the last for all later ranks, of {x, y}, {a, b, c},
        {x, low, high}. "sigmoid": features (names), weights and intercept. "list-softmax": log_slope [F][K+1] and
        bias [K] (the last slope and no bias for "something else"), slope_shift [F][m] and other_shift [m] for the
        covariates. "temperature": log_slope, one number. "identity": none.
    signals: names of the F − 1 lists of confidences that are used beside the stated one.
    covariates, centre, spread: names, means and standard deviations of the m covariates.
    n_cases: how many cases it was fitted on. fitted_on: sha256 of the sorted ids of the patients among them.
    """

    kind: Kind
    k: int
    semantics: Semantics = "pathology"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    signals: tuple[str, ...] = ()
    covariates: tuple[str, ...] = ()
    centre: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()
    n_cases: int = 0
    fitted_on: str = ""

    def apply(
        self, conf: ArrayLike, mask: ArrayLike, x: ArrayLike | None = None, beside: ArrayLike | None = None
    ) -> tuple[Floats, Bools]:
        """(calibrated [n, K], rescaled [n]) for stated conf [n, K], mask [n, K] true where one is listed.

        K may be below the calibrator's k, not above. x [n, m]: the raw covariates, in the order of
        `covariates`; they are standardised with the mean and sd of the fit and held within 3 sd. beside
        [F − 1, n, K]: other confidences of the same slots, in the order of `signals`. Empty slots get 0.
        `rescaled` says that the confidences had to be divided by their sum, which was above 1.

        >>> q, rescaled = Calibrator("identity", k=2).apply([[.9, .3], [.5, .2]], [[1, 1], [1, 1]])
        >>> q.round(2).tolist(), rescaled.tolist()
        ([[0.75, 0.25], [0.5, 0.2]], [True, False])
        """
        p, listed = self._lists(conf, mask)
        if self.kind == "identity":
            return (p, np.zeros(len(p), dtype=np.bool_)) if self.semantics == "membership" else to_unit_sum(p)
        lists = pooled(p, listed, beside, len(self.signals))
        z = self.standardised(x, len(p))
        if self.kind in ITEM_KINDS:
            return to_unit_sum(np.where(listed, item_values(self.kind, lists, self.parameters), 0.0))
        parameters = self.parameters
        if self.kind == "temperature":
            parameters = one_slope(float(parameters["log_slope"]), p.shape[1])
        scores = list_log_scores(
            lists,
            listed,
            z,
            np.asarray(parameters["log_slope"], dtype=np.float64),
            np.asarray(parameters["bias"], dtype=np.float64),
            np.asarray(parameters["slope_shift"], dtype=np.float64),
            np.asarray(parameters["other_shift"], dtype=np.float64),
        )
        return list_shares(scores)[:, :-1], np.zeros(len(p), dtype=np.bool_)

    def interval(self, conf: ArrayLike, mask: ArrayLike) -> tuple[Floats, Floats] | None:
        """(low, high), both [n, K], of the calibrated confidences: Venn-Abers' p0 and p1. None for other kinds.

        Where the list is rescaled, low and high are divided by the same sum, so that they hold the confidence between
        them; what Vovk & Petej prove is of the values before. Empty slots get 0 and 0.
        """
        if self.kind != "venn-abers":
            return None
        p, listed = self._lists(conf, mask)
        low, high = (np.where(listed, bound, 0.0) for bound in item_interval(p, self.parameters))
        values = np.where(listed, high / (1.0 - low + high), 0.0)
        _, rescaled = to_unit_sum(values)
        over = np.where(rescaled, values.sum(axis=1), 1.0)[:, None]
        return low / over, high / over

    def _lists(self, conf: ArrayLike, mask: ArrayLike) -> tuple[Floats, Bools]:
        p, listed = checked_lists(conf, mask)
        if p.shape[1] > self.k:
            raise ValueError(f"the calibrator was made for lists of at most {self.k}; got {p.shape[1]} slots")
        return p, listed

    def standardised(self, x: ArrayLike | None, n: int) -> Floats:
        """Covariates [n, m] as the fit saw them. ValueError when their number is wrong or one is missing."""
        m = len(self.covariates)
        raw = np.empty((n, 0)) if x is None else np.asarray(x, dtype=np.float64)
        if raw.shape != (n, m):
            names = ", ".join(self.covariates) or "none"
            raise ValueError(f"the calibrator needs covariates [{n}, {m}] ({names}); got shape {raw.shape}")
        if not bool(np.all(np.isfinite(raw))):
            raise ValueError("covariates must be finite numbers")
        centred = (raw - np.asarray(self.centre).reshape(1, m)) / np.asarray(self.spread).reshape(1, m)
        return np.asarray(np.clip(centred, -REACH, REACH))

    def to_json(self) -> str:
        """Readable JSON, the same text for the same calibrator."""
        body = {
            "version": VERSION,
            "kind": self.kind,
            "k": self.k,
            "semantics": self.semantics,
            "n_cases": self.n_cases,
            "fitted_on": self.fitted_on,
            "signals": list(self.signals),
            "covariates": [
                {"name": name, "mean": mean, "sd": sd}
                for name, mean, sd in zip(self.covariates, self.centre, self.spread, strict=True)
            ],
            "parameters": dict(self.parameters),
        }
        return json.dumps(body, indent=1, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str = "calibrator") -> Calibrator:
        """Read what `to_json` wrote. Raises InputError, naming `source`, when the text is something else."""
        try:
            body = json.loads(text)
            if body["version"] != VERSION:
                raise ValueError(f"version {body['version']} is not {VERSION}")
            if body["kind"] not in get_args(Kind) or body["semantics"] not in get_args(Semantics):
                raise ValueError(f"unknown kind {body['kind']!r} or semantics {body['semantics']!r}")
            found = cls(
                kind=body["kind"],
                k=int(body["k"]),
                semantics=body["semantics"],
                parameters=body["parameters"],
                signals=tuple(str(name) for name in body["signals"]),
                covariates=tuple(str(c["name"]) for c in body["covariates"]),
                centre=tuple(float(c["mean"]) for c in body["covariates"]),
                spread=tuple(float(c["sd"]) for c in body["covariates"]),
                n_cases=int(body["n_cases"]),
                fitted_on=str(body["fitted_on"]),
            )
            _check_parameters(found)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{source}: not a calibrator of this version ({error}); fit it again") from error
        return found


def _check_parameters(found: Calibrator) -> None:
    """Raise ValueError unless the parameters have the shapes that `apply` reads."""
    if found.kind == "list-softmax":
        m, f = len(found.covariates), 1 + len(found.signals)
        wanted = {"log_slope": (f, found.k + 1), "bias": (found.k,), "slope_shift": (f, m), "other_shift": (m,)}
        for name, shape in wanted.items():
            values = np.asarray(found.parameters[name], dtype=np.float64)
            if values.shape != shape or not bool(np.all(np.isfinite(values))):
                raise ValueError(f"{name} must be finite numbers of shape {list(shape)}")
    elif found.kind == "temperature":
        if found.signals or found.covariates or not np.isfinite(float(found.parameters["log_slope"])):
            raise ValueError("a temperature is one finite log_slope, without signals and covariates")
    elif found.kind in ITEM_KINDS:
        if found.covariates or (found.signals and found.kind != "sigmoid"):
            raise ValueError(f"kind {found.kind!r} takes no covariates, and signals in a sigmoid alone")
        check_item_parameters(found.kind, found.parameters, found.signals)
    if found.covariates and min(found.spread) <= 0:
        raise ValueError("the sd of a covariate must be above 0")


def checked_lists(conf: ArrayLike, mask: ArrayLike) -> tuple[Floats, Bools]:
    """(conf with 0 in empty slots, mask as bool), both [n, K]. Raises ValueError on anything else."""
    p, listed = np.asarray(conf, dtype=np.float64), np.asarray(mask, dtype=np.bool_)
    if p.ndim != 2 or p.shape != listed.shape:
        raise ValueError(f"conf and mask must both be [n, K]; got {p.shape} and {listed.shape}")
    p = np.where(listed, p, 0.0)
    if not bool(np.all((p >= 0) & (p <= 1))):
        raise ValueError("confidences must be within 0 and 1")
    return p, listed


def checked_outcome(outcome: ArrayLike, listed: Bools) -> Ints:
    """Which slot of lists [n, K] held the pathology, int [n] in 0..K (K: none); ValueError on anything else."""
    y = np.asarray(outcome)
    n, k = listed.shape
    if y.shape != (n,) or not np.issubdtype(y.dtype, np.integer) or int(y.min()) < 0 or int(y.max()) > k:
        raise ValueError(f"outcome must hold one whole number from 0 to {k} for each of the {n} cases")
    if not bool(np.column_stack([listed, np.ones(n, dtype=np.bool_)])[np.arange(n), y].all()):
        raise ValueError("an outcome names an empty slot")
    return y


def to_unit_sum(conf: Floats) -> tuple[Floats, Bools]:
    """Divide each list that sums to more than 1 by its sum; (conf [n, K], rescaled [n])."""
    total = conf.sum(axis=1)
    rescaled = total > 1 + 1e-9
    return conf / np.where(rescaled, total, 1.0)[:, None], rescaled


def pooled(p: Floats, listed: Bools, beside: ArrayLike | None, number: int) -> Floats:
    """The stated confidences and `number` lists beside them, [1 + number, n, K], none of which sums to more than 1."""
    others = np.empty((0, *p.shape)) if beside is None else np.asarray(beside, dtype=np.float64)
    if others.shape != (number, *p.shape):
        raise ValueError(f"the calibrator needs {number} lists beside the stated one [{number}, n, K]")
    return np.stack([p, *(to_unit_sum(checked_lists(one, listed)[0])[0] for one in others)])


def list_log_scores(
    p: Floats,
    listed: Bools,
    z: Floats,
    log_slope: Floats,
    bias: Floats,
    slope_shift: Floats,
    other_shift: Floats,
) -> Floats:
    """Log scores [n, K+1] of the slots and "something else"; −inf in empty slots. p [F, n, K].

    slot r: Σ_f exp(α_fr + w_f·z)/F·ln max(p_fr, floor) + b_r;
    other:  Σ_f exp(α_fo + w_f·z)/F·ln max(1 − Σ_r p_fr, floor) + v·z.
    The slopes are exponentials so that more stated confidence never means less calibrated confidence.
    """
    slots = p.shape[2]
    scores = (slopes(log_slope, slope_shift, z, slots) * log_stated(p)).sum(axis=0)
    scores[:, :slots] += bias[:slots]
    scores[:, slots] += z @ other_shift
    scores[:, :slots][~listed] = -np.inf
    return np.asarray(scores)


def list_shares(scores: Floats) -> Floats:
    """exp of log scores [n, K+1], divided by their sum."""
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return np.asarray(shares)


def one_slope(log_slope: float, k: int) -> dict[str, list[Any]]:
    """The parameters of a list-softmax for lists of k that is a temperature: the slope e^log_slope = 1/T throughout.

    >>> one_slope(-.5, 2)
    {'log_slope': [[-0.5, -0.5, -0.5]], 'bias': [0.0, 0.0], 'slope_shift': [[]], 'other_shift': []}
    """
    return {"log_slope": [[log_slope] * (k + 1)], "bias": [0.0] * k, "slope_shift": [[]], "other_shift": []}


def slopes(log_slope: Floats, slope_shift: Floats, z: Floats, slots: int) -> Floats:
    """exp(α + w·z)/F, [F, n, slots + 1], for log_slope α [F, K+1] and slope_shift w [F, m]."""
    alpha = np.column_stack([log_slope[:, :slots], log_slope[:, -1]])
    found: Floats = np.exp(alpha[:, None, :] + (slope_shift @ z.T)[:, :, None]) / len(log_slope)
    return found


def log_stated(p: Floats) -> Floats:
    """ln of the confidences p [F, n, K] and of the rest of each list, [F, n, K+1], with the floor."""
    rest = 1.0 - p.sum(axis=2, keepdims=True)
    logs: Floats = np.log(np.maximum(np.concatenate([p, rest], axis=2), FLOOR))
    return logs
