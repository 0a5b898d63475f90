"""`ddx audit`: is the store of reviews as it was written, and what leaves it: exports, erasures, backups."""

from __future__ import annotations

import getpass
import json
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ddx.errors import InputError

if TYPE_CHECKING:
    from ddx.store import Store, Verification

app = typer.Typer(no_args_is_help=True, help="Check, export, erase from and back up the store of reviews.")

Where = Annotated[
    str,
    typer.Argument(envvar="DDX_STORE", metavar="STORE", help="An SQLite file, or postgresql://USER@HOST/DATABASE."),
]
Review = Annotated[str | None, typer.Option("--review", help="A review's id.")]
CaseId = Annotated[str | None, typer.Option("--case", help="A case's id: all reviews of it.")]
Actor = Annotated[str, typer.Option("--actor", help="Who does it, for the log; the user's name on this machine.")]


@app.callback()
def _audit() -> None:
    pass


@app.command("verify")
def verify(
    store: Where,
    head: Annotated[str | None, typer.Option("--head", help="A head that was printed earlier: must be there.")] = None,
) -> None:
    """Recompute the log's hashes, and compare every row with them, without changing anything.

    Exit status 0: all as it was written; 1: something was changed, each row on a line; 2: the store can't be read.
    """
    _needs_sqlalchemy()
    from ddx.store import verify as run

    _tell(run(store, head))


@app.command("export")
def export(
    store: Where,
    review: Review = None,
    case: CaseId = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A file; standard output if not given.")] = None,
    actor: Actor = "",
) -> None:
    """Print all that is stored about one case as JSON. The log notes it."""
    from ddx.files import write_text

    if out is not None and not out.parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.parent}")
    with closing(_open(store)) as opened:
        found = opened.export(actor or _user(), review, case)
    text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_text(out, text)


@app.command("delete")
def delete(
    store: Where,
    review: Review = None,
    case: CaseId = None,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask.")] = False,
    actor: Actor = "",
) -> None:
    """Erase all that is stored about one case. The log keeps its hashes, and notes it; backups keep what they have."""
    if (review is None) == (case is None):
        raise InputError("name one of the two: --review or --case")
    with closing(_open(store)) as opened:
        if not yes:
            typer.confirm(f"Erase {f'case {case}' if review is None else f'review {review}'} for good?", abort=True)
        gone = opened.erase(actor or _user(), review, case)
    typer.echo(f"erased: {', '.join(gone)}")


@app.command("retention")
def retention(
    store: Where,
    days: Annotated[int | None, typer.Option("--days", help="If not the store's own setting.")] = None,
    setting: Annotated[
        str | None,
        typer.Option("--set", metavar="DAYS|ever", help="Erase nothing: keep this with the store as its setting."),
    ] = None,
    actor: Actor = "",
) -> None:
    """Erase the reviews whose last change is more than so many days old. The log notes each, and a new setting."""
    if days is not None and setting is not None:
        raise InputError("give one of the two: --days erases now, --set keeps a setting for later")
    with closing(_open(store)) as opened:
        if setting is not None:
            kept = _days(setting)
            opened.set_retention(kept, actor or _user())
            typer.echo(f"kept for: {'ever' if kept is None else f'{kept:,} day' + 's' * (kept != 1)}")
            return
        if days is None and opened.retention_days() is None:
            raise InputError(f"{opened.name}: has no retention setting; give --days, or --set one")
        gone = opened.apply_retention(days, actor or _user())
    typer.echo(f"erased: {len(gone):,}")


@app.command("backup")
def backup(
    store: Where,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Copy an SQLite store as it is now, while it is in use, and verify the copy (PostgreSQL: use pg_dump).

    Exit status 1: the copy was made, but it does not verify, and so neither does the store.
    """
    _needs_sqlalchemy()
    from ddx.store import backup as run

    found = run(store, out, force)
    typer.echo(f"written to {out}", err=True)
    _tell(found)


def _tell(found: Verification) -> None:
    for problem in found.problems:
        typer.echo(str(problem))
    if not found.intact:
        typer.echo(f"not intact: {len(found.problems):,} of this", err=True)
        raise typer.Exit(1)
    typer.echo(f"intact: log entries {found.entries:,}, rows {found.rows:,}")
    typer.echo(f"head: {found.head}")


def _open(where: str) -> Store:
    _needs_sqlalchemy()
    from ddx.store import Store

    return Store.open(where, create=False)


def _days(setting: str) -> int | None:
    if setting == "ever":
        return None
    if not setting.isascii() or not setting.isdigit():
        raise InputError(f"--set takes a whole number of days, or ever; not {setting!r}")
    return int(setting)


def _needs_sqlalchemy() -> None:
    try:
        import alembic  # noqa: F401
        import sqlalchemy  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(f"the store needs {error.name}: pip install 'ddx[app]'") from None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"
