"""Reviewed cases to fit a site calibrator on, with clinicians who agree as much as the test says."""

from __future__ import annotations

import numpy as np

from ddx.calibration.site import SiteCase

MODEL = {"id": "tests/model", "adapter_sha256": "ad" * 32, "calibrator_sha256": "ca" * 32}


def site_cases(n: int, slope: float, seed: int = 0, start: int = 0) -> list[SiteCase]:
    """n cases whose clinicians come to slot r with a chance ∝ p_r^slope, for a model that says p: 1 is agreement as
    stated, below 1 the model claims too much. `start` shifts ids and times."""
    rng = np.random.default_rng(seed)
    cases = []
    for i in range(start, start + n):
        every = np.sort(rng.dirichlet(np.full(5, 0.4)))[::-1] * (rest := rng.uniform(0.7, 0.98))
        p = np.round(np.append(every, 1 - rest), 4)
        weights = np.maximum(p, 0.005) ** slope
        outcome = int(rng.choice(6, p=weights / weights.sum()))
        at = f"2026-{1 + i // 28 % 12:02d}-{1 + i % 28:02d}T{i // 336 % 24:02d}:00:00.000000Z"
        cases.append(SiteCase(f"r{i}", at, f"case {i}", tuple(p[:5].tolist()), outcome, own_first=i % 2 == 0))
    return cases
