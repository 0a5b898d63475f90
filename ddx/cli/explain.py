"""`ddx explain`: one case, its differential, and the parts of the case that speak for and against each diagnosis."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ddx.cli.loading import ENGINE_HELP, load_for_command
from ddx.cli.predict import read_case
from ddx.errors import DdxError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from ddx.explain.effects import Change, Evidence

SHOWN = 3  # diagnoses; and for each the strongest parts for it, and against it
_WIDE = 16  # characters of the longest bar
_LEAST = 0.05  # nats; what weighs less is not shown
_HEAD = "What speaks for and against, in nats of log-odds"
_MEANS = (
    "The model's own answers with and without each part, measured from the part in the middle: 0.69 doubles the odds, "
    "2.3 makes them ten times as large. Weights do not add up, and say what moved this model, not what is known in "
    "medicine."
)


def explain(
    text: Annotated[str | None, typer.Argument(help='The case, as text or JSON; "-" is standard input.')] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="A .txt or .json file.")] = None,
    age: Annotated[str | None, typer.Option("--age", help="Age in years (0 to 120).")] = None,
    sex: Annotated[str | None, typer.Option("--sex", help="F or M.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print every weight as JSON instead of bars.")] = False,
    model: Annotated[str | None, typer.Option("--model", "-m", help="A model folder, if not the shipped one.")] = None,
    engine: Annotated[str, typer.Option("--engine", help=ENGINE_HELP)] = "transformers",
) -> None:
    """The differential of one case, and for each of its first three diagnoses what speaks for and against it.

    Each part of the text (a sentence, or a clause of a long one) is left out in turn, each structured finding left out
    and reversed, and the case answered again: one generation for each. The weight of a part is what the diagnosis's
    log-odds lose without it.
    """
    from ddx.cli.show import print_differential, stderr_console
    from ddx.explain.effects import effects_of
    from ddx.explain.findings import finding_changes
    from ddx.explain.spans import span_changes

    case = read_case(text, file, age, sex)
    loaded = load_for_command(model, engine)
    changes = [*span_changes(case), *finding_changes(case)]
    with stderr_console().status(f"reading the case, and {len(changes)} variants of it …"):
        evidence = effects_of(loaded, case, changes)
    if evidence.differential.status == "failed":
        raise DdxError(f"no answer ({'; '.join(evidence.differential.repairs)})")
    if as_json:
        typer.echo(json.dumps(_to_dict(evidence), indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    console = Console(highlight=False)
    print_differential(evidence.differential, console)
    console.print()
    _print_evidence(evidence, console)


def _print_evidence(evidence: Evidence, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    from ddx.explain.effects import identity

    if not evidence.effects:
        console.print("The case is a single statement: nothing can be left out of it.", markup=False)
        return
    console.print(Text(_HEAD, "bold"))
    console.print(_MEANS, markup=False)
    shown = [(d, _strongest(evidence, identity(d.key, d.name))) for d in evidence.differential.diagnoses[:SHOWN]]
    most = max((abs(weight) for _, strong in shown for _, weight in strong), default=0.0)
    for d, strong in shown:
        table = Table(box=None, pad_edge=False, show_edge=False, show_header=False)
        table.add_column(no_wrap=True, justify="right")
        table.add_column(no_wrap=True, min_width=_WIDE)
        table.add_column(overflow="fold")
        for change, weight in strong:
            table.add_row(f"{weight:+.2f}", _bar(weight, most, console), Text(_words(change)))
        console.print()
        console.print(Text(f"{d.rank}. {d.name}", "bold"))
        console.print(table if table.rows else Text("no part of the case moves it by itself"))


def _strongest(evidence: Evidence, key: str) -> list[tuple[Change, float]]:
    """The parts that speak most strongly for a diagnosis and against it, with their weight from the middle one."""
    middle = evidence.middle(key)
    ranked = [(e.change, e.weights[key] - middle) for e in evidence.ranked(key)]
    favour = [(change, weight) for change, weight in ranked if weight >= _LEAST]
    against = [(change, weight) for change, weight in ranked if weight <= -_LEAST]
    return favour[:SHOWN] + against[-SHOWN:]


def _bar(weight: float, most: float, console: Console) -> Text:
    from rich.text import Text

    block = "█" if "utf" in console.encoding.lower() else "#"
    return Text(block * max(1, round(_WIDE * abs(weight) / most)), "green" if weight > 0 else "red")


def _words(change: Change) -> str:
    """The part in words; a finding that was reversed is marked, as its weight is against its opposite."""
    return f"{change.text} (against its opposite)" if change.kind == "reversed" else change.text


def _to_dict(evidence: Evidence) -> dict[str, Any]:
    """The differential in its documented form; "evidence", every part with its weight for each diagnosis listed, null
    where an answer could not be read; and "middle", the median weight for each."""
    rows = [
        {
            "text": e.change.text,
            "change": e.change.kind,
            "span": e.change.span,
            "findings": [dict(vars(f)) for f in e.change.findings],
            "weights": {key: None if math.isnan(w) else round(w, 4) for key, w in e.weights.items()},
        }
        for e in evidence.effects
    ]
    keys = evidence.effects[0].weights if evidence.effects else ()
    middle = {key: round(evidence.middle(key), 4) for key in keys}
    return {**evidence.differential.to_dict(), "evidence": rows, "middle": middle}
