"""`ddx eval`: how good a model is, as one JSON, a table on the screen, and the completions it stands on."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

_SHOWN = ("pass@1", "pass@3", "pass@5", "recall@5", "brier_list", "ece_item", "brier_skill_item", "validity")


def evaluate(
    out: Annotated[Path, typer.Option("--out", "-o", help="The JSON to write.")] = Path(
        "runs/evaluation/standard.json"
    ),
    model: Annotated[str | None, typer.Option("--model", "-m", help="A model folder, if not the shipped one.")] = None,
    data: Annotated[Path, typer.Option("--data", help="The folder of `ddx data prepare`.")] = Path("data/ddxplus"),
    split: Annotated[str, typer.Option("--split", help="test, or dev while a model is still being chosen.")] = "test",
    sample: Annotated[
        str, typer.Option("--sample", help="standard (500 a stage), release (2,000) or a number.")
    ] = "standard",
    vignettes: Annotated[Path | None, typer.Option("--vignettes", help="Folder of the outside cases.")] = None,
    base_cases: Annotated[int, typer.Option("--base-cases", min=0, help="Cases a stage for the untrained base.")] = 100,
) -> None:
    """Measure a model on the fixed sample, beside the tabular classifier and the untrained base model.

    Writes OUT and, beside it, OUT with .completions.jsonl: what the model wrote for each case, without its text.
    """
    from ddx.cli.loading import load_for_command
    from ddx.cli.show import bars
    from ddx.data.splits import SPLITS
    from ddx.errors import InputError
    from ddx.evaluation.evaluate import Plan
    from ddx.evaluation.evaluate import evaluate as run

    if split not in SPLITS or split == "train":
        raise InputError(f"--split: {split!r} is not one of {', '.join(s for s in SPLITS if s != 'train')}")
    if not (sample in ("standard", "release") or sample.isdigit() and int(sample) > 0):
        raise InputError(f"--sample: {sample!r} is not standard, release or a number of cases at each stage")
    plan = Plan(data, split, sample, vignettes, base_cases)
    loaded = load_for_command(model)
    base = None
    if base_cases:
        from ddx.model import prompted_base

        base = prompted_base(loaded)
    with bars() as progress:
        tasks: dict[str, Any] = {}

        def on_done(what: str, total: int, more: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.advance(tasks[what], more)

        result, records = run(loaded, base, plan, on_done)
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    _write(out.with_suffix(".completions.jsonl"), lines)
    _write(out, json.dumps(result, ensure_ascii=False, allow_nan=True) + "\n")
    _print(result)
    typer.echo(out)


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def _print(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    rows = [("model", result["metrics"]), *result["baselines"].items()]
    for name in _SHOWN:
        table = Table(title=name, box=None, title_justify="left", pad_edge=False)
        table.add_column("")
        stages = list(result["metrics"])
        for stage in stages:
            table.add_column(stage, justify="right")
        for label, groups in rows:
            table.add_row(label, *(_cell(groups.get(stage, {}).get(name)) for stage in stages))
        console.print(table)
    for label, found in result.get("outside", {}).items():
        for name, figure in found["in_vocabulary"].items():
            console.print(f"outside cases, {label}: {name} {_cell(figure)} n={figure['n']}")


def _cell(figure: dict[str, Any] | None) -> str:
    if not figure:
        return ""
    low, high = figure.get("low", figure.get("null_low")), figure.get("high", figure.get("null_high"))
    note = "" if low is None else f" {'null ' if 'null_low' in figure else ''}{low:.3f}–{high:.3f}"
    return f"{figure['value']:.3f}{note}"
