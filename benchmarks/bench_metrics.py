"""Seconds for the metrics of 100,000 cases of ten diagnoses each, and for `import ddx` in a fresh process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from ddx.calibration.reliability import reliability
from ddx.metrics import aggregate, calibration, per_case

CASES, SLOTS, CONDITIONS, DRAWS = 100_000, 10, 49, 1000


def synthetic(seed: int = 0) -> per_case.Batch:
    """Random lists in whole percents, so that ties occur as they do in what a model writes."""
    rng = np.random.default_rng(seed)
    codes = rng.random((CASES, CONDITIONS)).argsort(axis=1)[:, :SLOTS]
    shares = -np.sort(-rng.dirichlet(np.full(SLOTS + 1, 0.5), size=CASES)[:, :SLOTS], axis=1)
    gold = rng.random((CASES, CONDITIONS)) < 0.2
    truth = rng.integers(0, CONDITIONS, CASES)
    return per_case.Batch(codes, np.floor(shares * 100) / 100, truth, gold, np.ones(CASES, dtype=bool))


def timed(name: str, work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    print(f"{name:<44}{seconds:8.2f} s")
    return seconds


def with_interval(values: Callable[[], per_case.Floats]) -> aggregate.Estimate:
    return aggregate.mean_interval(values(), DRAWS)


def main() -> None:
    batch = synthetic()
    hit = per_case.hits(batch)
    functions: dict[str, Callable[[], per_case.Floats]] = {
        "pass@1": lambda: per_case.pass_at(batch, 1),
        "pass@10": lambda: per_case.pass_at(batch, SLOTS),
        "distinct gold@10": lambda: per_case.distinct_gold_at(batch, SLOTS),
        "recall@10": lambda: per_case.recall_at(batch, SLOTS),
        "reciprocal rank": lambda: per_case.reciprocal_rank(batch),
        "Brier of the list": lambda: per_case.brier_list(batch),
        "set confidence": lambda: per_case.set_confidence(batch),
    }
    print(f"{CASES:,} cases x {SLOTS} diagnoses, {DRAWS:,} draws")
    total = 0.0
    for name, values in functions.items():
        total += timed(f"{name}, with interval", partial(with_interval, values))
    total += timed("CORP of the items", lambda: calibration.corp(batch.conf, hit, batch.listed))
    total += timed("ECE of the items", lambda: calibration.ece(batch.conf, hit, mask=batch.listed))
    total += timed("ECE null", lambda: calibration.ece_null(batch.conf, draws=DRAWS, mask=batch.listed))
    total += timed("reliability diagram (200 draws)", lambda: reliability(batch.conf, hit, batch.listed))
    print(f"{'total':<44}{total:8.2f} s")
    timed(
        "import ddx, fresh process (with Python's own)",
        lambda: subprocess.run([sys.executable, "-c", "import ddx"], check=True),
    )
    timed("Python alone, fresh process", lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))


if __name__ == "__main__":
    main()
