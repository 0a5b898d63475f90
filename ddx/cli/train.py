"""`ddx train`: one config, one run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    config: Annotated[Path, typer.Argument(help="A YAML config, such as those in training/configs.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value, over the config's own.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
) -> None:
    """Train a model: the LoRA warm start (method sft), or the tabular classifier (method tabular).

    The run folder (`out`) then holds what `ddx calibrate`, `ddx eval` and `--model` take.
    """
    from ddx.train.config import load_config
    from ddx.train.run import run

    settings = load_config(config, overrides or [])
    folder = run(settings, resume, lambda line: typer.echo(line, err=True))
    typer.echo(folder)
    if settings.method == "sft":
        typer.echo(f"next: ddx calibrate {folder}, then ddx eval --model {folder}", err=True)
