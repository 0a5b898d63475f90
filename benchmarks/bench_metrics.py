"""Seconds for the metrics of 100,000 cases of ten diagnoses each, and for `import ddx` in a fresh process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from ddx.calibration.reliability import reliability
from ddx.metrics import aggregate, calibration, hierarchy, per_case
from ddx.vocabulary import load_vocabulary

CASES, SLOTS, DRAWS = 100_000, 10, 1000
CODES = [condition.icd10 for condition in load_vocabulary()]


def synthetic(seed: int = 0) -> per_case.Batch:
    """Random lists in whole percents, so that ties occur as they do in what a model writes."""
    rng = np.random.default_rng(seed)
    codes = rng.random((CASES, len(CODES))).argsort(axis=1)[:, :SLOTS]
    shares = -np.sort(-rng.dirichlet(np.full(SLOTS + 1, 0.5), size=CASES)[:, :SLOTS], axis=1)
    gold = rng.random((CASES, len(CODES))) < 0.2
    truth = rng.integers(0, len(CODES), CASES)
    return per_case.Batch(codes, np.floor(shares * 100) / 100, truth, gold, np.ones(CASES, dtype=bool))


def timed(name: str, work: Callable[[], object]) -> tuple[float, float]:
    """(wall seconds, seconds of processor time): they differ where other work has the cores."""
    start, used = time.perf_counter(), time.process_time()
    work()
    seconds, used = time.perf_counter() - start, time.process_time() - used
    print(f"{name:<44}{seconds:8.2f} s  ({used:.2f} s of processor time)", flush=True)
    return seconds, used


def with_interval(values: Callable[[], per_case.Floats]) -> aggregate.Estimate:
    return aggregate.mean_interval(values(), DRAWS)


def corp_intervals(batch: per_case.Batch, hit: np.ndarray) -> list[aggregate.Estimate]:
    """Miscalibration, discrimination and Brier skill of the items, each with its interval."""
    of = calibration.corp_of_cases(batch.conf, hit, batch.listed)
    parts: list[Callable[[calibration.Corp], float]] = [lambda c: c.mcb, lambda c: c.dsc, lambda c: c.brier_skill]
    return [aggregate.interval_of(lambda rows, part=part: part(of(rows)), CASES, DRAWS) for part in parts]


def main() -> None:
    batch = synthetic()
    hit = per_case.hits(batch)
    functions: dict[str, Callable[[], per_case.Floats]] = {
        "pass@1": lambda: per_case.pass_at(batch, 1),
        "pass@3": lambda: per_case.pass_at(batch, 3),
        "pass@10": lambda: per_case.pass_at(batch, SLOTS),
        "distinct gold@10": lambda: per_case.distinct_gold_at(batch, SLOTS),
        "recall@10": lambda: per_case.recall_at(batch, SLOTS),
        "reciprocal rank": lambda: per_case.reciprocal_rank(batch),
        "unique diagnoses": lambda: per_case.unique_listed(batch),
        "Brier of the list": lambda: per_case.brier_list(batch),
        "Brier of the items, mean": lambda: np.nanmean(per_case.brier_items(batch), axis=1),
        "log loss": lambda: per_case.log_loss(batch),
        "set confidence": lambda: per_case.set_confidence(batch),
        "set hit": lambda: per_case.set_hit(batch),
        "hierarchical ICD-10 F1@10": lambda: hierarchy.hierarchical(batch, CODES, SLOTS).f1,
    }
    parts: dict[str, Callable[[], object]] = {
        **{f"{name}, with interval": partial(with_interval, values) for name, values in functions.items()},
        "ECE of the items": lambda: calibration.ece(batch.conf, hit, mask=batch.listed),
        "ECE null": lambda: calibration.ece_null(batch.conf, draws=DRAWS, mask=batch.listed),
        "CORP of the items, three intervals": lambda: corp_intervals(batch, hit),
    }
    print(f"{CASES:,} cases x {SLOTS} diagnoses, {DRAWS:,} draws")
    wall, used = np.array([timed(name, work) for name, work in parts.items()]).sum(axis=0)
    print(f"{'total':<44}{wall:8.2f} s  ({used:.2f} s of processor time)")
    timed("reliability diagram (200 draws)", lambda: reliability(batch.conf, hit, batch.listed))
    timed(
        "import ddx, fresh process (with Python's own)",
        lambda: subprocess.run([sys.executable, "-c", "import ddx"], check=True),
    )
    timed("Python alone, fresh process", lambda: subprocess.run([sys.executable, "-c", "pass"], check=True))


if __name__ == "__main__":
    main()
