"""`ddx score`: a table of cases in, the same table with differentials out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def score(
    cases: Annotated[Path, typer.Argument(help="CSV, TSV or .csv.gz with a header.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The table to write.")],
    model: Annotated[str | None, typer.Option("--model", "-m", help="A model folder, if not the shipped one.")] = None,
    k: Annotated[int, typer.Option("--k", min=1, max=20, help="Diagnoses a row.")] = 5,
    force: Annotated[bool, typer.Option("--force", help="Replace the output if it is there.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N rows.")] = None,
) -> None:
    """Score a table of cases: every row gets a differential or a reason.

    Columns: text and/or findings, and case_id, age, sex; or DDXPlus's AGE, SEX, EVIDENCES, INITIAL_EVIDENCE.
    Other columns are kept. Cells a spreadsheet would run as a formula get a leading apostrophe.
    """
    from ddx.cli.loading import load_for_command
    from ddx.cli.show import bars
    from ddx.scoring.readers import open_table
    from ddx.scoring.runner import score_table
    from ddx.scoring.writers import check_output

    table = open_table(cases)
    check_output(table, out, k, force)
    loaded = load_for_command(model)
    with bars() as progress:
        task = progress.add_task("rows", total=min(table.rows, limit or table.rows))
        summary = score_table(table, out, loaded, k, force, limit, lambda n: progress.advance(task, n))
    typer.echo(f"{out}: {summary.line()}", err=True)
    for message in summary.messages:
        typer.echo(f"  {message}", err=True)
    unshown = summary.failed.total() - len(summary.messages)
    if unshown > 0:
        typer.echo(f"  and {unshown} more: see the column ddx_status", err=True)
    if summary.answered == 0:
        raise typer.Exit(1)
