"""`ddx limit`: how far a model is from the best possible differential, on simulated cases."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def limit(
    out: Annotated[Path, typer.Option("--out", "-o", help="The JSON to write.")] = Path("runs/evaluation/limit.json"),
    model: Annotated[str | None, typer.Option("--model", "-m", help="A model folder, if not the shipped one.")] = None,
    size: Annotated[int, typer.Option("--size", min=1, help="Simulated cases at each stage.")] = 100,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which patients are drawn.")] = 0,
) -> None:
    """Measure a model against the exact posterior of simulated patients, beside the tabular classifier.

    The patients come from a model of DDXPlus training patients in which the best possible differential is known. Needs
    no data.
    """
    import json

    from ddx.cli.loading import load_for_command
    from ddx.cli.show import bars, ticker
    from ddx.evaluation.limit import limit as run
    from ddx.evaluation.limit import table
    from ddx.files import write_text

    loaded = load_for_command(model)
    with bars() as progress:
        result = run(loaded, size, seed, ticker(progress))
    out.parent.mkdir(parents=True, exist_ok=True)
    write_text(out, json.dumps(result, ensure_ascii=False, allow_nan=False) + "\n")
    typer.echo(table(result))
    typer.echo(out, err=True)
