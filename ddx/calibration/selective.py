"""When to abstain: risk against coverage, and the lowest threshold whose risk is shown to be small enough.

A case is answered when its score is at least a threshold; coverage is the share answered, risk the share of these that
are wrong (El-Yaniv & Wiener 2010, JMLR 11:1605; Geifman & El-Yaniv 2017, sec. 2).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ddx.calibration.calibrator import checked_lists
from ddx.errors import InputError

__all__ = ["Abstention", "Mistake", "RiskCoverage", "aurc", "clopper_pearson_upper", "fit_abstention", "mistakes",
           "proven", "risk_coverage"]  # fmt: skip

Mistake = Literal["first", "list"]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

VERSION = 1
THRESHOLDS = np.arange(99, -1, -1) / 100  # in the order tested; fixed before any case is seen, which the proof needs
STARTS = 5
_WORDS = {"first": "a wrong first diagnosis", "list": "a pathology that is not on the list"}


class RiskCoverage(NamedTuple):
    """[m] each, from the highest of the m distinct scores down; `coverage` and `risk` of answering from there up."""

    threshold: Floats
    coverage: Floats
    risk: Floats


def mistakes(conf: ArrayLike, mask: ArrayLike, outcome: ArrayLike, what: Mistake) -> tuple[Floats, Bools]:
    """(score [n], wrong [n]) of ranked conf and mask [n, K] and outcome int [n] in 0..K (K: not on the list).

    "first": the first diagnosis is not the pathology, scored by its confidence. "list": the pathology is not on the
    list, scored by the confidence of the list, 1 − "something else".

    >>> score, wrong = mistakes([[.6, .3]], [[1, 1]], [1], "list")
    >>> score.round(2).tolist(), wrong.tolist()
    ([0.9], [False])
    """
    p, _ = checked_lists(conf, mask)
    y = np.asarray(outcome)
    if y.shape != (len(p),):
        raise ValueError(f"outcome must hold one whole number for each of the {len(p)} cases; got shape {y.shape}")
    if what == "first":
        return p[:, 0], y != 0
    return np.minimum(1.0, p.sum(axis=1)), y == p.shape[1]


def risk_coverage(score: ArrayLike, wrong: ArrayLike) -> RiskCoverage:
    """The risk-coverage curve of score [n] and wrong [n]. Cases of one score are answered together or not at all.

    >>> curve = risk_coverage([.9, .8, .8, .1], [0, 1, 0, 1])
    >>> curve.coverage.tolist(), curve.risk.round(3).tolist()
    ([0.25, 0.75, 1.0], [0.0, 0.333, 0.5])
    """
    s, w = _checked(score, wrong)
    values, inverse, counts = np.unique(s, return_inverse=True, return_counts=True)
    answered = np.cumsum(counts[::-1])
    failed = np.cumsum(np.bincount(inverse, weights=w, minlength=len(values))[::-1])
    return RiskCoverage(values[::-1], answered / max(1, len(s)), failed / answered)


def aurc(score: ArrayLike, wrong: ArrayLike) -> float:
    """Area under the risk-coverage curve: the mean over cases of the risk of answering those that score as much or
    more (Geifman, Uziel & El-Yaniv 2019; they take cases one by one, we keep ties together). 0 best; a score
    that tells nothing gets the overall risk. NaN without cases. Its interval: `ddx.metrics.aggregate.interval_of`.

    >>> round(aurc([.9, .8, .8, .1], [0, 1, 0, 1]), 4)           # (0 + 2·1/3 + 1/2)/4
    0.2917
    """
    curve = risk_coverage(score, wrong)
    if len(curve.risk) == 0:
        return float("nan")
    return float(np.diff(curve.coverage, prepend=0.0) @ curve.risk)


@dataclass(frozen=True)
class Abstention:
    """A fitted rule: answer from `threshold` up; make one with `fit_abstention`.

    Of the n_cases fitted on, `answered` score that much, `wrong` of them wrongly; `upper`: the bound on the risk that
    was tested against `risk`. With probability 1 − delta over the draw of these cases the risk of new ones is at most
    `risk`. fitted_on: sha256 of their sorted ids.
    """

    what: Mistake
    risk: float
    delta: float
    threshold: float
    n_cases: int
    answered: int
    wrong: int
    upper: float
    fitted_on: str = ""

    def answers(self, score: ArrayLike) -> Bools:
        """[n]: whether a case with this score (see `mistakes`) is answered."""
        return np.asarray(score, dtype=np.float64) >= self.threshold

    def to_json(self) -> str:
        """Readable JSON, the same text for the same rule."""
        return json.dumps({"version": VERSION, **asdict(self)}, indent=1, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str = "abstention rule") -> Abstention:
        """Read what `to_json` wrote. Raises InputError, naming `source`, when the text is something else."""
        try:
            body = json.loads(text)
            if body["version"] != VERSION or body["what"] not in get_args(Mistake):
                raise ValueError(f"not version {VERSION}, or another mistake than {', '.join(get_args(Mistake))}")
            found = cls(
                what=body["what"],
                risk=float(body["risk"]),
                delta=float(body["delta"]),
                threshold=float(body["threshold"]),
                n_cases=int(body["n_cases"]),
                answered=int(body["answered"]),
                wrong=int(body["wrong"]),
                upper=float(body["upper"]),
                fitted_on=str(body["fitted_on"]),
            )
            if not all(0 <= share <= 1 for share in (found.risk, found.delta, found.threshold, found.upper)):
                raise ValueError("risk, delta, threshold and upper must be within 0 and 1")
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{source}: not an abstention rule of this version ({error}); fit it again") from error
        return found


def fit_abstention(
    score: ArrayLike, wrong: ArrayLike, *, what: Mistake, risk: float, delta: float = 0.1, fitted_on: str = ""
) -> Abstention:
    """The lowest threshold whose risk is shown to be at most `risk`, on calibration cases score [n] in 0..1, wrong [n].

    Learn then Test (Angelopoulos et al. 2021, sec. 2; for monotone losses, Bates et al. 2021): whole percents from 99
    down, each tested by the Clopper-Pearson upper bound of the risk of the cases it answers; a sequence goes on while
    the bound is at most `risk` (fixed-sequence testing). It starts at 99, 79, 59, 39 and 19 % with delta/5 each (their
    algorithm 1): a few cases at the top prove nothing and would end a single sequence before it began. No assumption
    but that the cases are drawn as new ones will be; the risk need not fall as the score rises.

    Raises InputError with the reason where no threshold is shown to keep the risk, ValueError on wrong shapes or no
    cases.

    >>> rule = fit_abstention([.95] * 200 + [.5] * 100, [0] * 200 + [1] * 100, what="first", risk=.05)
    >>> rule.threshold, rule.answered, round(rule.upper, 4)             # 1 − (.1/5)^(1/200)
    (0.51, 200, 0.0194)
    """
    for name, value in (("risk", risk), ("delta", delta)):
        if not 0 < value < 1:
            raise InputError(f"{name} must lie between 0 and 1; got {value:g}")
    s, w = _checked(score, wrong)
    if len(s) == 0:
        raise ValueError("no cases to fit an abstention rule on")
    accepted = s[:, None] >= THRESHOLDS
    answered, failed = accepted.sum(axis=0), (accepted & w[:, None]).sum(axis=0)
    upper = clopper_pearson_upper(failed, answered, delta / STARTS)
    shown = proven(upper <= risk, STARTS)
    if len(shown) == 0:
        best = int(np.argmin(upper))
        raise InputError(
            f"no threshold is shown to keep the risk of {_WORDS[what]} at or below {risk:g}: the best, "
            f"{THRESHOLDS[best]:.2f}, answers {answered[best]} of n={len(s)} calibration cases, {failed[best]} of them "
            f"wrongly (risk at most {upper[best]:.3f}); allow more risk, or calibrate on more cases"
        )
    last = int(shown[-1])
    return Abstention(
        what, risk, delta, float(THRESHOLDS[last]), len(s), int(answered[last]), int(failed[last]), float(upper[last]),
        fitted_on,
    )  # fmt: skip


def clopper_pearson_upper(errors: ArrayLike, n: ArrayLike, delta: float) -> Floats:
    """The upper bound of a rate, not below it in 1 − delta of samples (Clopper & Pearson 1934); 1 for n = 0.

    >>> clopper_pearson_upper([0, 1, 0], [10, 10, 0], .05).round(4).tolist()
    [0.2589, 0.3942, 1.0]
    """
    from scipy.special import betaincinv  # here: few callers need scipy

    e, m = np.asarray(errors, dtype=np.float64), np.asarray(n, dtype=np.float64)
    found: Floats = np.where(e < m, betaincinv(e + 1, np.maximum(m - e, 1), 1 - delta), 1.0)
    return found


def proven(passed: ArrayLike, starts: int) -> Ints:
    """Indices, sorted, that fixed-sequence testing rejects from `starts` evenly spaced starts: each goes on through the
    passed tests [m] up to the first that failed (Angelopoulos et al. 2021, algorithm 1).

    >>> proven([False, True, True, True, False, True], starts=3).tolist()     # starts at 0, 2 and 4
    [2, 3]
    """
    ok = np.asarray(passed, dtype=np.bool_)
    spans = [np.arange(start, len(ok)) for start in range(0, len(ok), len(ok) // starts)][:starts]
    return np.unique(np.concatenate([span[np.logical_and.accumulate(ok[span])] for span in spans]))


def _checked(score: ArrayLike, wrong: ArrayLike) -> tuple[Floats, Bools]:
    s, w = np.asarray(score, dtype=np.float64), np.asarray(wrong, dtype=np.bool_)
    if s.ndim != 1 or s.shape != w.shape:
        raise ValueError(f"score and wrong must both be [n]; got {s.shape} and {w.shape}")
    if not bool(np.all((s >= 0) & (s <= 1))):
        raise ValueError("scores must be within 0 and 1")
    return s, w
