"""Which calibrator: kinds and signals compared by ten-fold cross-validation on the calibration patients of a model.

    python training/studies/calibrators.py runs/smollm2-135m-sft-6 --size 750

reads the answers that `ddx calibrate --size 750` left in the model's folder, prints a table, and writes it there
(calibrators.md). Folds are by patient; differences to "stated" are paired over cases. No test patient takes part.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ddx.calibration.calibrator import Calibrator
from ddx.calibration.fitting import fit
from ddx.data.stages import STAGES
from ddx.evaluation.calibrate import Material, material
from ddx.evaluation.completions import stored_answers
from ddx.evaluation.sample import draw, patient_ids
from ddx.files import write_text
from ddx.metrics.aggregate import mean_interval, paired_difference
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


def held_out(found: Material, kind: str, signals: tuple[str, ...], fold: np.ndarray) -> np.ndarray:
    """Confidences [n, K+1], "something else" last, each case by a calibrator fitted on the other folds."""
    softmax = kind == "list-softmax"
    lists = found.beside[[found.signals.index(name) for name in signals]] if softmax else None
    out = np.zeros((len(found.conf), found.conf.shape[1] + 1))
    for this in np.unique(fold):
        learn, test = fold != this, fold == this
        calibrator: Calibrator = fit(
            kind, found.conf[learn], found.mask[learn], found.outcome[learn],  # type: ignore[arg-type]
            found.x[learn] if softmax else None, lists[:, learn] if lists is not None else None,
            covariates=COVARIATES if softmax else (), signals=signals,
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


def main(
    folder: Annotated[Path, typer.Argument(help="A model folder with calibration.completions.jsonl.")],
    data: Annotated[Path, typer.Option()] = Path("data/ddxplus"),
    size: Annotated[int, typer.Option(help="As it was given to `ddx calibrate`.")] = 750,
    folds: int = 10,
) -> None:
    """Compare kinds of calibrators and their signals."""
    model = load_model(str(folder))
    sample = draw(data, "calibration", str(size), model.vocabulary)
    found = material(model, sample, stored_answers(folder / "calibration.completions.jsonl", model, sample))
    patients = np.array(patient_ids(sample))[found.rows]
    stages = np.array(sample.stages)[found.rows]
    _, patient = np.unique(patients, return_inverse=True)
    fold = (np.random.default_rng(0).permutation(patient.max() + 1) % folds)[patient]
    scored = {name: losses(held_out(found, *arm, fold), found.outcome) for name, arm in ARMS.items()}
    reference = scored[REFERENCE]
    lines = [
        f"| calibrator (n={len(found.conf)}, {folds} folds) | log loss | minus {REFERENCE} | Brier | "
        + " | ".join(f"{stage}" for stage in STAGES) + " |",
        "|---|---:|---:|---:|" + "---:|" * len(STAGES),
    ]  # fmt: skip
    for name, loss in scored.items():
        mean = mean_interval(loss["log loss"])
        gap = paired_difference(loss["log loss"], reference["log loss"])
        against = "–" if name == REFERENCE else f"{gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"
        by_stage = " | ".join(f"{loss['Brier'][stages == stage].mean():.3f}" for stage in STAGES)
        lines.append(
            f"| {name} | {mean.value:.3f} ({mean.low:.3f}–{mean.high:.3f}) "
            f"| {against} | {loss['Brier'].mean():.3f} | {by_stage} |"
        )
    text = "\n".join(lines) + "\n"
    write_text(folder / "calibrators.md", text)
    typer.echo(text)


if __name__ == "__main__":
    typer.run(main)
