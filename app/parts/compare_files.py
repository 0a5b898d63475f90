"""Evaluations to compare: those in the folder of runs, the one that ships, and those that a reader uploads."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from app.parts.evaluation import evaluation_file
from ddx.errors import InputError
from ddx.evaluation.cases import METRICS
from ddx.evaluation.compare import Run, compare, read_run

__all__ = ["compared", "found_runs", "run", "runs_folder", "uploaded_runs"]

CASES = ".cases.parquet"


def runs_folder() -> Path:
    """`$DDX_RUNS`, else `runs/evaluation` under the folder that the app was started in."""
    return Path(os.environ.get("DDX_RUNS") or "runs/evaluation").expanduser()


def found_runs() -> dict[str, Path]:
    """Name → evaluation: the one that ships first, then the JSON files with a table of cases beside them, and the run
    folders with an `evaluation.json`. What else lies there is passed over."""
    found = {"Shipped evaluation": evaluation_file()} if evaluation_file().exists() else {}
    folder = runs_folder()
    if folder.is_dir():
        for path in sorted([*folder.glob("*.json"), *folder.glob("*/evaluation.json")]):
            if path.with_suffix(CASES).exists():
                name = path.parent.name if path.name == "evaluation.json" and path.parent != folder else path.stem
                found[name] = path
    return found


def run(path: Path) -> Run:
    """The evaluation, read once as long as its file stays. Raises InputError in one line."""
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    return _read(str(path), changed)


@st.cache_resource(show_spinner=False, max_entries=16)
def _read(path: str, changed: int) -> Run:
    return read_run(Path(path))


def uploaded_runs(files: Sequence[Any]) -> dict[str, Run]:
    """Name → evaluation, from uploaded NAME.json and NAME.cases.parquet. Raises InputError in one line."""
    by_name = {Path(file.name).name: file.getvalue() for file in files}
    return {
        f"{name.removesuffix('.json')} (uploaded)": _from_bytes(name, content, by_name.get(name[:-5] + CASES))
        for name, content in by_name.items()
        if name.endswith(".json")
    }


@st.cache_resource(show_spinner=False, max_entries=8)
def _from_bytes(name: str, content: bytes, cases: bytes | None) -> Run:
    with tempfile.TemporaryDirectory(prefix="ddx-compare-") as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        if cases is not None:
            path.with_suffix(CASES).write_bytes(cases)
        try:
            return read_run(path)
        except InputError as error:  # the reader knows the name, not the folder
            raise InputError(str(error).replace(f"{folder}/", "")) from None


def compared(first: Run, second: Run, names: tuple[str, str]) -> dict[str, Any]:
    """The second against the first on the cases of both, under these names. Raises InputError when they are not the
    same cases."""
    return _compared(_key(first), _key(second), names, first, second)


def _key(one: Run) -> str:
    """What the comparison depends on."""
    values = pd.util.hash_pandas_object(one.cases[["case_id", "stage", *METRICS]], index=False)
    return hashlib.sha256(values.to_numpy().tobytes()).hexdigest()


@st.cache_data(show_spinner="Comparing …", max_entries=32)
def _compared(first: str, second: str, names: tuple[str, str], _first: Run, _second: Run) -> dict[str, Any]:
    return compare([Run(names[0], _first.result, _first.cases), Run(names[1], _second.result, _second.cases)])
