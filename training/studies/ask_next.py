"""Is the question worth asking? What the top question of `ddx.explain.ask_next` tells, beside other ways to choose one.

    python training/studies/ask_next.py --out training/studies/ask_next.md

takes DDXPlus dev patients as known at a stage. Their differential is the exact one of the clinic that was counted on
the training patients, cut to the five likeliest conditions and "something else", the form in which the model answers. A
question is chosen, the patient's own answer is added by Bayes' rule, and what counts is by how many bits the log score
of the true pathology's category rises. With --answers the same for the shipped model's own lists, stored by
calibrators_by_n.py, of calibration patients that its calibrator was not fitted on. No test patient takes part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import numpy as np
import typer

from ddx.answers import Answered
from ddx.calibration.calibrator import Calibrator
from ddx.calibration.signals import LineSignal
from ddx.case import Case
from ddx.data.ddxplus import Patient
from ddx.data.prepare import load_split
from ddx.data.stages import Stage, case_at, wording_seed
from ddx.differential import Diagnosis, Differential
from ddx.evaluation.completions import read_lines
from ddx.explain.ask_next import Question, entropy, rank_questions
from ddx.files import write_text
from ddx.generation import Generation
from ddx.metrics.aggregate import Estimate, mean_interval, paired_difference
from ddx.model import Model, format_of
from ddx.provenance import read_model_card, shipped_folder
from ddx.simulate.clinic import SEXES, Clinic
from ddx.simulate.estimate import load_clinic
from ddx.vignette import group
from ddx.vocabulary import load_vocabulary
from ddx.vocabulary.findings import related_findings

Listed = tuple[Patient, Case, Differential]
K = 5
ASKED: tuple[Stage, ...] = ("initial", "quarter", "half")
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
    clinic: Clinic, rate: np.ndarray, patient: Patient, case: Case, differential: Differential
) -> dict[str, float]:
    """For each way its bits; what the top question promised; the first diagnosis before and after it; entropy before.

    "random" and "related" are means over all such findings, so no luck of a draw is in them.
    """
    keys = [d.key for d in differential.diagnoses]
    truth = keys.index(patient.pathology) if patient.pathology in keys else len(keys)
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
    return float(int(np.argmax(after[:-1])) == truth)


def exact_lists(clinic: Clinic, patients: Sequence[Patient], stage: Stage) -> Iterator[Listed]:
    """The clinic's exact differentials, without patients whose findings no condition of the clinic can have."""
    for patient in patients:
        case = case_at(patient, stage)
        with suppress(ValueError):
            yield patient, case, listed(clinic, clinic.posterior([case], stage)[0])


def models_lists(path: Path, patients: Mapping[str, Patient], stage: Stage) -> Iterator[Listed]:
    """What the shipped model wrote at a stage, read and calibrated as the app does it; without the engine."""
    folder = shipped_folder()
    card = read_model_card(folder)
    calibrator = Calibrator.from_json((folder / "calibrator.json").read_text(encoding="utf-8"), "calibrator.json")
    model = Model(Silent(), card["k"], calibrator, {}, format=format_of(card))  # type: ignore[arg-type]
    for row in read_lines(path):
        patient = patients.get(row["case_id"].rpartition("-")[0])
        if row["stage"] != stage or patient is None:
            continue
        case = case_at(patient, stage)
        signals = tuple(LineSignal(*signal) if signal else None for signal in row["signals"])
        generation = Generation(row["completion"], (), row["prompt_tokens"], row["truncated"], row["seconds"])
        answer = Answered(model.prompt_text(case, wording_seed(patient)), generation, signals)
        differential = model.read(case, answer)
        if differential.diagnoses:
            yield patient, case, differential


class Silent:
    """An engine that has answered already."""

    name, decoding, gives_probabilities = "stored", MappingProxyType({}), True

    def line_draft(self, names: Sequence[str], lines: int) -> None:
        """None: nothing is to be written."""

    def line_ends(self, names: Sequence[str]) -> None:
        """None, too."""


def main(
    data: Annotated[Path, typer.Option(help="A folder that `ddx data prepare` wrote.")] = Path("data/ddxplus"),
    size: Annotated[int, typer.Option(help="Dev patients; the first so many by id.")] = 10_000,
    answers: Annotated[
        Path | None, typer.Option(help="Answers of the shipped model, as calibrators_by_n.py keeps them.")
    ] = None,
    out: Annotated[Path, typer.Option()] = Path("training/studies/ask_next.md"),
) -> None:
    """Measure, and write the tables."""
    clinic = load_clinic()
    patients = sorted(load_split(data, "dev"), key=lambda p: p.patient_id)[:size]
    band = np.searchsorted(clinic.bands, np.arange(clinic.ages.shape[1]), side="right") - 1
    joint = np.einsum("sa,sac->sc", clinic.ages, clinic.prevalence[:, band])
    rate = np.einsum("sc,scf->sf", joint / joint.sum(axis=1, keepdims=True), clinic.chance)  # [2, F]

    def measured(stage: Stage, lists: Iterator[Listed], of: int) -> list[str]:
        return table(stage, [one_patient(clinic, rate, *one) for one in lists], of)

    text = [
        "# What the next question tells", "",
        "Bits by which the log score of the true pathology rises when the patient's own answer to one question is "
        "added to the list by Bayes' rule; 95 % bootstrap intervals over cases, differences paired by case. No test "
        "patient is among them. Made by `python training/studies/ask_next.py`, the second part with `--answers`.", "",
        f"## {len(patients):,} dev patients, the clinic's exact list cut to {K} conditions and something else", "",
    ]  # fmt: skip
    for stage in ASKED:
        text += measured(stage, exact_lists(clinic, patients, stage), len(patients))
    if answers is not None:
        known = {p.patient_id: p for p in load_split(data, "calibration")}
        text += [
            "## Calibration patients, the shipped model's own calibrated list", "",
            "None of them is one that its calibrator was fitted on. That something else is weighed by the coded "
            "findings, too, was decided on these lists: by age and sex alone the top question told +0.504, +0.076 and "
            "-0.010 bits of all cases at the three stages.", "",
        ]  # fmt: skip
        for stage in ASKED:
            lists = list(models_lists(answers, known, stage))
            text += measured(stage, iter(lists), len(lists))
    write_text(out, "\n".join(text))
    typer.echo("\n".join(text))


def table(stage: Stage, rows: Sequence[Mapping[str, float]], of: int) -> list[str]:
    """The figures at a stage, of all patients and of those whose list leaves something to ask."""
    found = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    unsure = found["entropy"] >= UNSURE
    lines = [
        f"### {stage}", "",
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
        f"in {100 * after.mean():.1f} % after, {shown(difference(100 * after, 100 * before))} points."
        f" Left out, as no condition of the clinic can have what the case states: {of - len(rows)}.", "",
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
