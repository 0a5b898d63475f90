"""Which kind of calibrator for how many cases: `python training/studies/calibrators_by_n.py`.

Answers of a model to calibration patients on whom its own calibrator was not fitted: those after the first 750 of each
stage. Each repeat orders the readable ones anew, keeps the last 1,400 to measure on, and fits every kind on the first
n of the others. No test patient takes part. Ends with `training/studies/calibrators.md`.

The model answers once (an hour on two cores); what it wrote is kept, and read again by the next run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from calibrators import losses

from ddx.calibration.calibrator import Calibrator
from ddx.evaluation.calibrate import Material, applied, fitted, material, refuse_test_patients
from ddx.evaluation.completions import records_of, stored_answers, to_lines
from ddx.evaluation.ladder import LADDER, LADDER_STATED_ALONE
from ddx.evaluation.sample import draw, patient_ids
from ddx.files import write_text
from ddx.metrics.aggregate import Estimate, mean_interval, paired_difference
from ddx.model import CALIBRATOR_STATED, Model, load_model
from ddx.provenance import shipped_folder

HERE = Path(__file__).resolve().parent
SIZES = (25, 50, 100, 200, 400, 800, 1600, 2400)
HELD = 1400  # cases of each repeat to measure on
STATED = "as stated (identity)"
ARMS: dict[str, tuple[str, bool]] = {  # name → kind, whether it may use signals and covariates
    STATED: ("identity", False),
    "temperature": ("temperature", False),
    "beta": ("beta", False),
    "isotonic": ("isotonic", False),
    "venn-abers": ("venn-abers", False),
    "sigmoid, stated alone": ("sigmoid", False),
    "sigmoid": ("sigmoid", True),
    "list-softmax, stated alone": ("list-softmax", False),
    "list-softmax": ("list-softmax", True),
}
SCORES = {"Brier": "Brier score of the list, 0 to 2", "log loss": "Log loss, nats"}


def with_rest(conf: np.ndarray) -> np.ndarray:
    """[n, K+1]: the confidences and what they leave to "something else"."""
    return np.column_stack([conf, np.maximum(0.0, 1.0 - conf.sum(axis=1))])


def compare(found: Material, sizes: tuple[int, ...], held: int, repeats: int, seed: int = 0) -> dict[str, np.ndarray]:
    """score → [arms, sizes, repeats, cases]: the held-out losses, NaN where a case was not held out."""
    n = len(found.conf)
    rng = np.random.default_rng(seed)
    out = {score: np.full((len(ARMS), len(sizes), repeats, n), np.nan, dtype=np.float32) for score in SCORES}
    material_of = {True: found, False: found.stated_alone()}
    for repeat in range(repeats):
        order = rng.permutation(n)
        test = order[-held:]
        for row, (kind, signals) in enumerate(ARMS.values()):
            for column, size in enumerate(sizes):
                learn, measure = (material_of[signals].take(rows) for rows in (order[:size], test))
                q, _ = applied(fitted(kind, learn), measure)  # type: ignore[arg-type]
                for score, values in losses(with_rest(q), measure.outcome).items():
                    out[score][row, column, repeat, test] = values
    return out


def table(values: np.ndarray, title: str) -> list[str]:
    """Markdown of one score [arms, sizes, repeats, cases]: the stated list's mean, and each arm minus it.

    Losses are averaged over repeats by case, then the cases are resampled; in brackets how many of the repeats' fits
    did worse than the stated list.
    """
    by_case = np.nanmean(values, axis=2)
    stated = by_case[0]
    repeats = values.shape[2]
    lines = [f"| {title} | " + " | ".join(f"n = {size:,}" for size in SIZES) + " |", "|---|" + "---:|" * len(SIZES)]
    for row, name in enumerate(ARMS):
        cells = []
        for column in range(len(SIZES)):
            if row == 0:
                one = mean_interval(stated[column])
                cells.append(one.text())
                continue
            gap = paired_difference(by_case[row, column], stated[column])
            fits = np.nanmean(values[row, column], axis=1) - np.nanmean(values[0, column], axis=1)
            worse = int((fits > 0).sum())
            cells.append(_cell(gap) + (f" [{worse}]" if worse else ""))
        lines.append(f"| {name}{', minus it' if row else ''} | " + " | ".join(cells) + " |")
    best = [
        "| n | least | not told apart from it | least without token probabilities | not told apart from it |",
        "|---:|---|---|---|---|",
    ]
    for column, size in enumerate(SIZES):
        everyone, others = range(len(ARMS)), [row for row, (_, signals) in enumerate(ARMS.values()) if not signals]
        best.append(f"| {size:,} | {_least(by_case[:, column], everyone)} | {_least(by_case[:, column], others)} |")
    return [*lines, "", f"In square brackets: fits of {repeats} that did worse than the stated list.", "", *best]


def _least(losses_of: np.ndarray, rows: Sequence[int]) -> str:
    """Two cells: which of some rows [arms, cases] has the least mean, and those whose difference to it may be 0."""
    first = min(rows, key=lambda row: float(np.nanmean(losses_of[row])))
    close = [row for row in rows if row != first and paired_difference(losses_of[row], losses_of[first]).low <= 0]
    names = list(ARMS)
    return f"{names[first]} | {'; '.join(names[row] for row in close) or '–'}"


def _cell(gap: Estimate) -> str:
    return f"{gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"


def _rule(rungs: Sequence[tuple[int, str]]) -> str:
    return ", ".join(f"{kind} from {least:,} cases" for least, kind in rungs)


def without_probabilities(model: Model, folder: Path, found: Material) -> list[str]:
    """What an engine without token probabilities costs: with the calibrator fitted for it, and with the model's own on
    the stated list in the place of the signals."""
    path = folder / CALIBRATOR_STATED
    if not path.exists():
        return []
    made_for_it = Calibrator.from_json(path.read_text(encoding="utf-8"), str(path))
    in_place = replace(found, beside=np.stack([found.conf] * len(found.signals)))
    with_them, own, fitted_so = (
        losses(with_rest(applied(calibrator, cases)[0]), found.outcome)
        for calibrator, cases in (
            (model.calibrator, found), (model.calibrator, in_place), (made_for_it, found.stated_alone())
        )
    )  # fmt: skip
    lines = ["", "## An engine without token probabilities", ""]
    for title, loss, reference in (
        (
            "Its own (calibrator_stated.json), minus the model's calibrator with token probabilities",
            fitted_so,
            with_them,
        ),
        ("Its own, minus the model's calibrator with the stated list in the place of the signals", fitted_so, own),
    ):
        gaps = [f"{score} {_cell(paired_difference(loss[score], reference[score]))}" for score in SCORES]
        lines.append(f"- {title}: {', '.join(gaps)}.")
    return lines


def main(
    folder: Annotated[Path | None, typer.Argument(help="A model folder, if not the shipped one.")] = None,
    data: Annotated[Path, typer.Option()] = Path("data/ddxplus"),
    size: Annotated[int, typer.Option(help="Calibration patients at each stage.")] = 1700,
    after: Annotated[int, typer.Option(help="Of these, how many the model's own calibrator was fitted on.")] = 750,
    completions: Annotated[Path, typer.Option(help="Read if it is there, else written.")] = Path(
        "runs/studies/calibrators.completions.jsonl"
    ),
    repeats: int = 30,
    out: Path = HERE / "calibrators.md",
) -> None:
    """Compare kinds of calibrators by the number of cases that they are fitted on."""
    model = load_model(None if folder is None else str(folder))
    sample = draw(data, "calibration", str(size), model.vocabulary).after(after)
    refuse_test_patients(patient_ids(sample))
    if not completions.exists():
        completions.parent.mkdir(parents=True, exist_ok=True)
        write_text(completions, to_lines(records_of(sample, model.generate(sample.cases, None, sample.seeds))))
    found = material(model, sample, stored_answers(completions, model, sample))
    values = compare(found, SIZES, HELD, repeats)
    shipped, rescaled = applied(model.calibrator, found)
    own = {score: mean_interval(value) for score, value in losses(with_rest(shipped), found.outcome).items()}
    floor = Calibrator("temperature", k=model.format.k, parameters={"log_slope": 0.0}).apply(found.conf, found.mask)[0]
    stated, floored = (losses(with_rest(q), found.outcome)["log loss"] for q in (found.conf, floor))
    lines = [
        "# Which calibrator for how many cases",
        "",
        f"{model.info['id']}: {len(found.conf):,} readable of {len(sample):,} answers to calibration patients, none of "
        f"the {model.calibrator.n_cases:,} that its own calibrator was fitted on. {repeats} times a random {HELD:,} "
        "were held out to measure on, and every kind was fitted on the first n of the others. Losses are averaged over "
        "repeats by case; 95 % bootstrap intervals over cases, differences paired by case. Made by "
        "`python training/studies/calibrators_by_n.py`.",
        "",
        '"sigmoid" and "list-softmax" use the token probabilities, and the list-softmax the length of the text; '
        '"stated alone" leaves the token probabilities out. The others know the stated confidences only. There are '
        f"{found.mask.sum() / len(found.mask):.1f} items to a case.",
        "",
    ]
    for score, title in SCORES.items():
        lines += [f"## {title}", "", *table(values[score], title), ""]
    lines += [
        "## The rule (`ddx.evaluation.ladder`)",
        "",
        f"With token probabilities {_rule(LADDER)}; without them {_rule(LADDER_STATED_ALONE)}.",
        "",
        "A temperature gains log loss by taking a stated 0 % for half a percent: a temperature of 1, fitted on "
        f"nothing, changes it by {_cell(paired_difference(floored, stated))}.",
        "",
        f"The model's own calibrator ({model.calibrator.kind}, {model.calibrator.n_cases:,} other cases) on all "
        f"{len(found.conf):,} of these: "
        + ", ".join(f"{score} {one.text()}" for score, one in own.items())
        + f". Lists that summed to more than 1 and were rescaled: {int(rescaled.sum()):,} of {len(rescaled):,}.",
        *without_probabilities(model, shipped_folder() if folder is None else folder, found),
    ]
    write_text(out, "\n".join(lines) + "\n")
    typer.echo(out.read_text(encoding="utf-8"))


if __name__ == "__main__":
    typer.run(main)
