"""Which calibrator: kinds and signals compared by ten-fold cross-validation on the calibration patients of a model.

    python training/studies/calibrators.py runs/smollm2-135m-sft-8 --size 750 --vignettes training/data

reads the answers that `ddx calibrate` with the same options left in the model's folder, prints a table, and writes it
there (calibrators.md). The arms of list-softmax are fitted on the patients alone, and with vignettes of a quarter and
of the whole weight of a patient. ECE, in thousandths: of the patients' diagnoses, beside the upper end of
its null. Folds are by patient and vignette; differences to "stated" are paired over patients' cases. No test patient
takes part.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ddx.calibration.calibrator import Calibrator
from ddx.calibration.fitting import fit
from ddx.data.stages import STAGES
from ddx.evaluation.calibrate import VIGNETTE_WEIGHT, Material, material
from ddx.evaluation.completions import stored_answers
from ddx.evaluation.free_text import calibration_vignettes
from ddx.evaluation.sample import draw, patient_ids
from ddx.files import write_text
from ddx.metrics.aggregate import mean_interval, paired_difference
from ddx.metrics.calibration import ece, ece_null
from ddx.model import COVARIATES, load_model

ARMS: dict[str, tuple[str, tuple[str, ...]]] = {  # name → kind, signals
    "as stated, no calibrator": ("identity", ()),
    "isotonic, stated": ("isotonic", ()),
    "list-softmax, stated": ("list-softmax", ()),
    "list-softmax, stated and expected": ("list-softmax", ("expected",)),
    "list-softmax, stated and implied": ("list-softmax", ("implied",)),
    "list-softmax, stated and first": ("list-softmax", ("first",)),
    "list-softmax, stated, expected and implied": ("list-softmax", ("expected", "implied")),
    "list-softmax, all four": ("list-softmax", ("expected", "implied", "first")),
}
REFERENCE = "list-softmax, stated"


def held_out(found: Material, kind: str, signals: tuple[str, ...], fold: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Confidences [n, K+1], "something else" last, each case by a calibrator fitted on the other folds. weight [n]:
    what a case counts for in a fit."""
    softmax = kind == "list-softmax"
    lists = found.beside[[found.signals.index(name) for name in signals]] if softmax else None
    out = np.zeros((len(found.conf), found.conf.shape[1] + 1))
    for this in np.unique(fold):
        learn, test = (fold != this) & (weight > 0), fold == this
        calibrator: Calibrator = fit(
            kind, found.conf[learn], found.mask[learn], found.outcome[learn],  # type: ignore[arg-type]
            found.x[learn] if softmax else None, lists[:, learn] if lists is not None else None,
            weight=weight[learn] if softmax else None, covariates=COVARIATES if softmax else (), signals=signals,
        )  # fmt: skip
        q, _ = calibrator.apply(
            found.conf[test], found.mask[test], found.x[test] if softmax else None,
            lists[:, test] if lists is not None else None,
        )  # fmt: skip
        out[test] = np.column_stack([q, np.maximum(0.0, 1.0 - q.sum(axis=1))])
    return out


def losses(q: np.ndarray, outcome: np.ndarray) -> dict[str, np.ndarray]:
    """Log loss (nats) and Brier score (0 to 2) of each case; what was given no chance counts as one in a million."""
    happened = np.eye(q.shape[1])[outcome]
    given = (q * happened).sum(axis=1)
    return {"log loss": -np.log(np.maximum(given, 1e-6)), "Brier": ((q - happened) ** 2).sum(axis=1)}


def cell(q: np.ndarray, found: Material, brier: np.ndarray, rows: np.ndarray) -> str:
    """Brier score of these cases; the ECE of their diagnoses in thousandths, beside the upper end of its null."""
    conf, mask = q[rows, :-1], found.mask[rows]
    error = ece(conf, found.outcome[rows][:, None] == np.arange(conf.shape[1]), mask=mask)
    return f"{brier[rows].mean():.3f}, {1000 * error:.1f} ({1000 * ece_null(conf, mask=mask).high:.1f})"


def main(
    folder: Annotated[Path, typer.Argument(help="A model folder with calibration.completions.jsonl.")],
    data: Annotated[Path, typer.Option()] = Path("data/ddxplus"),
    size: Annotated[int, typer.Option(help="As it was given to `ddx calibrate`.")] = 750,
    vignettes: Annotated[Path | None, typer.Option(help="As it was given to `ddx calibrate`.")] = None,
    folds: int = 10,
) -> None:
    """Compare kinds of calibrators and their signals."""
    model = load_model(str(folder))
    sample = draw(data, "calibration", str(size), model.vocabulary)
    patients = len(sample)
    if vignettes is not None:
        sample = sample.joined(calibration_vignettes(vignettes, model.vocabulary))
    found = material(model, sample, stored_answers(folder / "calibration.completions.jsonl", model, sample))
    stages = np.array(sample.stages)[found.rows]
    outside = np.array(sample.truth)[found.rows] == len(model.vocabulary)
    patient, inside = found.rows < patients, (found.rows >= patients) & ~outside
    _, who = np.unique(np.array(patient_ids(sample))[found.rows], return_inverse=True)
    fold = (np.random.default_rng(0).permutation(who.max() + 1) % folds)[who]
    alone = held_out(found, *ARMS[REFERENCE], fold, patient.astype(float))
    reference = losses(alone, found.outcome)["log loss"][patient]
    lines = [
        f"| calibrator ({folds} folds) | log loss, patients (n={patient.sum()}) | minus {REFERENCE} | Brier | "
        + " | ".join(f"{stage}, ECE" for stage in STAGES)
        + " |",
        "|---|---:|---:|---:|" + "---:|" * len(STAGES),
    ]
    if vignettes is not None:
        head = f" vignette | inside (n={inside.sum()}) | outside (n={outside.sum()}) | first, outside | else, outside |"
        lines = [lines[0] + head, lines[1] + "---:|" * 5]
    for name, arm in ARMS.items():
        shares = (0.0, VIGNETTE_WEIGHT, 1.0) if vignettes is not None and arm[0] == "list-softmax" else (0.0,)
        for share in shares:
            q = held_out(found, *arm, fold, np.where(patient, 1.0, share))
            loss = losses(q, found.outcome)
            own = loss["log loss"][patient]
            mean, gap = mean_interval(own), paired_difference(own, reference)
            by_stage = " | ".join(cell(q, found, loss["Brier"], stages == stage) for stage in STAGES)
            line = (
                f"| {name} | {mean.value:.3f} ({mean.low:.3f}–{mean.high:.3f}) "
                f"| {gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f}) | {loss['Brier'][patient].mean():.3f} "
                f"| {by_stage} |"
            )
            if vignettes is not None:
                line += (
                    f" {share:g} | {loss['log loss'][inside].mean():.3f} | {loss['log loss'][outside].mean():.3f} "
                    f"| {q[outside, :-1].max(axis=1).mean():.2f} | {q[outside, -1].mean():.2f} |"
                )
            lines.append(line)
    text = "\n".join(lines) + "\n"
    write_text(folder / "calibrators.md", text)
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
