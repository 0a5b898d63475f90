"""`ddx train`: one config, one run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ddx.errors import InputError


def train(
    config: Annotated[Path, typer.Argument(help="A YAML config, such as those in training/configs.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value, over the config's own.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan of a rl run; train nothing.")] = False,
) -> None:
    """Train a model: the LoRA warm start (method sft), multi-answer reinforcement learning from it (method rl), a nano
    base from nothing (method nano), or the tabular classifier (method tabular).

    The run folder (`out`) then holds what `ddx calibrate`, `ddx eval` and `--model` take.
    """
    from ddx.train.config import load_config
    from ddx.train.run import run

    settings = load_config(config, overrides or [])
    if dry_run:
        if settings.method != "rl":
            raise InputError(f"--dry-run plans reinforcement learning; {config} is of the method {settings.method}")
        from ddx.train.plan import plan

        typer.echo("\n".join(plan(settings)))
        return
    folder = run(settings, resume, lambda line: typer.echo(line, err=True))
    typer.echo(folder)
    if settings.method == "rl":
        typer.echo(f"next: ddx predict --model {folder} --file CASE, and read {folder}/RUN.md", err=True)
    if settings.method in ("sft", "nano"):
        typer.echo(f"next: ddx calibrate {folder}, then ddx eval --model {folder}", err=True)
