"""`ddx stability`: whether small changes to a case change a model's answer, and whether the decisive finding does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def stability(
    out: Annotated[Path, typer.Option("--out", "-o", help="The JSON to write.")] = Path(
        "runs/evaluation/stability.json"
    ),
    model: Annotated[str | None, typer.Option("--model", "-m", help="A model folder, if not the shipped one.")] = None,
    data: Annotated[Path, typer.Option("--data", help="The folder of `ddx data prepare`.")] = Path("data/ddxplus"),
    split: Annotated[str, typer.Option("--split", help="test, or dev while a model is still being chosen.")] = "test",
    size: Annotated[int, typer.Option("--size", min=1, help="Cases at each stage.")] = 25,
) -> None:
    """Ask a model about cases and their twins: asked alone, reordered, reworded, with an irrelevant remark, of the
    other sex, with typos, and without the decisive finding.

    Writes OUT and, beside it, one line a twin, without the case's text (.cases.jsonl).
    """
    from ddx.cli.loading import load_for_command
    from ddx.cli.show import bars, ticker
    from ddx.data.splits import SPLITS
    from ddx.errors import InputError
    from ddx.evaluation.stability import stability as run
    from ddx.evaluation.stability import write_stability

    if split not in SPLITS or split in ("train", "calibration"):
        raise InputError(f"--split: {split!r} is not one of dev, test")
    loaded = load_for_command(model)
    with bars() as progress:
        result, records = run(loaded, data, split, size, ticker(progress))
    typer.echo(write_stability(out, result, records))
    typer.echo(out, err=True)
