"""Cases from a file: one as JSON, or any table that `ddx score` reads, FHIR bundles too."""

from __future__ import annotations

import json
import tempfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from ddx.case import Case
from ddx.errors import InputError

if TYPE_CHECKING:
    from streamlit.runtime.uploaded_file_manager import UploadedFile

__all__ = ["KINDS", "MOST", "cases_of", "read_cases"]

KINDS = ["json", "jsonl", "ndjson", "csv", "tsv", "xlsx", "parquet"]
MOST = 200  # cases of a file to go through by hand; more are the batch page's


def cases_of(file: UploadedFile) -> list[Case]:
    """The cases of an upload, read once. Raises InputError in one line."""
    kept: tuple[str, list[Case]] | None = st.session_state.get("file_cases")
    if kept is None or kept[0] != file.file_id:
        kept = (file.file_id, read_cases(file.name, file.getvalue()))
        st.session_state["file_cases"] = kept
    return kept[1]


def read_cases(name: str, content: bytes) -> list[Case]:
    """The first MOST cases of a file. Raises InputError, naming the row, for one that is no case."""
    single = _single(name, content)
    if single is not None:
        return [single]
    from ddx.scoring.readers import open_table
    from ddx.scoring.rows import RowError, read_case

    with tempfile.TemporaryDirectory() as folder:  # the readers want a file; it is gone at the end of the block
        path = Path(folder) / f"cases{Path(name).suffix.lower()}"
        path.write_bytes(content)
        try:
            table = open_table(path)
            return [read_case(table, record) for record in islice(table.records(), MOST)]
        except RowError as error:
            raise InputError(f"{name}: {error}") from None
        except InputError as error:
            raise InputError(str(error).replace(str(path), name)) from None


def _single(name: str, content: bytes) -> Case | None:
    """A file that holds one case as JSON; None for anything else."""
    if not name.lower().endswith(".json"):
        return None
    try:
        data = json.loads(content)
    except ValueError:
        return None
    if not isinstance(data, dict) or "resourceType" in data:
        return None
    return Case.from_dict(data, name)
