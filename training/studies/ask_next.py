"""Is the question worth asking? What the top question of `ddx.explain.ask_next` tells, beside other ways to choose one.

    python training/studies/ask_next.py --out training/studies/ask_next.md

takes DDXPlus dev patients as known at a stage. Their differential is the exact one of the clinic that was counted on
the training patients, cut to the five likeliest conditions and "something else", the form in which the model answers. A
question is chosen, the patient's own answer is added by Bayes' rule, and what counts is by how many bits the log score
of the true pathology's category rises. No model, no test patient and no simulated patient takes part.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ddx.case import Case
from ddx.data.ddxplus import Patient
from ddx.data.prepare import load_split
from ddx.data.stages import Stage, case_at
from ddx.differential import Diagnosis, Differential
from ddx.explain.ask_next import Question, entropy, rank_questions
from ddx.files import write_text
from ddx.metrics.aggregate import Estimate, mean_interval, paired_difference
from ddx.simulate.clinic import SEXES, Clinic
from ddx.simulate.estimate import load_clinic
from ddx.vignette import group
from ddx.vocabulary import load_vocabulary
from ddx.vocabulary.findings import related_findings

K = 5
UNSURE = 0.5  # bits of entropy from which a list leaves something to ask
WAYS = {
    "top": "the top question",
    "related": "a random finding that goes with the first complaint",
    "random": "a random finding",
    "common": "the finding most patients of this sex have",
    "likeliest": "the finding likeliest to be present, given the list",
}


def listed(clinic: Clinic, posterior: np.ndarray) -> Differential:
    """The K likeliest conditions of a posterior [C]; the rest is something else."""
    vocabulary = load_vocabulary()
    top = posterior.argsort()[::-1][:K]
    return Differential(
        "", tuple(
            Diagnosis(rank, vocabulary.by_key(clinic.conditions[c]).name, float(posterior[c]), clinic.conditions[c])
            for rank, c in enumerate(top, start=1)
        ),
    )  # fmt: skip


def told(questions: Sequence[Question], before: np.ndarray, truth: int, present: set[str]) -> np.ndarray:
    """Bits by which the log score of the category `truth` rises with the true answer to each question."""
    after = np.array([(q.if_yes if q.code in present else q.if_no)[truth] for q in questions])
    return np.log2(np.maximum(after, 1e-12)) - np.log2(max(before[truth], 1e-12))


def one_patient(
    clinic: Clinic, rate: np.ndarray, patient: Patient, case: Case, posterior: np.ndarray
) -> dict[str, float]:
    """For each way its bits; what the top question promised; the first diagnosis before and after it; entropy before.

    "random" and "related" are means over all such findings, so no luck of a draw is in them.
    """
    differential = listed(clinic, posterior)
    keys = [d.key for d in differential.diagnoses]
    truth = keys.index(patient.pathology) if patient.pathology in keys else K
    before = np.array([*(d.confidence for d in differential.diagnoses), differential.other])
    before /= before.sum()
    questions = rank_questions(differential, case, clinic)
    present = {item.code for item in group(patient.findings) if item.present}
    bits = told(questions, before, truth, present)
    pool = set(related_findings().get(case.findings[0].code, ()))
    related = np.array([q.code in pool for q in questions])
    common = int(np.argmax([rate[SEXES.index(case.sex or "F"), clinic.column[q.code]] for q in questions]))
    return {
        "top": bits[0], "random": bits.mean(), "related": bits[related].mean() if related.any() else np.nan,
        "common": bits[common], "likeliest": bits[int(np.argmax([q.chance for q in questions]))],
        "promised": questions[0].gain, "right": float(differential.diagnoses[0].key == patient.pathology),
        "first_after": _first_right(questions[0], truth, present),
        "entropy": float(entropy(before[:, None])[0]),
    }  # fmt: skip


def _first_right(question: Question, truth: int, present: set[str]) -> float:
    after = question.if_yes if question.code in present else question.if_no
    return float(int(np.argmax(after[:K])) == truth)


def main(
    data: Annotated[Path, typer.Option(help="A folder that `ddx data prepare` wrote.")] = Path("data/ddxplus"),
    size: Annotated[int, typer.Option(help="Dev patients; the first so many by id.")] = 10_000,
    out: Annotated[Path, typer.Option()] = Path("training/studies/ask_next.md"),
) -> None:
    """Measure, and write the tables."""
    clinic = load_clinic()
    patients = sorted(load_split(data, "dev"), key=lambda p: p.patient_id)[:size]
    band = np.searchsorted(clinic.bands, np.arange(clinic.ages.shape[1]), side="right") - 1
    joint = np.einsum("sa,sac->sc", clinic.ages, clinic.prevalence[:, band])
    rate = np.einsum("sc,scf->sf", joint / joint.sum(axis=1, keepdims=True), clinic.chance)  # [2, F]
    text = [
        "# What the next question tells", "",
        f"{len(patients):,} DDXPlus dev patients at a stage of the interview, their differential the clinic's exact "
        f"one cut to {K} conditions and something else. Bits by which the log score of the true pathology rises when "
        "the patient's own answer to one question is added (Bayes' rule); 95 % bootstrap intervals over cases, "
        "differences paired by case. No model is in it. Made by `python training/studies/ask_next.py`.", "",
    ]  # fmt: skip
    for stage in ("initial", "quarter", "half"):
        text += table(clinic, rate, patients, stage)
    write_text(out, "\n".join(text) + "\n")
    typer.echo("\n".join(text))


def table(clinic: Clinic, rate: np.ndarray, patients: Sequence[Patient], stage: Stage) -> list[str]:
    """The figures at a stage, of all patients and of those whose list leaves something to ask."""
    rows, lost = [], 0
    for patient in patients:
        case = case_at(patient, stage)
        try:
            posterior = clinic.posterior([case], stage)[0]
        except ValueError:  # every condition has a finding here that none of its training patients had
            lost += 1
            continue
        rows.append(one_patient(clinic, rate, patient, case, posterior))
    found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    unsure = found["entropy"] >= UNSURE
    lines = [
        f"## {stage}", "",
        f"| bits told about the true pathology | all (n={len(rows)}) | top minus it "
        f"| lists of {UNSURE} bits or more (n={unsure.sum()}) | top minus it |",
        "|---|---:|---:|---:|---:|",
    ]  # fmt: skip
    for name, words in WAYS.items():
        cells = []
        for which in (np.ones(len(rows), dtype=bool), unsure):
            value = mean_interval(found[name][which])
            gap = "–" if name == "top" else shown(difference(found["top"][which], found[name][which]))
            cells += [shown(value), gap]
        lines.append(f"| {words} | {' | '.join(cells)} |")
    promised, entropies = mean_interval(found["promised"][unsure]), mean_interval(found["entropy"][unsure])
    before, after, gap = found["right"][unsure], found["first_after"][unsure], found["top"][unsure]
    return [
        *lines, "",
        f"Of the lists of {UNSURE} bits or more, which had {shown(entropies)} bits: the top question promised "
        f"{shown(promised)} and told {shown(mean_interval(gap))}; its answer spoke against the truth in "
        f"{100 * (gap < 0).mean():.1f} %. The first diagnosis was right in {100 * before.mean():.1f} % before it and "
        f"in {100 * after.mean():.1f} % after, {shown(difference(100 * after, 100 * before))} points. Left out, as no "
        f"condition of the clinic can have what the case states: {lost}.", "",
    ]  # fmt: skip


def difference(a: np.ndarray, b: np.ndarray) -> Estimate:
    """Paired over the cases that have both."""
    both = ~np.isnan(a) & ~np.isnan(b)
    return paired_difference(a[both], b[both])


def shown(e: Estimate) -> str:
    """A figure with its 95 % interval."""
    return f"{e.value:+.3f} ({e.low:+.3f} to {e.high:+.3f})"


if __name__ == "__main__":
    typer.run(main)
