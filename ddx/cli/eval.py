"""`ddx eval`: how good a model is, as one JSON, a table on the screen, and the completions it stands on."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

BASE_CASES = 10


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
    vignettes: Annotated[
        Path | None,
        typer.Option(
            "--vignettes", help="Outside cases: the published files' folder, or a .csv or .jsonl (docs/case_sets.md)."
        ),
    ] = None,
    completions: Annotated[
        Path | None,
        typer.Option(
            "--completions", help="Completions of an earlier run, to be read again; those of its baselines, too."
        ),
    ] = None,
    base_cases: Annotated[
        int, typer.Option("--base-cases", min=0, help="Cases a stage for the other ways to answer (0: none).")
    ] = BASE_CASES,
    figures: Annotated[
        Path | None, typer.Option("--figures", help="A folder for all reliability diagrams: SVG, PNG, Vega-Lite, CSV.")
    ] = None,
) -> None:
    """Measure a model on the fixed sample, beside the tabular classifier and other ways to answer: its base model
    before training, prompted, and its own single answers, sampled.

    Writes OUT and, beside it, a report to read (.html), the same as tables (.md), a row a case (.cases.parquet) and
    what was written, without the case's text (.completions.jsonl, .baselines.completions.jsonl).
    """
    from ddx.cli.loading import load_for_command
    from ddx.cli.show import bars, ticker
    from ddx.data.splits import SPLITS
    from ddx.errors import InputError
    from ddx.evaluation.evaluate import Plan
    from ddx.evaluation.evaluate import evaluate as run
    from ddx.evaluation.files import write_evaluation
    from ddx.evaluation.promises import read_promises
    from ddx.provenance import shipped_folder

    if split not in SPLITS or split == "train":
        raise InputError(f"--split: {split!r} is not one of {', '.join(s for s in SPLITS if s != 'train')}")
    if not (sample in ("standard", "release") or sample.isdigit() and int(sample) > 0):
        raise InputError(f"--sample: {sample!r} is not standard, release or a number of cases at each stage")
    loaded = load_for_command(model)
    # rules are not held against the patients that they were fitted on
    promises = None if split == "calibration" else read_promises(shipped_folder() if model is None else Path(model))
    plan = Plan(data, split, sample, vignettes, base_cases, completions, promises)
    with bars() as progress:
        found = run(loaded, plan, ticker(progress))
    table = write_evaluation(out, found, _command(out, model, split, sample, vignettes, completions, base_cases))
    if figures is not None:
        from ddx.evaluation.figures import write_figures

        write_figures(found.result, figures)
    typer.echo(table)
    typer.echo(out, err=True)


def _command(out: Path, model: str | None, split: str, sample: str, *rest: Path | int | None) -> str:
    """What was asked for, to be run again."""
    vignettes, completions, base_cases = rest
    words: list[str] = ["ddx", "eval"]
    for flag, value, usual in (
        ("--model", model, None), ("--split", split, "test"), ("--sample", sample, "standard"),
        ("--vignettes", vignettes, None), ("--completions", completions, None),
        ("--base-cases", base_cases, BASE_CASES), ("-o", out, None),
    ):  # fmt: skip
        if value != usual:
            words += [flag, str(value)]
    return shlex.join(words)
