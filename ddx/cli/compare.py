"""`ddx compare`: two or more evaluations on the same cases, as paired differences."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compare(
    runs: Annotated[list[Path], typer.Argument(help="Evaluations by `ddx eval`: JSON files, or run folders.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Also write everything as JSON.")] = None,
) -> None:
    """Compare evaluations with the first one, on the cases that all of them have: differences with intervals."""
    import json

    from ddx.errors import InputError
    from ddx.evaluation.compare import compare as run
    from ddx.evaluation.compare import read_run, to_table
    from ddx.evaluation.measure import rounded
    from ddx.files import write_text

    if len(runs) < 2:
        raise InputError("give at least two evaluations to compare")
    found = run([read_run(path) for path in runs])
    if out is not None:
        write_text(out, json.dumps(rounded(found), ensure_ascii=False, allow_nan=False) + "\n")
    typer.echo(to_table(found))
    if found["left_out"]:
        typer.echo(f"{found['left_out']:,} cases that not every run has were left out", err=True)
