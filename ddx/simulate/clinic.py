"""The clinic: patients drawn from a model whose posterior over the conditions is exact, in closed form.

A patient's condition depends on age and sex, the first complaint on condition and sex; every other finding is present
or not, independent of the others given the condition, and a detail (where the pain is) exists if its parent is
present. The interview then states some of it. A present finding is mentioned, and an absent one asked about, with a
chance that depends on the stage, on the first complaint and on the kind of finding only, each independent of the
others. What is left unsaid therefore has a likelihood, too, and the posterior uses it: at `full` every present
finding is mentioned, so silence means absent.

`ddx.data.stages` instead cuts an ordered interview after a share of the patient's findings. There the number of
stated findings tells about the number of unstated ones, and no closed form exists; here the shares hold on average,
and the number varies more. Independence is the other difference: findings of a DDXPlus patient go together more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ddx.case import Case, Finding, Sex
from ddx.data.stages import STAGES, Stage
from ddx.simulate.details import Bools, Detail, Floats, Ints, log, pick

__all__ = ["Clinic", "Encounters", "Telling"]

SEXES: tuple[Sex, ...] = ("F", "M")
MOST_ASKED = 0.9  # of the absent findings related to a complaint, so that silence about one stays possible
MIXED = 0.3  # in this share of interviews history comes up among the symptoms, as in ddx.data.stages
IMPOSSIBLE = -600.0  # log-likelihood below which a case has a finding of chance 0


@dataclass(frozen=True)
class Telling:
    """The share of a patient's present findings that an interview states: of symptoms, of symptoms with details, of
    history, of the details of the first complaint (`own`) and of those of another stated symptom (`detail`)."""

    symptom: float
    detailed: float
    antecedent: float
    own: float
    detail: float


@dataclass(frozen=True)
class Encounters:
    """n simulated cases, the index of the true condition [n], and the exact posterior [n, C]."""

    cases: list[Case]
    truth: Ints
    posterior: Floats


@dataclass(frozen=True)
class Clinic:
    """The parameters. C conditions, F findings, B age bands; the first axis of two is sex, F and M.

    ages:       [2, A], P(sex, age in whole years).
    bands:      the first age of each band, ascending, from 0.
    prevalence: [2, B, C], P(condition | sex, age band).
    complaint:  [2, C, F], P(first complaint | sex, condition).
    chance:     [2, C, F], P(present | sex, condition, not the first complaint).
    history:    [F], antecedents (the others are symptoms).
    related:    [F, F], row: the first complaint, column: it may be asked about.
    telling:    by stage, for first complaints without details and with.
    asking:     by stage, [F]: the share of the absent findings related to this first complaint that are asked about.
    """

    conditions: tuple[str, ...]
    findings: tuple[str, ...]
    ages: Floats
    bands: tuple[int, ...]
    prevalence: Floats
    complaint: Floats
    chance: Floats
    history: Bools
    related: Bools
    details: tuple[Detail, ...]
    telling: Mapping[Stage, tuple[Telling, Telling]]
    asking: Mapping[Stage, Floats]

    @cached_property
    def column(self) -> dict[str, int]:
        """Where a finding stands among the F."""
        return {code: i for i, code in enumerate(self.findings)}

    @cached_property
    def detailed(self) -> Ints:
        """[F]: 1 for findings that have details."""
        parents = {d.parent for d in self.details}
        return np.array([code in parents for code in self.findings], dtype=np.int64)

    def sample(self, n: int, stage: Stage, seed: int) -> Encounters:
        """n patients at a stage, the same for the same seed. The findings of a case stand in the order of
        `ddx.data.stages`: complaint, symptoms with their details, history, absent ones between them."""
        rng = np.random.default_rng([seed, STAGES.index(stage)])
        each = np.arange(n)
        sex, age = np.divmod(rng.choice(self.ages.size, n, p=self.ages.ravel()), self.ages.shape[1])
        truth = pick(self.prevalence[sex, self._band(age)], rng)
        first = pick(self.complaint[sex, truth], rng)
        present = rng.random((n, len(self.findings))) < self.chance[sex, truth]
        present[each, first] = True
        told, asked = self._shares(first, stage)
        stated = rng.random(present.shape) < np.where(present, told, asked)
        stated[each, first] = True
        values = [self._draw(d, truth, first, present & stated, stage, rng) for d in self.details]
        cases = []
        for i in range(n):
            details = {d.code: found[i] for d, (said, found) in zip(self.details, values, strict=True) if said[i]}
            findings = self._in_order(first[i], present[i] & stated[i], ~present[i] & stated[i], details, rng)
            cases.append(Case(f"clinic-{seed}-{stage}-{i}", float(age[i]), SEXES[sex[i]], tuple(findings)))
        return Encounters(cases, truth, self.posterior(cases, stage))

    def posterior(self, cases: Sequence[Case], stage: Stage) -> Floats:
        """P(condition | age, sex, what was stated, and that the interview had come to this stage), [n, C].

        ln P = ln prevalence + ln P(complaint) + Σ ln θ over stated present findings + Σ ln(1 − θ) over stated absent
        ones + Σ ln(1 − θ·told − (1 − θ)·asked) over the others + Σ ln P(values) over stated details. Mentioning,
        asking and the order do not depend on the condition and cancel.

        The first finding of a case is its first complaint; age and sex are needed. Raises ValueError on a case that
        this clinic cannot have.
        """
        n = len(cases)
        sex = np.array([SEXES.index(case.sex or "F") for case in cases])
        age = np.array([case.age if case.age is not None else np.nan for case in cases])
        if np.isnan(age).any() or any(case.sex is None for case in cases):
            raise ValueError("the posterior needs age and sex")
        state, details = self._read(cases)
        first = np.array([self.column[case.findings[0].code] for case in cases], dtype=np.int64)
        result = log(self.prevalence[sex, self._band(age)]) + log(self.complaint[sex, :, first])
        state[np.arange(n), first] = 0  # its chance is that of being the complaint
        for s, f in {*zip(sex.tolist(), first.tolist(), strict=True)}:
            rows = np.flatnonzero((sex == s) & (first == f))
            (told,), (asked,) = self._shares(np.array([f]), stage)
            theta = self.chance[s]
            silent = log(1 - theta * told - (1 - theta) * asked)
            silent[:, f] = 0.0
            yes, no = (state[rows] == sign for sign in (1, -1))
            # silent for all, then the difference where something was said
            result[rows] += silent.sum(axis=1) + yes @ (log(theta) - silent).T + no @ (log(1 - theta) - silent).T
        for detail, (said, found) in zip(self.details, details, strict=True):
            result[said] += detail.log_chance(found[said])
        best = result.max(axis=1, keepdims=True)
        if n and float(best.min()) < IMPOSSIBLE:
            raise ValueError(f"case {cases[int(best.argmin())].case_id}: no patient of this clinic has these findings")
        p = np.exp(result - best)
        return p / p.sum(axis=1, keepdims=True)

    def _band(self, age: Ints | Floats) -> Ints:
        return np.searchsorted(self.bands, age, side="right") - 1

    def _shares(self, first: Ints, stage: Stage) -> tuple[Floats, Floats]:
        """[n, F] twice: the chance that a present finding is mentioned, and that an absent one is asked about."""
        shares = np.array([[w.symptom, w.detailed, w.antecedent] for w in self.telling[stage]])
        told = shares[self.detailed[first]][:, np.where(self.history, 2, self.detailed)]
        return told, self.related[first] * np.minimum(MOST_ASKED, self.asking[stage][first])[:, None]

    def _draw(
        self, detail: Detail, truth: Ints, first: Ints, known: Bools, stage: Stage, rng: np.random.Generator
    ) -> tuple[Bools, Bools]:
        """(whether it was stated [n], its values [n, V]): of those whose parent is known to be present."""
        plain, detailed = self.telling[stage]
        own = np.zeros(len(truth), dtype=np.bool_)
        able = np.ones(len(truth), dtype=np.bool_)
        share = np.where(self.detailed[first], detailed.antecedent, plain.antecedent)
        if detail.parent is not None:
            own, able = first == self.column[detail.parent], known[:, self.column[detail.parent]]
            share = np.where(own, detailed.own, np.where(self.detailed[first], detailed.detail, plain.detail))
        said = able & (rng.random(len(truth)) < share)
        found = np.zeros((len(truth), len(detail.values)), dtype=np.bool_)
        found[said] = detail.draw(truth[said], rng)
        return said, found

    def _in_order(
        self, first: int, present: Bools, absent: Bools, details: Mapping[str, Bools], rng: np.random.Generator
    ) -> list[Finding]:
        """What was stated as findings, in an order that does not depend on the condition."""
        under: dict[str | None, list[list[Finding]]] = {}
        for detail in self.details:
            if detail.code in details:
                values = [detail.values[v] for v in np.flatnonzero(details[detail.code])]
                rng.shuffle(values)
                item = [Finding(detail.code, True, v) for v in values] or [Finding(detail.code, False)]
                under.setdefault(detail.parent, []).append(item)
        present = present.copy()
        present[first] = False
        heads = [(bool(self.history[f]), [Finding(self.findings[f])]) for f in np.flatnonzero(present)]
        heads += [(True, item) for item in under.pop(None, [])]
        heads = [heads[i] for i in rng.permutation(len(heads))]
        if rng.random() >= MIXED:
            heads.sort(key=lambda head: head[0])
        items: list[list[Finding]] = []
        for head in [[Finding(self.findings[first])], *(item for _, item in heads)]:
            children = under.get(head[0].code, [])
            items += [head, *(children[i] for i in rng.permutation(len(children)))]
        for f in rng.permutation(np.flatnonzero(absent)):
            items.insert(rng.integers(1, len(items) + 1), [Finding(self.findings[f], False)])
        return [finding for item in items for finding in item]

    def _read(self, cases: Sequence[Case]) -> tuple[Ints, list[tuple[Bools, Bools]]]:
        """What cases state: [n, F] 1 present, -1 absent, 0 unsaid, and for each detail (stated [n], values [n, V])."""
        n = len(cases)
        state = np.zeros((n, len(self.findings)), dtype=np.int64)
        where = {d.code: i for i, d in enumerate(self.details)}
        place = {d.code: {v: i for i, v in enumerate(d.values)} for d in self.details}
        details = [(np.zeros(n, dtype=np.bool_), np.zeros((n, len(d.values)), dtype=np.bool_)) for d in self.details]
        for row, case in enumerate(cases):
            for finding in case.findings:
                code, value = finding.code, finding.value
                if code in self.column:
                    state[row, self.column[code]] = 1 if finding.present else -1
                elif code in where and (not finding.present or value in place[code]):
                    said, found = details[where[code]]
                    said[row] = True
                    if value is not None:
                        found[row, place[code][value]] = True
                else:
                    raise ValueError(f"case {case.case_id}: this clinic knows no finding {code} with value {value}")
        return state, details
