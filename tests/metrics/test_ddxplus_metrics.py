"""DDXPlus's own metrics against their definitions in sets, case by case, on random lists."""

import numpy as np
import pytest

from ddx.metrics.ddxplus import THRESHOLD, ddf1, ddp, ddr, dsf1, gtpa
from ddx.metrics.per_case import EMPTY, UNMATCHED, Batch

CONDITIONS = 12
SEVERE = np.arange(CONDITIONS) % 3 == 0


def random_batch(seed: int, n: int = 200, k: int = 5) -> Batch:
    rng = np.random.default_rng(seed)
    codes = rng.integers(UNMATCHED - 1, CONDITIONS, (n, k))
    conf = np.where(codes == EMPTY, 0.0, rng.choice([0.0, 0.005, 0.01, 0.02, 0.1, 0.15], (n, k)))
    gold = [frozenset(rng.choice(CONDITIONS, rng.integers(1, 7), replace=False).tolist()) for _ in range(n)]
    return Batch(codes, conf, rng.integers(0, CONDITIONS, n), gold, rng.random(n) < 0.9)


def harmonic(a: float, b: float) -> float:
    return 2 * a * b / (a + b) if a + b else 0.0


@pytest.mark.parametrize("seed", range(3))
def test_definitions(seed: int) -> None:
    batch = random_batch(seed)
    severe = {i for i in range(CONDITIONS) if SEVERE[i]}
    values = {f.__name__: f(batch) for f in (ddr, ddp, ddf1)} | {"dsf1": dsf1(batch, SEVERE), "gtpa": gtpa(batch, 3)}
    for i in range(len(batch)):
        first: dict[int, tuple[int, float]] = {}  # condition or string → rank, confidence where it comes first
        for rank, (code, q) in enumerate(zip(batch.codes[i].tolist(), batch.conf[i].tolist(), strict=True)):
            if code != EMPTY and code not in first:
                first[code] = rank, q
        listed = {code for code, (_, q) in first.items() if q > THRESHOLD} if batch.valid[i] else set()
        gold = set(np.flatnonzero(batch.gold_matrix[i]).tolist())
        recall, precision = len(listed & gold) / len(gold), len(listed & gold) / max(1, len(listed))
        assert values["ddr"][i] == pytest.approx(recall) and values["ddp"][i] == pytest.approx(precision)
        assert values["ddf1"][i] == pytest.approx(harmonic(recall, precision))
        kept = len(listed & gold & severe) / max(1, len(gold & severe))
        spared = len(severe - listed - gold) / max(1, len(severe - gold))
        wanted = harmonic(kept, spared) if batch.valid[i] else 0.0
        assert values["dsf1"][i] == pytest.approx(wanted)
        truth = int(batch.truth[i])
        assert values["gtpa"][i] == float(truth in listed and first[truth][0] < 3)
