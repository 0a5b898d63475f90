"""Recompute an evaluation from its stored completions, and compare every figure with what the report says.

What the model and the baselines wrote is taken as given; reading, matching, calibrating and all figures are done again.
Figures that need a generation (outside cases) are not among them, and are named as such.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ddx.errors import InputError
from ddx.evaluation.baselines import beside
from ddx.evaluation.evaluate import PROTOCOL, Plan, evaluate
from ddx.evaluation.promises import Promises
from ddx.model import Model
from ddx.provenance import file_hash

_PARTS = (
    "n", "data", "calibrator", "metrics", "metrics_stated", "baselines", "tabular_sha256", "minus_tabular",
    "same_cases", "minus_baselines", "baseline_prompts_sha256", "failures", "subgroups", "reliability",
    "reliability_stated", "selective", "decision", "examples", "promises",
)  # fmt: skip
_HASHES = ("adapter_sha256", "base_sha256", "calibrator_sha256", "vocabulary_sha256", "prompt_sha256")


@dataclass(frozen=True)
class Verdict:
    """Parts recomputed, what differs (one line each; none: the report holds), and parts that were not recomputed."""

    recomputed: tuple[str, ...]
    differing: tuple[str, ...]
    left_out: tuple[str, ...]


def verify(
    report: Path,
    model: Model,
    data: Path,
    on_done: Callable[[str, int, int], None],
    promises: Promises | None = None,
) -> Verdict:
    """Recompute `report` from the completions beside it; `promises` are those of the model's folder.

    Raises InputError when the report or its completions can't be read, or were made by another protocol or by another
    model than `model`.
    """
    stated = _read(report)
    completions = report.with_suffix(".completions.jsonl")
    theirs = {name: stated["model"].get(name) for name in _HASHES}
    for name, value in theirs.items():
        if value != model.info.get(name):
            raise InputError(
                f"{report}: made with another {name.removesuffix('_sha256')} than this model's; give --model"
            )
    written = {completions: "completions_sha256"}
    if stated["base_cases"]:
        written[beside(completions)] = "baselines_sha256"
    for path, name in written.items():
        if not path.exists():
            raise InputError(f"{path}: missing; a report is verified from the completions beside it")
        if file_hash(path) != stated.get(name):
            return Verdict((), (f"{path.name}: not the bytes that the report was made from",), ())
    data_of = stated["data"]
    plan = Plan(data, data_of["split"].split()[0], data_of["sample"], None, stated["base_cases"], completions, promises)
    found = evaluate(model, plan, on_done).result
    differing = tuple(
        _difference(part, stated, found) for part in _PARTS if _bytes(stated, part) != _bytes(found, part)
    )
    return Verdict(_PARTS, differing, ("outside",) if "outside" in stated else ())


def _read(report: Path) -> dict[str, Any]:
    try:
        stated = json.loads(report.read_text(encoding="utf-8"))
        protocol = stated["protocol"]
        if protocol == PROTOCOL:
            stated["model"], stated["data"]["split"], stated["data"]["sample"], stated["base_cases"]
    except OSError as error:
        raise InputError(f"{report}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{report}: not an evaluation that `ddx eval` wrote") from None
    if protocol != PROTOCOL:
        raise InputError(
            f"{report}: made by protocol {protocol}, this version measures by protocol {PROTOCOL}; evaluate again with "
            "`ddx eval`, where --completions spares what the model wrote"
        )
    return dict(stated)


def _get(result: Mapping[str, Any], part: str) -> Any:
    value: Any = result
    for key in part.split("."):
        value = value.get(key)
    return value


def _bytes(result: Mapping[str, Any], part: str) -> str:
    return json.dumps(_get(result, part), ensure_ascii=False, sort_keys=True)


def _difference(part: str, stated: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The first figure of a part that differs, by its path."""
    path, a, b = part, _get(stated, part), _get(found, part)
    while isinstance(a, dict) and isinstance(b, dict):
        key = next((k for k in [*a, *b] if a.get(k) != b.get(k)), None)
        if key is None:
            break
        path, a, b = f"{path}.{key}", a.get(key), b.get(key)
    return f"{path}: the report says {_short(a)}, recomputed {_short(b)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:77] + "…"
