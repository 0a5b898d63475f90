"""Figures by sex and by age: the same metrics for fewer patients, each cell with its n."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ddx.evaluation.sample import Sample
from ddx.metrics import per_case
from ddx.metrics.aggregate import mean_interval
from ddx.metrics.per_case import Batch

__all__ = ["AGE_BANDS", "SMALL", "members", "subgroup_figures"]

AGE_BANDS = ((0, 18, "under 18"), (18, 40, "18 to 39"), (40, 65, "40 to 64"), (65, 200, "65 and over"))
SMALL = 50  # below this number of cases a figure is shown in grey: too few to compare by

_METRICS = {
    "pass@1": lambda b: per_case.pass_at(b, 1),
    "pass@3": lambda b: per_case.pass_at(b, 3),
    "brier_list": per_case.brier_list,
}


def members(sample: Sample) -> dict[str, dict[str, np.ndarray]]:
    """Kind → subgroup → bool [n]. Cases that state no sex or no age are in no subgroup of that kind."""
    sex = np.array([c.sex or "" for c in sample.cases])
    age = np.array([np.nan if c.age is None else c.age for c in sample.cases], dtype=float)
    return {
        "sex": {"women and girls": sex == "F", "men and boys": sex == "M"},
        "age": {words: (age >= low) & (age < high) for low, high, words in AGE_BANDS},
    }


def subgroup_figures(batch: Batch, sample: Sample, stages: tuple[str, ...]) -> dict[str, Mapping[str, Any]]:
    """Kind → subgroup → stage → metric → estimate, over cases; a cell without cases is left out."""
    found: dict[str, dict[str, Any]] = {}
    for kind, groups in members(sample).items():
        for name, inside in groups.items():
            for stage in stages:
                here = np.zeros(len(sample), dtype=bool)
                here[sample.where(stage)] = True
                rows = np.flatnonzero(inside & here)
                if len(rows):
                    part = batch.take(rows)
                    figures = {m: mean_interval(f(part)).to_dict() for m, f in _METRICS.items()}
                    found.setdefault(kind, {}).setdefault(name, {})[stage] = figures
    return dict(found)
