"""A differential in the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from ddx.differential import NOTICE, Differential, percent

__all__ = ["bars", "print_differential", "stderr_console", "ticker"]

_BAR = 20  # characters for a confidence of 1


def stderr_console() -> Console:
    """For progress: silent unless a person is watching."""
    return Console(stderr=True, quiet=not sys.stderr.isatty())


def bars() -> Progress:
    """Progress bars on standard error, with what is left: silent unless a person is watching."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = stderr_console()
    return Progress(*columns, console=console, disable=console.quiet)


def ticker(progress: Progress) -> Callable[[str, int, int], None]:
    """`on_done(what, total, more)` for a bar for each thing that is counted."""
    tasks: dict[str, TaskID] = {}

    def on_done(what: str, total: int, more: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what, total=total)
        progress.advance(tasks[what], more)

    return on_done


def print_differential(differential: Differential, console: Console | None = None) -> None:
    """A ranked table (name, ICD-10 code, confidence, "must not miss"), the rest, and the notice."""
    console = console or Console(highlight=False)
    table = Table(box=None, pad_edge=False, show_edge=False, header_style="bold")
    table.add_column("", justify="right")
    table.add_column("Diagnosis", overflow="fold", min_width=20)
    table.add_column("ICD-10", no_wrap=True)
    table.add_column("Confidence", no_wrap=True)
    table.add_column("", overflow="fold")
    for d in differential.diagnoses:
        note = "must not miss" if d.must_not_miss else "not in the vocabulary" if d.key is None else ""
        bar = _bar(d.confidence, console)
        if d.interval is not None:
            bar.append(f" ({percent(d.interval[0])} to {percent(d.interval[1])})")
        table.add_row(str(d.rank), Text(d.name), d.icd10 or "", bar, Text(note))
    if differential.other is not None and differential.diagnoses:
        table.add_row("", Text("Something else"), "", _bar(differential.other, console), "")
    if differential.diagnoses:
        console.print(table)
    else:
        console.print("No diagnosis could be read in the model's answer.", markup=False)
    console.print()
    if differential.semantics == "membership":
        console.print("Confidence: that a diagnosis belongs on the list. There is no sum rule.", markup=False)
    if differential.rescaled:
        console.print("The confidences added up to more than 100 % and were scaled down to it.", markup=False)
    if differential.status != "ok":
        console.print(Text(f"Status {differential.status}: {'; '.join(differential.repairs) or 'no reason given'}"))
    console.print(NOTICE, markup=False)


def _bar(confidence: float, console: Console) -> Text:
    full, rest = ("█", "░") if "utf" in console.encoding.lower() else ("#", ".")
    filled = round(_BAR * min(1.0, max(0.0, confidence)))
    return Text(f"{full * filled}{rest * (_BAR - filled)} {percent(confidence):>5}")
