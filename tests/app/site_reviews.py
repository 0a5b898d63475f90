"""A store full of reviews that nobody made: lists as a model would calibrate them, and clinicians who agree with them
less than stated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from ddx.case import Case
from ddx.differential import Diagnosis, Differential
from ddx.review import Kept, Review, kept_from
from ddx.store import Store
from ddx.vocabulary import load_vocabulary

MODEL = {"id": "tests/site-model", "adapter_sha256": "ad" * 32, "calibrator_sha256": "ca" * 32}
BEGIN = datetime(2026, 1, 5, 9, tzinfo=UTC)


def fill(path: Path, n: int, slope: float = 0.4, days: float = 1.5, model: dict[str, str] | None = None) -> None:
    """n decided reviews, `days` apart; the clinician comes to line r with a chance ∝ p_r^slope."""
    rng, at = np.random.default_rng(n), [BEGIN]
    conditions = list(load_vocabulary())
    with Store.open(path, clock=lambda: at[0]) as store:
        for i in range(n):
            at[0] = BEGIN + timedelta(days=days * i)
            every = np.sort(rng.dirichlet(np.full(5, 0.4)))[::-1] * (rest := rng.uniform(0.7, 0.98))
            p = np.round(np.append(every, 1 - rest), 4)
            weights = np.maximum(p, 0.005) ** slope
            outcome = int(rng.choice(6, p=weights / weights.sum()))
            lines = rng.permutation(len(conditions))[:6]
            diagnoses = tuple(
                Diagnosis(r + 1, conditions[c].name, float(p[r]), conditions[c].key, conditions[c].icd10)
                for r, c in enumerate(lines[:5])
            )
            form = Differential("own-case", diagnoses, model=model or MODEL).to_dict()
            kept = list(kept_from(form))
            first = kept[outcome] if outcome < 5 else Kept(conditions[lines[5]].name, "clinician")
            final = (first, *(k for k in kept if k is not first))
            agrees = outcome == 0
            case = Case("own-case", float(rng.integers(1, 90)), ("F", "M")[i % 2], text=f"made-up case {i}")
            store.save(
                Review(
                    f"review-{i:04d}", case, f"reviewer {i % 2 + 1}", own=(first.name,) if i % 3 else None,
                    differential=form, kept=final, decision="accepted" if agrees else "overridden",
                    reason="" if agrees else "another one is likelier",
                )
            )  # fmt: skip
