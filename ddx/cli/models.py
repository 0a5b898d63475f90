"""`ddx models`: base models on this machine."""

from __future__ import annotations

from pathlib import Path
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


@app.command("merge")
def merge(
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")],
    model: Annotated[str | None, typer.Option("--model", "-m", help="A model folder, if not the shipped one.")] = None,
    dtype: Annotated[str, typer.Option("--dtype", help="float32, or bfloat16 for half the size.")] = "float32",
) -> None:
    """Write a model's base and adapter as one folder of weights, for servers such as vLLM."""
    from ddx.engines.merging import merge as run
    from ddx.errors import InputError
    from ddx.provenance import base_of, read_model_card, shipped_folder

    folder = shipped_folder() if model is None else Path(model)
    if not (folder / "model.json").exists():
        raise InputError(f"{folder}: no model.json here; give a folder that `ddx train` wrote")
    adapter = folder / "adapter"
    typer.echo(run(base_of(folder, read_model_card(folder)), adapter if adapter.exists() else None, out, dtype))


@app.command("list")
def list_models() -> None:
    """Base models that ddx fetches, and whether each is on this machine."""
    from ddx.engines.base_models import SMOLLM2, cache_dir

    folder = cache_dir() / SMOLLM2
    ready = (folder / "ddx_source.json").exists()
    typer.echo(f"{SMOLLM2}  {f'ready in {folder}' if ready else f'not fetched: ddx models get {SMOLLM2}'}")
