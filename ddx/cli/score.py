"""`ddx score`: a table of cases in, the same table with differentials out."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ddx.cli.loading import ENGINE_HELP, load_for_command
from ddx.errors import InputError

if TYPE_CHECKING:
    from ddx.model import Model
    from ddx.scoring.runner import Ahead, Predictor
    from ddx.scoring.table import Table


def score(
    cases: Annotated[Path, typer.Argument(help="CSV, Excel, Parquet, JSON Lines or FHIR; text also .gz or .zip.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The table to write: .csv .jsonl .parquet …")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="A model folder, if not the shipped one.")] = None,
    k: Annotated[int, typer.Option("--k", min=1, max=20, help="Diagnoses a row.")] = 5,
    force: Annotated[bool, typer.Option("--force", help="Replace the output if it is there.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only the first N rows.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run at this output.")] = False,
    keep_journal: Annotated[bool, typer.Option("--keep-journal", help="Don't delete OUT.journal.sqlite.")] = False,
    engine: Annotated[str, typer.Option("--engine", help=f"ray, {ENGINE_HELP}")] = "transformers",
    ray_address: Annotated[str | None, typer.Option("--ray-address", help="A Ray cluster, if not a local one.")] = None,
    ray_workers: Annotated[int | None, typer.Option("--ray-workers", min=1, help="Models on the cluster.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only read everything and say what is wrong.")] = False,
    columns: Annotated[list[str] | None, typer.Option("--map", help='NAME=COLUMN, such as age="Age at visit".')] = None,
    mapping: Annotated[Path | None, typer.Option("--mapping", help="Columns and values, as YAML.")] = None,
    sheet: Annotated[str | None, typer.Option("--sheet", help="Excel: a sheet, if not the first.")] = None,
    on: Annotated[datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="FHIR: the day for ages.")] = None,
) -> None:
    """Score a table of cases: every row gets a differential or a reason.

    Columns: text and/or findings, and case_id, age, sex; or DDXPlus's AGE, SEX, EVIDENCES, INITIAL_EVIDENCE.
    Other columns are kept. In CSV, cells a spreadsheet would run as a formula get a leading apostrophe.

    --check reads everything, prints what was recognised and the first problems, and scores nothing: exit status 0 if
    every row can be scored, 1 if some can't, 2 if the table can't be read.

    Answers are kept in OUT.journal.sqlite until the table is whole: after a stop of any kind, the same command with
    --resume goes on, and the table comes out the same. --force replaces the table, and without --resume it starts anew.
    """
    from ddx.cli.show import bars
    from ddx.scoring.mapping import read_mapping
    from ddx.scoring.readers import open_table
    from ddx.scoring.runner import check_run, score_table
    from ddx.scoring.summary import histogram_line

    if engine != "ray" and (ray_address or ray_workers):
        raise InputError("--ray-address and --ray-workers go with --engine ray")
    table = open_table(cases, read_mapping(mapping, columns or ()), sheet, on and on.date())
    if check:
        return _check(table, out, k, force)
    if out is None:
        raise InputError("give the table to write with --out, or only --check the input")
    for note in table.notes:
        typer.echo(f"{cases}: {note}", err=True)
    kept, total = check_run(table, out, k, force, resume), min(table.rows, limit or table.rows)
    if resume:
        start = f"going on after {kept:,} of {total:,} rows" if kept else "nothing to go on with, starting at row one"
        typer.echo(f"{out}: {start}", err=True)
    try:
        with _models(model, engine, ray_address, ray_workers) as (loaded, counts), bars() as progress:
            task = progress.add_task("rows", total=total)
            on_rows = partial(progress.advance, task)
            summary = score_table(table, out, loaded, k, force, limit, on_rows, resume, keep_journal)
    except KeyboardInterrupt:
        typer.echo(f"ddx: interrupted; {_what_next(out)}", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"{out}: {summary.line()}", err=True)
    if counts:
        typer.echo(f"  server: {', '.join(f'{n} {what}' for what, n in counts.items())}", err=True)
    if summary.answered and sys.stderr.isatty() and "utf" in (sys.stderr.encoding or "").lower():
        typer.echo(f"  confidence of the first diagnosis, 0 to 1: |{histogram_line(summary.confidences)}|", err=True)
    for message in summary.messages:
        typer.echo(f"  {message}", err=True)
    unshown = summary.failed.total() - len(summary.messages)
    if unshown > 0:
        typer.echo(f"  and {unshown} more: see the column ddx_status", err=True)
    if summary.answered == 0:
        raise typer.Exit(1)


@contextmanager
def _models(
    name: str | None, engine: str, address: str | None, workers: int | None
) -> Iterator[tuple[Predictor | Ahead, Mapping[str, int]]]:
    """What answers, here or on a cluster; and what happens on the way to a server, counted."""
    if engine != "ray":
        model = load_for_command(name, engine)
        yield model, model.engine.counts
        return
    from ddx.cli.show import stderr_console
    from ddx.scoring.ray_workers import ray_models

    folder = None if name is None else str(Path(name).resolve())

    def load(inside: str) -> Model:
        from ddx.model import load_model

        return load_model(folder, engine=inside)

    with ExitStack() as stack:
        with stderr_console().status("starting the workers …"):
            models = stack.enter_context(ray_models(load, address, workers))
        typer.echo(f"ray: {models.worker.count} workers, each with {models.worker.engine}", err=True)
        yield models, {}


def _check(table: Table, out: Path | None, k: int, force: bool) -> None:
    """Print what was recognised and what is wrong, to standard output."""
    from ddx.cli.show import bars
    from ddx.scoring.check import check_table, recognised
    from ddx.scoring.writers import check_output

    if out is not None:
        check_output(table, out, k, force)
    typer.echo("\n".join(recognised(table)))
    with bars() as progress:
        result = check_table(table, partial(progress.advance, progress.add_task("rows", total=table.rows)))
    typer.echo("\n".join(result.lines()))
    if result.problems:
        raise typer.Exit(1)


def _what_next(out: Path) -> str:
    """After an interrupt: what is kept, and the way on."""
    from ddx.scoring.journal import check_journal

    rows = check_journal(out, force=False, resume=True).rows
    return f"{rows:,} rows are kept, the same command with --resume goes on" if rows else "no row is kept yet"
