"""What a reinforcement-learning run leaves for a reader: metrics as Parquet, a picture, RUN.md, and a draft of
a model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from ddx.differential import NOTICE
from ddx.files import write_table, write_text

_PANELS = {
    "reward": "mean reward",
    "coverage": "coverage",
    "brier": "Multi-Brier (lower is better)",
    "ece": "ECE so far",
    "unique": "different diagnoses a list",
    "valid": "valid share",
    "tokens": "tokens a completion",
}
_ROWS = {
    "reward": "reward",
    "coverage": "coverage",
    "distinct": "distinct gold a list",
    "brier": "Multi-Brier (lower is better)",
    "unique": "different diagnoses a list",
    "valid": "valid share",
}


def write_report(folder: Path) -> None:
    """Write `metrics.parquet`, `steps.svg`, `RUN.md` and `CARD.md` into a run folder, from what it holds."""
    table = pd.DataFrame(read_metrics(folder)).sort_values("step")
    write_table(folder / "metrics.parquet", table)
    write_text(folder / "steps.svg", _picture(table))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    chosen = folder / "selection.json"
    selection = json.loads(chosen.read_text(encoding="utf-8")) if chosen.exists() else None
    write_text(folder / "RUN.md", "\n".join(_lines(folder, config, table, selection)) + "\n")
    write_text(folder / "CARD.md", "\n".join(_card(folder, config)) + "\n")


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The rows of `metrics.jsonl`, one a step; where a resumed run repeated a step, its later row."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return list({row["step"]: row for row in rows if "ddx/reward" in row}.values())


def _picture(table: pd.DataFrame) -> str:
    """Small multiples over steps as SVG: each value faint, its running mean strong."""
    import altair as alt
    import vl_convert

    charts = []
    for name, title in _PANELS.items():
        column = f"ddx/{name}"
        if column not in table:
            continue
        data = pd.DataFrame({"step": table["step"], "value": table[column]}).dropna()
        data["mean"] = data["value"].rolling(15, min_periods=1).mean()
        base = alt.Chart(data, title=title, width=230, height=130).encode(x=alt.X("step:Q", title="step"))
        axis = alt.Scale(zero=False)
        faint = base.mark_line(opacity=0.3).encode(y=alt.Y("value:Q", title=None, scale=axis))
        charts.append(faint + base.mark_line(strokeWidth=2).encode(y=alt.Y("mean:Q", title=None, scale=axis)))
    grid = alt.vconcat(*(alt.hconcat(*charts[i : i + 3]) for i in range(0, len(charts), 3)))
    return vl_convert.vegalite_to_svg(grid.to_dict())


def _lines(folder: Path, config: dict[str, Any], table: pd.DataFrame, selection: dict[str, Any] | None) -> list[str]:
    done = int(table["step"].max())
    lines = [
        f"# {folder.name}",
        "",
        f"{config['objective']} with K = {config['k']}, confidence meaning {config['meaning']}, from "
        f"`{config['start'] or config['base']}`: {done:,} of {config['steps']:,} steps of "
        f"{config['completions_per_step']} completions ({config['group_size']} a prompt), learning rate "
        f"{config['learning_rate']:g}, seed {config['seed']}.",
        "",
        NOTICE,
        "",
        "## Over the steps",
        "",
        "![reward parts, validity, length and calibration over the steps](steps.svg)",
        "",
        "Means over the sampled completions (temperature "
        f"{config['temperature']:g}) of the first and the last tenth of the steps:",
        "",
        "| | first | last |",
        "|---|---:|---:|",
    ]
    tenth = max(1, len(table) // 10)
    for name, title in _PANELS.items():
        column = f"ddx/{name}"
        if column in table:
            first, last = table[column].head(tenth).mean(), table[column].tail(tenth).mean()
            lines.append(f"| {title} | {first:.3f} | {last:.3f} |")
    if "ddx/reward_seconds" in table and "step_time" in table:
        share = table["ddx/reward_seconds"].max() / max(table["step_time"].sum(), 1e-9)
        lines += ["", f"The reward took {share:.2%} of the time of the steps."]
    if selection is not None:
        lines += ["", "## On dev patients", "", *_selection(selection)]
    lines += [
        "", "## What was run", "",
        "`config.json` is the resolved config with versions and hashes, `metrics.jsonl` and `metrics.parquet` every "
        "step, `samples.jsonl` some completions with what they scored.",
    ]  # fmt: skip
    return lines


def _card(folder: Path, config: dict[str, Any]) -> list[str]:
    """A draft: what can be known from the run. A person adds intended use, limits and what the figures mean."""
    model = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    tables = folder / "evaluation.md"
    return [
        f"# {folder.name} (draft of a model card)", "", NOTICE, "",
        "| | |", "|---|---|",
        f"| base | {model['base']} |",
        f"| start | {config['start'] or config['base']} |",
        f"| format | `{model['format']}`, K = {model['k']} |",
        f"| confidence | `{config['meaning']}` |",
        f"| trained by | {config['objective']} (GRPO), {config['steps']:,} steps of {config['completions_per_step']} "
        f"completions, {config['prompts']:,} DDXPlus training patients of the project's own split |",
        f"| chosen on | {config['dev_cases']} dev cases, see `RUN.md` |",
        "", "## Figures", "",
        tables.read_text(encoding="utf-8").strip() if tables.exists() else "No evaluation was made.",
        "", "## To be written by a person", "",
        "Intended use; who should not use it; what was not measured; which failures were read one by one.",
    ]  # fmt: skip


def _selection(selection: dict[str, Any]) -> list[str]:
    chosen = str(selection["chosen_step"])
    lines = [
        f"Rule: {selection['rule']} (n={selection['n']}). Chosen: step {chosen}. Greedy answers, 95 % bootstrap "
        "intervals over cases; the differences are paired.",
        "",
        "| | start | chosen | chosen − start |",
        "|---|---:|---:|---:|",
    ]
    for name, title in _ROWS.items():
        start, best = selection["dev"]["0"][name], selection["dev"][chosen][name]
        lines.append(
            f"| {title} | {_figure(start)} | {_figure(best)} | {_figure(selection['chosen_minus_start'][name], '+')} |"
        )
    return lines


def _figure(estimate: dict[str, float], sign: str = "") -> str:
    return f"{estimate['value']:{sign}.3f} ({estimate['low']:{sign}.3f} to {estimate['high']:{sign}.3f})"
