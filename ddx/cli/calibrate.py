"""`ddx calibrate`: fit a model's calibrator on calibration patients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def calibrate(
    model: Annotated[Path, typer.Argument(help="A model folder that `ddx train` wrote.")],
    data: Annotated[Path, typer.Option("--data", help="The folder of `ddx data prepare`.")] = Path("data/ddxplus"),
    size: Annotated[int, typer.Option("--size", min=1, help="Calibration patients at each stage.")] = 750,
    completions: Annotated[
        Path | None, typer.Option(help="calibration.completions.jsonl of an earlier fit, read instead of asking again.")
    ] = None,
    vignettes: Annotated[
        Path | None,
        typer.Option(
            help="A folder with vignettes to fit on too (calibration_inside.jsonl, calibration_outside.jsonl)."
        ),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            help="auto (by the number of cases), identity, temperature, sigmoid, beta, isotonic, venn-abers (with "
            "intervals) or list-softmax."
        ),
    ] = "auto",
) -> None:
    """Fit the calibrator on calibration patients and write it into the model's folder (calibrator.json).

    No such patient has a condition that the vocabulary lacks: with vignettes of some, the calibrator learns what then
    is to be left to "something else".
    Where it reads token probabilities, one for engines that give none is fitted on the same answers
    (calibrator_stated.json). The answers are kept beside them (calibration.completions.jsonl). Test patients are
    refused.
    """
    from ddx.cli.loading import load_for_command
    from ddx.cli.show import bars
    from ddx.evaluation.calibrate import applied, chosen, write_calibrators
    from ddx.evaluation.calibrate import calibrate as run
    from ddx.evaluation.completions import records_of, to_lines
    from ddx.evaluation.free_text import calibration_vignettes
    from ddx.evaluation.ladder import caution
    from ddx.files import write_text
    from ddx.model import CALIBRATOR, CALIBRATOR_STATED

    choice = chosen(kind)
    loaded = load_for_command(str(model))
    beside = calibration_vignettes(vignettes, loaded.vocabulary) if vignettes else None
    with bars() as progress:
        task = progress.add_task("calibration cases", total=4 * size + (len(beside) if beside else 0))
        done = run(loaded, data, str(size), lambda n: progress.advance(task, n), completions, choice, beside)
    if completions is None:
        write_text(model / "calibration.completions.jsonl", to_lines(records_of(done.sample, done.answers)))
    write_calibrators(model, done)
    for name, found, read in (
        (CALIBRATOR, done.calibrator, done.material),
        (CALIBRATOR_STATED, done.stated_alone, done.material.stated_alone()),
    ):
        if found is None:
            continue
        _, rescaled = applied(found, read)
        typer.echo(f"{model / name}: {found.kind}, fitted on {found.n_cases:,} of {len(done.sample):,} cases")
        typer.echo(f"sum above 1, so rescaled: {int(rescaled.sum()):,} of {len(rescaled):,} cases")
        if line := caution(found.kind, found.n_cases):
            typer.echo(line, err=True)
