"""The notebooks run in a fresh kernel, with data and without, and what is stored of them is clean and small."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FIRST, *OTHERS = NOTEBOOKS
ABSOLUTE = re.compile(r"(?<![\w:/.<])/[\w.-]+/|\b[A-Z]:\\")  # not the slashes of URLs, closing tags and fractions


def execute(path: Path) -> NotebookNode:
    """As `make notebooks` does it, but for the writing."""
    return runpy.run_path(str(ROOT / "notebooks" / "execute.py"))["execute"](path)


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def printed(notebook: NotebookNode) -> str:
    return "".join(o.text for o in outputs(notebook) if o.output_type == "stream")


def charts(notebook: NotebookNode) -> int:
    return sum("image/svg+xml" in o.get("data", {}) for o in outputs(notebook))


def assert_clean(notebook: NotebookNode) -> None:
    """Every code cell ran, in order; no warning, and no path of the machine in what it shows."""
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert [o.text for o in outputs(notebook) if o.get("name") == "stderr"] == []
    text = "\n".join(json.dumps(o, ensure_ascii=False) for o in outputs(notebook))
    assert (found := ABSOLUTE.search(text)) is None, text[max(0, found.start() - 80) : found.end() + 80]
    assert str(ROOT) not in text


def test_a_path_of_the_machine_is_noticed() -> None:
    assert ABSOLUTE.search(f'File "{ROOT}/ddx/case.py"')
    assert not ABSOLUTE.search('<svg xmlns="http://www.w3.org/2000/svg"><g/></svg> and/or 3/4 data/ddxplus')


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_stored_notebook_is_executed_short_and_clean(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    assert_clean(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) <= 12 and max(len(cell.source.splitlines()) for cell in code) <= 15
    kinds = [cell.cell_type for cell in notebook.cells]
    assert all(kinds[i - 1] == "markdown" for i, kind in enumerate(kinds) if kind == "code")  # words before each
    assert charts(notebook) > 0
    assert all(not cell.metadata for cell in notebook.cells)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.language_info == {"name": "python"}


def test_the_stored_notebooks_are_small() -> None:
    assert len(NOTEBOOKS) == 4
    assert sum(path.stat().st_size for path in NOTEBOOKS) < 600_000


@pytest.mark.slow
@pytest.mark.parametrize("path", OTHERS, ids=lambda p: p.stem)
def test_a_notebook_runs(path: Path) -> None:
    notebook = execute(path)
    assert_clean(notebook)
    assert charts(notebook) == charts(nbformat.read(path, as_version=4))


@pytest.mark.slow
def test_the_first_runs_on_prepared_patients(
    some_patients: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DDX_PREPARED", str(some_patients(1500)))
    notebook = execute(FIRST)
    assert_clean(notebook)
    assert "patients chosen" in printed(notebook) and "demo cases" not in printed(notebook)
    assert charts(notebook) == 2


@pytest.mark.slow
def test_the_first_shows_the_demo_cases_without_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDX_PREPARED", str(tmp_path / "nothing"))
    notebook = execute(FIRST)
    assert_clean(notebook)
    assert printed(notebook).count("\n") == 1 and "demo cases are shown instead" in printed(notebook)
    assert "Chest pressure while shoveling snow" in json.dumps(outputs(notebook))
    assert charts(notebook) == 0


@pytest.mark.slow
def test_the_last_stops_where_a_case_and_the_report_disagree(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOKS[-1], as_version=4)
    notebook.cells.insert(2, nbformat.v4.new_code_cell('cases.loc[0, "mrr"] += 0.25'))
    nbformat.write(notebook, tmp_path / "tampered.ipynb")
    with pytest.raises(CellExecutionError, match=r"\('all', 'mrr'\)"):
        execute(tmp_path / "tampered.ipynb")
