"""Free-text cases written elsewhere, in and out of the vocabulary reported apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ddx.data.vignettes import Vignette, load_vignettes
from ddx.differential import Differential
from ddx.metrics.aggregate import mean_interval
from ddx.model import Model

SOURCES = ("semigran", "craft-md")


def load_outside(folder: Path, model: Model) -> list[Vignette]:
    """All cases of both sources."""
    return [v for source in SOURCES for v in load_vignettes(folder, source, model.vocabulary)]  # type: ignore[arg-type]


def outside_figures(vignettes: Sequence[Vignette], answers: Sequence[Differential]) -> dict[str, Any]:
    """Top-1, 3 and 5 on cases whose condition the vocabulary has; what is claimed on the others; a line a case.

    No text of a case is kept.
    """
    pairs = list(zip(vignettes, answers, strict=True))
    inside = [(v, d) for v, d in pairs if v.key is not None]
    out = [d for v, d in pairs if v.key is None]
    found: dict[str, Any] = {"in_vocabulary": {}, "out_of_vocabulary": {}, "cases": []}
    for k in (1, 3, 5):
        hits = [float(any(x.key == v.key for x in d.diagnoses[:k])) for v, d in inside]
        found["in_vocabulary"][f"pass@{k}"] = mean_interval(hits).to_dict()
    top = [d.diagnoses[0].confidence if d.diagnoses else 0.0 for d in out]
    found["out_of_vocabulary"]["confidence_first"] = mean_interval(top).to_dict()
    found["out_of_vocabulary"]["something_else"] = mean_interval([d.other or 0.0 for d in out]).to_dict()
    for v, d in inside:
        listed = [{"name": x.name, "confidence": round(x.confidence, 3)} for x in d.diagnoses]
        rank = next((x.rank for x in d.diagnoses if x.key == v.key), None)
        found["cases"].append({"source": v.source, "ref": v.ref, "gold": v.gold, "rank": rank, "listed": listed})
    return found
