"""What a session remembers: its latest result, and for which case it is."""

from __future__ import annotations

import json
from dataclasses import dataclass

import streamlit as st

from ddx.case import Case
from ddx.differential import Differential

_KEY = "review_result"


@dataclass(frozen=True)
class Result:
    """A reviewed case. `prompt` is the text that the model saw, `seconds` the time it took."""

    case: Case
    differential: Differential
    prompt: str
    seconds: float


def keep(result: Result) -> None:
    """Remember a result for this session (Streamlit keeps it across pages)."""
    st.session_state[_KEY] = result


def forget() -> None:
    """Drop the result, if there is one."""
    st.session_state.pop(_KEY, None)


def result_for(case: Case | None) -> Result | None:
    """The result for exactly this case; one for another case is dropped."""
    result: Result | None = st.session_state.get(_KEY)
    if result is not None and result.case != case:
        forget()
        return None
    return result


def result_json(result: Result) -> str:
    """The result as the JSON that `ddx predict --json` writes."""
    return json.dumps(result.differential.to_dict(), indent=2, ensure_ascii=False)
