"""How many diagnoses to show: the shortest beginning of a list that holds the pathology as often as wanted.

Split conformal prediction (Papadopoulos et al. 2002; Vovk, Gammerman & Shafer 2005) over a ranked list of at most K
diagnoses, with the score s = 1 − q of the pathology (LAC; Sadinle, Lei & Wasserman 2019, JASA 114:223): a diagnosis is
shown when its confidence is at least τ. The list is ranked, so what is shown is a beginning of it.

Why not the confidence summed up to the pathology (APS; Romano, Sesia & Candès 2020): a list ends after K, and a
pathology that is not on it scores +∞, as nothing that can be shown holds it. 1 − q needs only the diagnosis itself. A
running sum needs the place of "something else" in the order, one likely condition or many unlikely ones, which the
list does not tell; and it is largest for the surest lists (.99 after one diagnosis), so a high target makes lists long
that need not be. Where confidences are calibrated, showing what is above a τ gives the shortest lists on average for
the coverage (Sadinle et al.). The price: coverage holds on average, below it for unsure cases and above for sure ones.
So τ is fitted by group (Mondrian; Vovk et al. 2005, ch. 4), such as stage and sex.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ddx.calibration.calibrator import checked_lists, checked_outcome
from ddx.errors import InputError

__all__ = ["REFUSED", "Cut", "ListLength", "fit_lengths", "quantile_rank"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

VERSION = 1
REFUSED = -1  # the length where the target can't be promised
LEAST_CASES = 100  # fewer in a group take the threshold of all: at 100, coverage has an sd of .03 at a target of .9


@dataclass(frozen=True)
class Cut:
    """Where the lists of a group are cut, from n calibration cases with the pathology on `listed` of the lists.

    least: the confidence from which a diagnosis is shown; None where the target is above the ceiling.
    above, chances: for the smoothed version. The least confidence of a calibrated pathology above `least`, and the
        chances of being shown at `least`, between the two, and at `above` (past it 1, below `least` 0).
    """

    n: int
    listed: int
    least: float | None = None
    above: float | None = None
    chances: tuple[float, float, float] | None = None

    @property
    def ceiling(self) -> float:
        """The highest target that can be promised: listed/(n + 1), the list's own recall corrected for finite n."""
        return self.listed / (self.n + 1)

    def refusal(self, target: float) -> str | None:
        """Why `target` is refused, on one line; None where it is not. The ceiling is rounded down."""
        if self.least is not None:
            return None
        return (
            f"{target:g} cannot be promised, at most {math.floor(self.ceiling * 1000) / 1000:.3f}: "
            f"the pathology is on the list in {self.listed} of n={self.n} calibration cases"
        )


@dataclass(frozen=True)
class ListLength:
    """A fitted rule; make one with `fit_lengths`.

    k: slots of the lists. pooled: the cut from all calibration cases. groups: cuts of the groups with cases enough.
    few: group → cases, for those that had too few and take the pooled cut. fitted_on: sha256 of the sorted ids of the
    cases fitted on.
    """

    target: float
    k: int
    pooled: Cut
    groups: Mapping[str, Cut] = field(default_factory=dict)
    few: Mapping[str, int] = field(default_factory=dict)
    fitted_on: str = ""

    def cut_of(self, group: str) -> Cut:
        """The group's own cut; the pooled one where it had too few cases, or none."""
        return self.groups.get(group, self.pooled)

    @property
    def notes(self) -> tuple[str, ...]:
        """One line for each group that takes the pooled cut, and for each whose target is refused."""
        taken = [f"group {name}: {n} calibration cases are too few; cut as all cases" for name, n in self.few.items()]
        cuts = [("all cases", self.pooled), *((f"group {name}", cut) for name, cut in self.groups.items())]
        refusals = [(name, cut.refusal(self.target)) for name, cut in cuts]
        return (*taken, *(f"{name}: {reason}" for name, reason in refusals if reason))

    def lengths(
        self, conf: ArrayLike, mask: ArrayLike, groups: ArrayLike | None = None, seed: int | None = None
    ) -> Ints:
        """How many to show, int [n] in 0..K; `REFUSED` where the target of the case's group is.

        conf [n, K], mask [n, K] true where one is listed, ranked by confidence; groups [n] names (None: all cases take
        the pooled cut). ValueError on other shapes or an order that is not a ranking.

        Without a seed: never below the target on average over the draw of the calibration cases and a new case of the
        group (of all groups in the same mixture, for the pooled cut), when they are exchangeable; for one fitted rule
        the coverage varies as Beta(r, n + 1 − r), r the `quantile_rank` (Vovk 2012; Angelopoulos & Bates 2021, sec.
        3.2). It lies above the target: lengths are whole numbers, ties fall to one side, and at least one diagnosis of
        a list is shown, even where the first alone is right more often than asked.

        With a seed: exactly the target on average. A diagnosis at the cut is shown by chance, as by smoothed p-values
        (Vovk et al. 2005, ch. 2) with one random number a case, so that what is shown stays a beginning of the list;
        it may be nothing. For comparing methods and checking code: a reader gains nothing from a withheld diagnosis.
        """
        p, listed = _ranked(conf, mask)
        if p.shape[1] != self.k:
            raise ValueError(f"lists of {self.k} slots are needed; got {p.shape[1]}")
        names = _names(groups, len(p))
        found, where = np.unique(names, return_inverse=True)
        cuts = [self.pooled if groups is None else self.cut_of(str(name)) for name in found]
        refused = np.array([cut.least is None for cut in cuts], dtype=np.bool_)[where]
        least = _column([cut.least for cut in cuts], where)
        if seed is None:
            shown = (listed & (p >= least)).sum(axis=1)
            return np.where(refused, REFUSED, np.maximum(shown, listed.any(axis=1)))
        above = _column([cut.above for cut in cuts], where)
        at_least, between, at_above = (_column([c.chances and c.chances[i] for c in cuts], where) for i in range(3))
        chance = np.select(
            [p > above, p == above, p > least, p == least], [np.ones_like(above), at_above, between, at_least]
        )
        draw = np.random.default_rng(seed).random((len(p), 1))
        return np.where(refused, REFUSED, (listed & (draw < chance)).sum(axis=1))

    def to_json(self) -> str:
        """Readable JSON, the same text for the same rule."""
        return json.dumps({"version": VERSION, **asdict(self)}, indent=1, sort_keys=True, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str = "list length") -> ListLength:
        """Read what `to_json` wrote. Raises InputError, naming `source`, when the text is something else."""
        try:
            body = json.loads(text)
            if body["version"] != VERSION:
                raise ValueError(f"version {body['version']} is not {VERSION}")
            return cls(
                target=float(body["target"]),
                k=int(body["k"]),
                pooled=_cut_from(body["pooled"]),
                groups={str(name): _cut_from(cut) for name, cut in body["groups"].items()},
                few={str(name): int(n) for name, n in body["few"].items()},
                fitted_on=str(body["fitted_on"]),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(f"{source}: not a list length of this version ({error}); fit it again") from error


def fit_lengths(
    conf: ArrayLike,
    mask: ArrayLike,
    outcome: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    target: float,
    least_cases: int = LEAST_CASES,
    fitted_on: str = "",
) -> ListLength:
    """Fit on calibration cases: ranked conf and mask [n, K], outcome int [n] in 0..K (K: not on the list), groups [n].

    Cases that fitted the calibrator are not exchangeable with new ones, as their confidences have seen their outcomes:
    take others. A case without a readable answer counts, with an empty list and outcome K.

    A target above the ceiling of a group is refused there (`ListLength.notes`, `REFUSED`). Raises InputError when no
    cut can promise it, stating the ceiling and n, or when it is not between 0 and 1; ValueError on wrong shapes, no
    cases, or an outcome that names an empty slot.

    >>> conf, mask = [[.7, .2], [.6, .3], [.5, .4], [.8, .1]], [[1, 1]] * 4
    >>> rule = fit_lengths(conf, mask, [0, 1, 0, 0], target=.7)     # the confidences of the pathology: .7 .3 .5 .8
    >>> rule.pooled.least, rule.pooled.ceiling, rule.lengths(conf, mask).tolist()    # the fourth of n + 1 = 5
    (0.3, 0.8, [1, 2, 2, 1])
    """
    if not 0 < target < 1:
        raise InputError(f"the target must lie between 0 and 1; got {target:g}")
    p, listed = _ranked(conf, mask)
    n, k = p.shape
    if n == 0:
        raise ValueError("no cases to fit a list length on")
    y = checked_outcome(outcome, listed)
    given = np.column_stack([p, np.full((n, 1), -np.inf)])[np.arange(n), y]
    names = _names(groups, n)
    own, few = {}, {}
    for name in [] if groups is None else np.unique(names).tolist():
        inside = given[names == name]
        if len(inside) < least_cases:
            few[name] = len(inside)
        else:
            own[name] = _cut(inside, target)
    rule = ListLength(target, k, _cut(given, target), own, few, fitted_on)
    if all(cut.least is None for cut in (rule.pooled, *own.values())):
        raise InputError(f"a target of {rule.pooled.refusal(target)}; choose a lower target, or a longer list")
    return rule


def quantile_rank(n: int, target: float) -> int:
    """The rank, from the smallest of n scores, of the conformal threshold: ⌈(n + 1)·target⌉. Above n: there is none.

    The n + 1, for the new case, is the finite-sample correction (Vovk et al. 2005, ch. 2).

    >>> quantile_rank(9, .9), quantile_rank(10, .9), quantile_rank(99, .07)
    (9, 10, 7)
    """
    return math.ceil((n + 1) * target - 1e-9)  # 100 · .07 is 7.000000000000001


def _cut(given: Floats, target: float) -> Cut:
    """The cut from the confidences [n] that the pathologies were given, −inf where not listed."""
    n, listed = len(given), int(np.isfinite(given).sum())
    rank = quantile_rank(n, target)
    if rank > listed:
        return Cut(n, listed)
    falling = np.sort(given)[::-1]  # the smallest score 1 − q is the largest confidence
    least = float(falling[rank - 1])
    above = float(falling[rank - 2]) if rank > 1 else 1.0

    def chance(q: float) -> float:
        """Of a smoothed p-value above 1 − target: (#lower + U·(#equal + 1))/(n + 1) > 1 − target."""
        lower, equal = int((given < q).sum()), int((given == q).sum())
        return min(1.0, max(0.0, 1.0 - ((n + 1) * (1.0 - target) - lower) / (equal + 1)))

    return Cut(n, listed, least, above, (chance(least), chance((least + above) / 2), chance(above)))


def _ranked(conf: ArrayLike, mask: ArrayLike) -> tuple[Floats, Bools]:
    """(conf, mask) [n, K], checked to be lists without gaps, ranked by confidence."""
    p, listed = checked_lists(conf, mask)
    if bool(np.any(np.diff(np.where(listed, p, -1.0), axis=1) > 0)):
        raise ValueError("lists must be ranked by confidence, empty slots last")
    return p, listed


def _names(groups: ArrayLike | None, n: int) -> NDArray[np.str_]:
    names = np.full(n, "") if groups is None else np.asarray(groups).astype(np.str_)
    if names.shape != (n,):
        raise ValueError(f"groups must hold one name for each of the {n} cases; got shape {names.shape}")
    return names


def _column(values: list[float | None], where: Ints) -> Floats:
    """A value for each case [n, 1], NaN where its cut has none: nothing compares as above it."""
    return np.array([np.nan if value is None else value for value in values])[where][:, None]


def _cut_from(body: Mapping) -> Cut:
    n, listed = int(body["n"]), int(body["listed"])
    if not 0 <= listed <= n:
        raise ValueError("listed must be within 0 and n")
    if body["least"] is None:
        return Cut(n, listed)
    first, second, third = (float(chance) for chance in body["chances"])
    least, above = float(body["least"]), float(body["above"])
    if not 0 <= least <= above <= 1 or not all(0 <= chance <= 1 for chance in (first, second, third)):
        raise ValueError("least, above and chances must be within 0 and 1, least not above `above`")
    return Cut(n, listed, least, above, (first, second, third))
