"""`ddx data`: prepare patient data."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Prepare patient data.")


@app.callback()
def _data() -> None:
    pass


@app.command("prepare")
def prepare(
    source: Annotated[Path, typer.Option("--source", help="Folder of DDXPlus patient files.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the Parquet files and manifest.json.")],
) -> None:
    """Write DDXPlus as Parquet: one file for each of this project's splits, and a manifest."""
    from ddx.cli.show import bars
    from ddx.data.ddxplus import patient_files
    from ddx.data.prepare import prepare as run

    total = sum(_lines(path) for path in patient_files(source))
    with bars() as progress:
        task = progress.add_task("reading patients", total=total)
        counts = run(source, out, lambda n: progress.advance(task, n))
        progress.update(task, completed=total, description="done")
    typer.echo("  ".join(f"{name} {count:,}" for name, count in counts.items()))
    typer.echo(f"written to {out}")


def _lines(path: Path) -> int:
    """Rows of a patient file, for the bar; 0 when it can't be read (the reader then says why)."""
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as member:
                return max(0, sum(1 for _ in member) - 1)
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as handle:
            return max(0, sum(1 for _ in handle) - 1)
    except (OSError, EOFError, IndexError, zipfile.BadZipFile):
        return 0
