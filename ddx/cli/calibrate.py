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
    kind: Annotated[
        str,
        typer.Option(
            help="auto (by the number of cases), identity, temperature, sigmoid, beta, isotonic, venn-abers (with "
            "intervals) or list-softmax."
        ),
    ] = "auto",
) -> None:
    """Fit the calibrator on calibration patients and write it into the model's folder (calibrator.json).

    The answers that it was fitted on are kept beside it (calibration.completions.jsonl). Test patients are refused.
    """
    from ddx.cli.loading import load_for_command
    from ddx.cli.show import bars
    from ddx.evaluation.calibrate import applied, chosen, material
    from ddx.evaluation.calibrate import calibrate as run
    from ddx.evaluation.completions import records_of, to_lines
    from ddx.evaluation.ladder import caution
    from ddx.files import write_text

    choice = chosen(kind)
    loaded = load_for_command(str(model))
    with bars() as progress:
        task = progress.add_task("calibration cases", total=4 * size)
        found, sample, answers = run(loaded, data, str(size), lambda n: progress.advance(task, n), completions, choice)
    if completions is None:
        write_text(model / "calibration.completions.jsonl", to_lines(records_of(sample, answers)))
    write_text(model / "calibrator.json", found.to_json())
    read = material(loaded, sample, answers)
    _, rescaled = applied(found, read)
    typer.echo(f"{model / 'calibrator.json'}: {found.kind}, fitted on {found.n_cases:,} of {len(sample):,} cases")
    typer.echo(f"sum above 1, so rescaled: {int(rescaled.sum()):,} of {len(rescaled):,} cases")
    if line := caution(found.kind, found.n_cases):
        typer.echo(line, err=True)
