"""`ddx models`: base models on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Fetch and list base models.")


@app.command("get")
def get(name: Annotated[str, typer.Argument(help="smollm2-135m")]) -> None:
    """Fetch a base model, check its SHA-256 and keep it in the cache."""
    from ddx.engines.base_models import SMOLLM2
    from ddx.engines.base_models import get as fetch
    from ddx.errors import InputError

    if name != SMOLLM2:
        raise InputError(
            f"{name!r} is not fetched here, only {SMOLLM2} is; "
            "name any other base (a folder or a hub name) as `base` in a training configuration"
        )
    folder = fetch(name, say=lambda line: typer.echo(line, err=True))
    typer.echo(folder)


@app.command("list")
def list_models() -> None:
    """Base models that ddx fetches, and whether each is on this machine."""
    from ddx.engines.base_models import SMOLLM2, cache_dir

    folder = cache_dir() / SMOLLM2
    ready = (folder / "ddx_source.json").exists()
    typer.echo(f"{SMOLLM2}  {f'ready in {folder}' if ready else f'not fetched: ddx models get {SMOLLM2}'}")
