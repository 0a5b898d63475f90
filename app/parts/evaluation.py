"""The shipped evaluation: read, and looked things up in."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

import ddx
from ddx.case import Case
from ddx.differential import percent
from ddx.errors import InputError
from ddx.evaluation.words import STAGES

RUN = "Run `ddx eval`, which measures the model on the standard sample and writes it."


def evaluation_file() -> Path:
    """`$DDX_EVALUATION`, else the evaluation that ships with the package."""
    shipped = Path(ddx.__file__).parent / "assets" / "evaluation" / "standard.json"
    return Path(os.environ.get("DDX_EVALUATION") or shipped)


def load_evaluation() -> dict[str, Any]:
    """The evaluation. Raises InputError in one line when it is missing or unreadable."""
    path = evaluation_file()
    if not path.exists():
        raise InputError(f"There is no evaluation file yet ({path.name}). {RUN}")
    return _read(str(path), path.stat().st_mtime)


@st.cache_data(show_spinner=False, max_entries=4)
def _read(path: str, changed: float) -> dict[str, Any]:
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{Path(path).name} is not readable as JSON ({error}). {RUN}") from None
    if not isinstance(data, dict) or not isinstance(data.get("metrics"), dict):
        raise InputError(f"{Path(path).name} holds no metrics. {RUN}")
    return data


def figure(group: Mapping[str, Any] | None, stage: str, *names: str) -> Mapping[str, Any]:
    """The first of these metrics that a group of figures has at a stage; empty if it has none."""
    at_stage = (group or {}).get(stage) or {}
    return next((at_stage[name] for name in names if isinstance(at_stage.get(name), Mapping)), {})


def list_metric(data: Mapping[str, Any]) -> str:
    """The name of "the condition is anywhere on the list": pass@k for the largest k measured."""
    names = {name for group in data["metrics"].values() for name in group if name.startswith("pass@")}
    return max(names, key=lambda name: int(name.removeprefix("pass@")), default="pass@5")


def measured_sentence(case: Case) -> str | None:
    """What was measured for cases with as much evidence as this one; None where nothing fits.

    A case of the evaluation data knows its stage. Free text has no stage, so nothing measured fits it.
    """
    stage = case.meta.get("stage")
    if stage not in STAGES:
        return None
    try:
        data = load_evaluation()
    except InputError:
        return None
    found = figure(data["metrics"], stage, list_metric(data))
    if not {"value", "low", "high", "n"} <= set(found):
        return None
    low, high = percent(found["low"]).removesuffix(" %"), percent(found["high"])
    return (
        f"Measured: the patient's condition was on such a list in {percent(found['value'])} ({low} to "
        f"{high}) of {found['n']:,} test cases at this evidence stage."
    )
