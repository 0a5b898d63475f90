"""`ddx promise`: fit how many diagnoses to show, and when to abstain, on calibration patients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def promise(
    model: Annotated[Path, typer.Argument(help="A model folder with a calibrator.")],
    data: Annotated[Path, typer.Option("--data", help="The folder of `ddx data prepare`.")] = Path("data/ddxplus"),
    size: Annotated[int, typer.Option("--size", min=100, help="Calibration patients at each stage.")] = 950,
    after: Annotated[
        int, typer.Option("--after", min=0, help="Patients of each stage to pass over: those of the calibrator.")
    ] = 750,
    completions: Annotated[
        Path | None, typer.Option(help="promises.completions.jsonl of an earlier fit, read instead of asking again.")
    ] = None,
) -> None:
    """Fit list lengths (conformal, by stage and sex) and abstention rules, and write them into the model's folder.

    On calibration patients other than those that the calibrator was fitted on. A target above what the lists hold, and
    a risk that no threshold is shown to keep, are refused with the reason. `ddx eval` holds the rules against test
    patients. Test patients are refused here.
    """
    from ddx.cli.loading import load_for_command
    from ddx.cli.show import bars
    from ddx.evaluation.completions import records_of, to_lines
    from ddx.evaluation.promises import FILE, fit_promises
    from ddx.files import write_text

    loaded = load_for_command(str(model))
    with bars() as progress:
        task = progress.add_task("calibration cases", total=4 * size)
        found, sample, answers = fit_promises(
            loaded, data, size, after, lambda n: progress.advance(task, n), completions
        )
    if completions is None:
        write_text(model / "promises.completions.jsonl", to_lines(records_of(sample, answers)))
    write_text(model / FILE, found.to_json())
    typer.echo(f"{model / FILE}: {found.n_cases:,} cases")
    for rule in found.lengths:
        typer.echo(f"list length for {rule.target:g}: fitted")
    for abstention in found.abstentions:
        typer.echo(
            f"abstention ({abstention.what}) for a risk of {abstention.risk:g}: answer from {abstention.threshold:.2f}"
        )
    for line in found.refused:
        typer.echo(line)
