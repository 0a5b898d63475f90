"""`ddx bench`: how fast each engine answers on this machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Annotated

import typer

from ddx.cli.loading import ENGINE_HELP, load_for_command

SINGLE = 24  # cases asked one at a time, for the latency


def bench(
    engine: Annotated[
        list[str] | None, typer.Option("--engine", help=f"{ENGINE_HELP} Give it again for another one.")
    ] = None,
    cases: Annotated[int, typer.Option("--cases", min=1, help="Cases answered together.")] = 96,
    model: Annotated[str | None, typer.Option("--model", "-m", help="A model folder, if not the shipped one.")] = None,
) -> None:
    """Cases and tokens a second, and the time of one case alone, for each engine.

    The cases are the bundled examples, repeated. Tokens are those that the model wrote. The latency (median and 95th
    percentile) is of the first 24 cases, asked one at a time.
    """
    from ddx.cli.show import bars

    typer.echo(f"{'engine':<14}{'cases/s':>9}{'tokens/s':>10}{'p50 s':>8}{'p95 s':>8}   ready in, failed")
    for name in engine or ["transformers"]:
        with bars() as progress:
            task = progress.add_task(name, total=cases + min(cases, SINGLE))
            typer.echo(_measured(name, model, cases, partial(progress.advance, task)))


def _measured(name: str, model: str | None, n: int, on_done: Callable[[int], None]) -> str:
    import numpy as np

    from ddx.data.demo import demo_cases

    began = perf_counter()
    loaded = load_for_command(model, name)
    ready = perf_counter() - began
    examples = [demo.case for demo in demo_cases()]
    cases = [examples[i % len(examples)] for i in range(n)]
    loaded.predict(cases[0])  # the first answer sets things up
    began = perf_counter()
    found = loaded.predict_many(cases, on_done)
    seconds = perf_counter() - began
    alone = []
    for case in cases[:SINGLE]:
        began = perf_counter()
        loaded.predict(case)
        alone.append(perf_counter() - began)
        on_done(1)
    p50, p95 = np.quantile(alone, (0.5, 0.95))
    tokens, failed = sum(d.tokens for d in found), sum(d.status == "failed" for d in found)
    counts = "".join(f", {count} {what}" for what, count in loaded.engine.counts.items() if what != "requests")
    return (
        f"{loaded.engine.name:<14}{n / seconds:>9.2f}{tokens / seconds:>10.1f}{p50:>8.2f}{p95:>8.2f}"
        f"   {ready:.0f} s, {failed} of {n}{counts}"
    )
