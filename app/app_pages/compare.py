"""Compare: two evaluations on the same cases, and clinicians with the model over time."""

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from app.parts.compare_files import compared, found_runs, run, runs_folder, uploaded_runs
from app.parts.compare_time import over_time
from app.parts.compare_view import calibration_of_both, differences
from ddx.errors import InputError
from ddx.evaluation.compare import Run

PARTS = ("Two evaluations", "Clinicians and the model over time")


def page() -> None:
    """The whole page."""
    st.title("Compare", anchor=False)
    part = st.segmented_control(
        "What to compare", PARTS, default=PARTS[0], required=True, key="compare_part", persist_state="session",
        label_visibility="collapsed",
    )  # fmt: skip
    if part == PARTS[1]:
        st.subheader(PARTS[1], anchor=False)
        over_time()
    else:
        _runs()


def _runs() -> None:
    found: dict[str, Path | Run] = dict(found_runs())
    with st.expander("Upload evaluations", icon=":material/upload:"):
        files = st.file_uploader(
            "NAME.json and NAME.cases.parquet, as `ddx eval` wrote them", type=["json", "parquet"], key="compare_files",
            accept_multiple_files=True,
        )  # fmt: skip
    try:
        found |= uploaded_runs(files or ())
    except InputError as error:
        st.error(str(error), icon=":material/error:")
    if len(found) < 2:
        st.info(
            f"There are not two evaluations to compare yet. Run `ddx eval` with `-o {runs_folder()}/NAME.json`, start "
            "the app with DDX_RUNS=(a folder of evaluations), or upload some.",
            icon=":material/terminal:",
        )
        return
    left, right = st.columns(2)
    first = left.selectbox("First", list(found), key="compare_first", persist_state="session")
    second = right.selectbox("Second", list(found), index=1, key="compare_second", persist_state="session")
    if first == second or first is None or second is None:
        st.info("Choose two different evaluations.")
        return
    try:
        one, other = _read(found[first]), _read(found[second])
        figures = compared(one, other, (first, second))
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        return
    st.html(f'<p class="ddx-reading">{_which(first, one.result)}<br>{_which(second, other.result)}</p>')
    st.subheader("Differences on the same cases", anchor=False)
    differences(figures)
    st.subheader("Calibration of both", anchor=False)
    calibration_of_both(one.result, other.result, (first, second))


def _read(found: Path | Run) -> Run:
    return found if isinstance(found, Run) else run(found)


def _which(name: str, result: Mapping[str, Any]) -> str:
    model, parts = result["model"], []
    for what in ("adapter", "calibrator"):
        value = model.get(f"{what}_sha256")
        parts.append(f"{what} {str(value)[:8]}" if value else f"no {what}")
    about = f"model {model['id']} ({', '.join(parts)}), {result.get('n', 0):,} cases"
    if result.get("created"):
        about += f", measured {str(result['created'])[:10]}"
    return f"<strong>{html.escape(name)}</strong>: {html.escape(about)}"


page()
