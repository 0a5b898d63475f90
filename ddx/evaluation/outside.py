"""Free-text cases written elsewhere, in and out of the vocabulary reported apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ddx.data.case_sets import load_case_set
from ddx.data.open_xddx import FILE, SOURCE, load_open_xddx
from ddx.data.vignettes import Vignette, load_vignettes
from ddx.differential import Differential
from ddx.explain.agreement import span_agreement
from ddx.metrics.aggregate import mean_interval
from ddx.model import Model

SOURCES = ("semigran", "craft-md")
RANKS = (1, 3, 5)
OnDone = Callable[[int], None]


def load_outside(path: Path, model: Model) -> list[Vignette]:
    """The cases of a folder with the published files, or of a .csv or .jsonl file (`ddx.data.case_sets`).

    A folder must hold Semigran and CRAFT-MD; Open-XDDx is read where it is there. Raises InputError.
    """
    path = Path(path)
    if path.is_file() or path.suffix.lower() in (".csv", ".jsonl"):
        return load_case_set(path, model.vocabulary)
    found = [v for source in SOURCES for v in load_vignettes(path, source, model.vocabulary)]  # type: ignore[arg-type]
    if (path / FILE).is_file():
        found += load_open_xddx(path, model.vocabulary)
    return found


def outside_figures(
    vignettes: Sequence[Vignette],
    answers: Sequence[Differential],
    model: Model | None = None,
    spans: bool = False,
    on_done: OnDone | None = None,
) -> dict[str, Any]:
    """Figures on cases from elsewhere, and a line a case whose condition the vocabulary has. No text of a case is kept.

    `in_vocabulary` and `out_of_vocabulary` are the cases whose source states the pathology: top-1, 3 and 5 where the
    vocabulary has it, what is claimed where it has not. Cases with a gold differential are under `open_xddx`, or under
    `gold_differential` when they come from another file (`differential_figures`). `without_gold` counts those with
    neither. `spans` adds how the model's evidence agrees with the quotes of Open-XDDx (`ddx.explain.agreement`): some
    ten generations more for every case in which it lists a gold diagnosis; it needs `model`.
    """
    pairs = list(zip(vignettes, answers, strict=True))
    inside = [(v, d) for v, d in pairs if v.key is not None]
    out = [d for v, d in pairs if v.gold and v.key is None]
    found: dict[str, Any] = {"in_vocabulary": {}, "out_of_vocabulary": _claims(out), "cases": []}
    for k in RANKS:
        hits = [float(any(x.key == v.key for x in d.diagnoses[:k])) for v, d in inside]
        found["in_vocabulary"][f"pass@{k}"] = mean_interval(hits).to_dict()
    for v, d in inside:
        rank = next((x.rank for x in d.diagnoses if x.key == v.key), None)
        found["cases"].append({"source": v.source, "ref": v.ref, "gold": v.gold, "rank": rank, "listed": _listed(d)})
    found["without_gold"] = sum(not (v.gold or v.differential) for v in vignettes)
    for name, own in (("open_xddx", True), ("gold_differential", False)):
        part = [(v, d) for v, d in pairs if v.differential and (v.source == SOURCE) is own]
        cases, lists = [v for v, _ in part], [d for _, d in part]
        if part:
            found[name] = differential_figures(cases, lists)
        if part and spans and model is not None:
            found[name]["spans"] = span_agreement(model, cases, lists, on_done=on_done)
    return found


def differential_figures(vignettes: Sequence[Vignette], answers: Sequence[Differential]) -> dict[str, Any]:
    """Figures on cases with a gold differential; the conditions of it that the vocabulary has are the gold here.

    `in_vocabulary`, the cases with at least one: recall@k = distinct gold among the first k / min(k, gold), hit@k = at
    least one among them, `precision` = gold among what is listed (0 where nothing is), `gold` = how many there are.
    `out_of_vocabulary`, the others: what is claimed. `quotes`: how many of the gold's quotes stand in the text.
    """
    pairs = list(zip(vignettes, answers, strict=True))
    inside = [(v, d, [x.key in v.gold_keys for x in d.diagnoses]) for v, d in pairs if v.gold_keys]
    figures = {"gold": mean_interval([len(v.gold_keys) for v, _, _ in inside]).to_dict()}
    for k in RANKS:
        recall = [sum(hits[:k]) / min(k, len(v.gold_keys)) for v, _, hits in inside]
        figures[f"recall@{k}"] = mean_interval(recall).to_dict()
        figures[f"hit@{k}"] = mean_interval([float(any(hits[:k])) for _, _, hits in inside]).to_dict()
    figures["precision"] = mean_interval([float(np.mean(hits)) if hits else 0.0 for _, _, hits in inside]).to_dict()
    quotes = [quote for v in vignettes for d in v.differential for quote in d.quotes]
    return {
        "n": len(pairs),
        "in_vocabulary": figures,
        "out_of_vocabulary": _claims([d for v, d in pairs if not v.gold_keys]),
        "quotes": {
            "n": len(quotes),
            "located": sum(quote.span is not None for quote in quotes),
            "word_for_word": sum(quote.score == 1 for quote in quotes),
        },
        "cases": [{"ref": v.ref, "gold": list(v.gold_keys), "listed": _listed(d)} for v, d, _ in inside],
    }


def _claims(answers: Sequence[Differential]) -> dict[str, Any]:
    """What is claimed where nothing that the model can name is right."""
    first = [d.diagnoses[0].confidence if d.diagnoses else 0.0 for d in answers]
    return {
        "confidence_first": mean_interval(first).to_dict(),
        "something_else": mean_interval([d.other or 0.0 for d in answers]).to_dict(),
    }


def _listed(answer: Differential) -> list[dict[str, Any]]:
    return [{"name": x.name, "confidence": round(x.confidence, 3)} for x in answer.diagnoses]
