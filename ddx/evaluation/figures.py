"""The reliability diagrams of an evaluation as files: SVG, PNG, Vega-Lite, and the bins as CSV."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import vl_convert

from ddx.evaluation import charts
from ddx.evaluation.words import OUTCOMES
from ddx.files import write_text

__all__ = ["write_figures"]


def write_figures(result: Mapping[str, Any], folder: Path) -> list[Path]:
    """Write LEVEL-GROUP with .svg, .png, .vl.json and .csv for every diagram of `ddx eval`'s JSON; returns the SVGs.

    Levels: item, top1, set. Groups: all, the stages, sex, age. `-logit` has logit axes, for what lies near 0 and 1.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for level, groups in result["reliability"].items():
        for group, found in groups.items():
            if not found["bins"]:
                continue
            name = f"{level}-{group.replace(' ', '-')}"
            write_text(folder / f"{name}.csv", pd.DataFrame(found["bins"]).to_csv(index=False))
            for suffix, logit in (("", False), ("-logit", True)):
                chart = charts.reliability_chart(found, charts.LIGHT, logit, OUTCOMES[level])
                spec = chart.properties(width=charts.SIDE, background="white").to_dict()
                write_text(folder / f"{name}{suffix}.vl.json", json.dumps(spec) + "\n")
                write_text(folder / f"{name}{suffix}.svg", vl_convert.vegalite_to_svg(spec))
                (folder / f"{name}{suffix}.png").write_bytes(vl_convert.vegalite_to_png(spec, scale=2))
                written.append(folder / f"{name}{suffix}.svg")
    return written
