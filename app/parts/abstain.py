"""When the model should not answer: by the rule in its folder, which was fitted on calibration patients."""

from __future__ import annotations

import streamlit as st

from app.parts.engine import model_folder
from ddx.calibration.selective import Abstention
from ddx.differential import Differential, percent
from ddx.errors import InputError
from ddx.evaluation.promises import read_promises

__all__ = ["advice"]


@st.cache_data(show_spinner=False)
def _rules(folder: str) -> list[Abstention]:
    from pathlib import Path

    try:
        promises = read_promises(Path(folder))
    except InputError:
        return []
    return [] if promises is None else [rule for rule in promises.abstentions if rule.what == "first"]


def advice(differential: Differential) -> str | None:
    """Why the list should be taken as no answer, if it should: its first confidence is below the loosest threshold.

    A list without a diagnosis says so itself.
    """
    if not differential.diagnoses or differential.semantics != "pathology":
        return None
    rules = _rules(str(model_folder()))
    if not rules:
        return None
    rule = max(rules, key=lambda r: r.risk)
    first = differential.diagnoses[0].confidence
    if first >= rule.threshold:
        return None
    return (
        f"Take this as no answer: the first diagnosis has {percent(first)}. Only from {percent(rule.threshold)} on is "
        f"it wrong in at most {percent(rule.risk)} of cases (promised from {rule.n_cases:,} calibration cases). The "
        "list may still remind you of something."
    )
