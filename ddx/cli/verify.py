"""`ddx verify`: recompute an evaluation from its completions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    report: Annotated[Path, typer.Argument(help="The JSON that `ddx eval` wrote.")],
    model: Annotated[str | None, typer.Option("--model", "-m", help="A model folder, if not the shipped one.")] = None,
    data: Annotated[Path, typer.Option("--data", help="The folder of `ddx data prepare`.")] = Path("data/ddxplus"),
) -> None:
    """Recompute every figure that follows from the stored completions, and compare.

    Exit status 0: all the same; 1: something differs.
    """
    from ddx.cli.loading import load_for_command
    from ddx.cli.show import bars, ticker
    from ddx.evaluation.promises import read_promises
    from ddx.evaluation.verify import verify as run
    from ddx.provenance import shipped_folder

    loaded = load_for_command(model)
    promises = read_promises(shipped_folder() if model is None else Path(model))
    with bars() as progress:
        verdict = run(report, loaded, data, ticker(progress), promises)
    for line in verdict.differing:
        typer.echo(f"differs: {line}")
    if verdict.differing:
        raise typer.Exit(1)
    typer.echo(f"{report}: the same in all {len(verdict.recomputed)} recomputed parts")
    if verdict.left_out:
        typer.echo(f"not recomputed, as they need the model to write again: {', '.join(verdict.left_out)}")
