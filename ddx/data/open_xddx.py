"""Open-XDDx: 570 exam cases with a gold differential each, and the words of the text that speak for each diagnosis.

Zhou et al., "Explainable differential diagnosis with dual-inference large language models", npj Health Systems 2025,
2:12. Evaluation only. The workbook stays in the user's folder; this package carries reviewed decisions on its names
(`tables/open_xddx_gold.csv`). Which diagnosis is the patient's own is not stated, so no case has a pathology.
"""

import ast
import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import zip_longest
from pathlib import Path
from typing import Any

from ddx.case import Case
from ddx.data.quotes import locate
from ddx.data.vignettes import GoldDiagnosis, Vignette, one_line, strict_key
from ddx.errors import InputError
from ddx.vocabulary import Matcher, Vocabulary, load_vocabulary, normalise

__all__ = ["FILE", "SOURCE", "NameRow", "load_open_xddx", "open_xddx_gold"]

FILE = "open_xddx.xlsx"
SOURCE = "open-xddx"
_COLUMNS = ("Index", "patient_info", "interpretation")
_LONGEST = 100_000  # characters of one cell of quotes; the published ones have at most a few thousand


@dataclass(frozen=True, slots=True)
class NameRow:
    """One reviewed decision: `key` is empty when `name` is out of the vocabulary; `why` where not obvious."""

    name: str
    key: str
    why: str


def open_xddx_gold() -> tuple[NameRow, ...]:
    """The reviewed table: the names that the vocabulary matches, and those that come near."""
    text = (files("ddx.data") / "tables" / "open_xddx_gold.csv").read_text(encoding="utf-8")
    return tuple(NameRow(r["name"], r["key"], r["why"]) for r in csv.DictReader(text.splitlines()))


def load_open_xddx(folder: Path, vocabulary: Vocabulary | None = None) -> list[Vignette]:
    """The cases in file order, the text as published, blanks apart; age and sex are None: they stand in the text.

    A gold name's key is that of the reviewed table, else what `ddx.data.vignettes.strict_key` says.
    Raises InputError, naming file and row, when the folder or the file is missing or a row cannot be read.
    """
    matcher = Matcher(load_vocabulary() if vocabulary is None else vocabulary)
    reviewed = {normalise(row.name): row.key for row in open_xddx_gold()}
    path = Path(folder) / FILE
    known = {condition.key for condition in matcher.vocabulary}
    vignettes, seen = [], set()
    for number, row in _sheet(path):
        where = f"{path}, row {number}"
        ref = row["Index"]
        if isinstance(ref, bool) or not isinstance(ref, int) or ref in seen:
            raise InputError(f"{where}, column Index: expected a number of its own; use the published file")
        seen.add(ref)
        text = row["patient_info"]
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{where}, column patient_info: missing or empty; use the published file")
        text = one_line(text)
        differential = []
        for name, quotes in _interpretation(row["interpretation"], where).items():
            key = reviewed[normalise(name)] if normalise(name) in reviewed else strict_key(name, matcher)
            if key and key not in known:
                raise InputError(f"{where}: the vocabulary in use has no condition {key!r}; extend the project's own")
            differential.append(GoldDiagnosis(one_line(name), key or None, None, locate(quotes, text)))
        case = Case(case_id=f"{SOURCE}-{ref}", text=text)
        vignettes.append(Vignette(case, "", None, SOURCE, str(ref), tuple(differential)))
    if not vignettes:
        raise InputError(f"{path}: no cases; get the file again")
    return vignettes


def _interpretation(cell: Any, where: str) -> dict[str, list[str]]:
    """{name: [quote, …]}, which the workbook holds as text in Python's notation; only literals are read."""
    problem = f"{where}, column interpretation: expected diagnoses with their quotes; use the published file"
    if not isinstance(cell, str) or len(cell) > _LONGEST:
        raise InputError(problem)
    try:
        found = ast.literal_eval(cell)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        raise InputError(problem) from None
    if not isinstance(found, dict) or not found:
        raise InputError(problem)
    for name, quotes in found.items():
        named = isinstance(name, str) and bool(name.strip())
        if not (named and isinstance(quotes, list) and all(isinstance(quote, str) for quote in quotes)):
            raise InputError(problem)
    return found


def _sheet(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows of the first sheet with their numbers, None where a cell is empty; empty rows are passed over."""
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder; give the folder that holds {path.name}")
    if not path.is_file():
        raise InputError(f"{path}: no such file; data_cards/vignettes.md says where to get it")
    columns, *rows = _cells(path) or [()]
    for column in _COLUMNS:
        if column not in columns:
            raise InputError(f"{path}, row 1: no column {column!r}; use the published file")
    for number, cells in enumerate(rows, start=2):
        if any(cell is not None for cell in cells):
            yield number, dict(zip_longest(columns, cells))


def _cells(path: Path) -> list[tuple[Any, ...]]:
    import zipfile
    import zlib

    import openpyxl  # slow to import, and needed for this file alone

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            return list(book.worksheets[0].iter_rows(values_only=True))
        finally:
            book.close()
    except (OSError, EOFError, LookupError, ValueError, SyntaxError, zipfile.BadZipFile, zlib.error):
        raise InputError(f"{path}: not a workbook that can be read; get the file again") from None
