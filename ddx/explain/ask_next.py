"""What to ask next: the findings a case does not state, ranked by how much their answers would tell.

The differential q is taken as it stands. Under each of its conditions an answer has a known chance, θ = P(present |
condition), counted among DDXPlus training patients (`ddx.simulate`, shipped), so Bayes' rule gives the differential
after either answer exactly, for all findings at once and without a model. A question is worth the expected information
gain (Lindley 1956; Cover & Thomas 2006, §2.3), the mutual information of the diagnosis and the answer:

    gain = H(q) − P(yes)·H(q | yes) − P(no)·H(q | no),   H in bits,   P(yes) = Σ_d q_d·θ_d

What goes into it, and where it stops:

- "Something else" is one category. Its θ is that of the conditions that the list leaves out, by how likely each is at
  this age and sex and with the coded findings; a text cannot be weighed so. Of conditions outside the vocabulary
  nothing is known, and they are taken to be the same. So is a diagnosis that matched no condition.
- θ is kept from `FLOOR` to 1 − `FLOOR`: no single answer may rule a condition in or out.
- Given the diagnosis, findings count as independent, as they are in the simulated clinic and are less so in a patient:
  the gains order questions, and add up to less than their sum.
- Yes or no only: of the findings with values (where the pain is, how strong) nothing is asked.
- The figures are DDXPlus's, which is synthetic. A question's worth leaves out what it costs to answer.

What a question told, beside what it promised, is measured in training/studies/ask_next.md.

`answers_by_model` asks the model itself what each answer would do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ddx.case import Case, Finding
from ddx.differential import Differential
from ddx.errors import InputError
from ddx.explain.stated import stated_findings
from ddx.simulate.clinic import SEXES, Clinic
from ddx.simulate.estimate import load_clinic
from ddx.vocabulary.findings import load_findings

if TYPE_CHECKING:
    from ddx.model import Model

__all__ = ["FLOOR", "Answers", "Question", "answers_by_model", "entropy", "rank_questions", "with_answer"]

Floats = NDArray[np.float64]
FLOOR = 0.01
TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Question:
    """A finding to ask about.

    `gain`: expected information gain in bits, 0 up to the entropy of the differential. `chance`: P(yes), 0 to 1.
    `if_yes`, `if_no`: the confidences after that answer, in the order of the differential's diagnoses and "something
    else" last; each sums to 1.
    """

    code: str
    name: str
    kind: Literal["symptom", "antecedent"]
    gain: float
    chance: float
    if_yes: tuple[float, ...]
    if_no: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """What the model answers to the case with the finding present, and with it absent."""

    question: Question
    yes: Differential
    no: Differential


def rank_questions(
    differential: Differential, case: Case, clinic: Clinic | None = None, most: int | None = None
) -> list[Question]:
    """All findings that the case does not state, the most informative first; `most` of them if given.

    `clinic` is the shipped one unless given. [] for a differential without diagnoses. Raises InputError for confidences
    of the meaning `membership`: they are no probabilities of one diagnosis each, and Bayes' rule does not apply.
    """
    if differential.semantics != "pathology":
        raise InputError("what to ask next needs confidences of the meaning pathology; these mean membership")
    if not differential.diagnoses:
        return []
    clinic = clinic or load_clinic()
    stated = stated_findings(case)
    columns = [i for i, code in enumerate(clinic.findings) if code not in stated]
    weight, theta, complaint = _of_this_patient(clinic, case)
    weight = _told(clinic, case, weight, complaint + (1 - complaint) * theta)
    columns = [i for i in columns if theta[:, i].max() > 0]  # what a patient of this sex cannot have is not asked
    q = np.array([*(d.confidence for d in differential.diagnoses), differential.other or 0.0])
    given = _given(clinic, [d.key for d in differential.diagnoses], weight, theta[:, columns])
    chance, yes, no, gain = _after(q / q.sum(), given)
    known = load_findings()
    order = sorted(range(len(columns)), key=lambda j: (-gain[j], clinic.findings[columns[j]]))[:most]
    return [
        Question(
            code := clinic.findings[columns[j]], known[code].name, known[code].kind, float(gain[j]), float(chance[j]),
            tuple(yes[:, j].tolist()), tuple(no[:, j].tolist()),
        )
        for j in order
    ]  # fmt: skip


def answers_by_model(
    model: Model, case: Case, questions: Sequence[Question], on_done: Callable[[int], None] | None = None
) -> list[Answers]:
    """The model's own differentials after each answer: the case with the finding present, and with it absent.

    All are answered in one batch, two a question; `on_done` is told the number of answers as they come, as
    `Model.predict_many` tells it.
    """
    cases = [with_answer(case, q.code, present) for q in questions for present in (True, False)]
    found = model.predict_many(cases, on_done)
    return [Answers(q, found[2 * i], found[2 * i + 1]) for i, q in enumerate(questions)]


def with_answer(case: Case, code: str, present: bool) -> Case:
    """The case with one more finding, learned last."""
    return replace(case, findings=(*case.findings, Finding(code, present)))


def entropy(p: Floats) -> Floats:
    """Entropy in bits over the first axis.

    >>> entropy(np.array([[0.5, 1.0], [0.5, 0.0]])).tolist()
    [1.0, 0.0]
    """
    terms: Floats = np.where(p > 0, p * np.log2(np.maximum(p, TINY)), 0.0)
    return np.abs(terms.sum(axis=0))


def _of_this_patient(clinic: Clinic, case: Case) -> tuple[Floats, Floats, Floats]:
    """P(condition | what is known of age and sex) [C]; given the condition and the same, P(present, if it is not the
    first complaint) and P(first complaint), [C, F] each."""
    sexes = [SEXES.index(case.sex)] if case.sex else list(range(len(SEXES)))
    years = np.arange(clinic.ages.shape[1]) if case.age is None else np.array([int(case.age)])
    # P(sex, age); where the age is known P(sex), which is taken not to depend on it
    share = clinic.ages if case.age is None else clinic.ages.sum(axis=1, keepdims=True)
    band = np.searchsorted(clinic.bands, years, side="right") - 1
    joint = np.einsum("sa,sac->sc", share, clinic.prevalence[:, band])[sexes]  # of sex and condition
    joint /= joint.sum()
    weight = joint.sum(axis=0)

    def mixed(given: Floats) -> Floats:
        """[S, C, F] over the sexes; plainly where a condition never occurs at this age."""
        share = np.einsum("sc,scf->cf", joint, given[sexes]) / np.maximum(weight, TINY)[:, None]
        return np.where(weight[:, None] > 0, share, given[sexes].mean(axis=0))

    return weight, mixed(clinic.chance), mixed(clinic.complaint)


def _told(clinic: Clinic, case: Case, weight: Floats, present: Floats) -> Floats:
    """P(condition | age, sex, coded findings) [C]: what the case already says of the conditions that are not listed."""
    given = np.clip(present, FLOOR, 1 - FLOOR)
    log = np.log(np.maximum(weight, TINY))
    for finding in {f.code: f for f in case.findings if f.code in clinic.column}.values():
        chance = given[:, clinic.column[finding.code]]
        log = log + np.log(chance if finding.present else 1 - chance)
    p = np.exp(log - log.max())
    told: Floats = p / p.sum()
    return told


def _given(clinic: Clinic, keys: Sequence[str | None], weight: Floats, theta: Floats) -> Floats:
    """P(present | category), [n + 1, F]: the listed diagnoses, then something else."""
    listed = [clinic.conditions.index(key) if key in clinic.conditions else None for key in keys]
    rest = weight.copy()
    rest[[i for i in listed if i is not None]] = 0.0
    background = rest @ theta / rest.sum() if rest.sum() > 0 else theta.mean(axis=0)
    rows = [background if i is None else theta[i] for i in listed]
    return np.clip(np.array([*rows, background]), FLOOR, 1 - FLOOR)


def _after(q: Floats, given: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """P(yes) [F], q after yes and after no [n, F] each, and the gains [F] in bits."""
    chance = q @ given
    yes = q[:, None] * given / chance
    no = q[:, None] * (1 - given) / (1 - chance)
    gain = entropy(q) - chance * entropy(yes) - (1 - chance) * entropy(no)
    return chance, yes, no, np.maximum(gain, 0.0)
