"""The scored table: the input's columns as they were, then the differential, written beside and renamed.

The output is UTF-8 (with a byte order mark if the input had one), with the input's separator and LF ends.
A text cell or column name that starts with = + - @ TAB or CR gets a leading apostrophe, in all columns, so
that no spreadsheet runs it as a formula; plain numbers, such as -5 or +1,5, stay as they are. The reader of
this package takes the apostrophe off again.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from ddx.differential import Differential
from ddx.errors import InputError
from ddx.scoring.escaping import escape
from ddx.scoring.readers import Table

__all__ = ["TableWriter", "added_columns", "check_output", "differential_cells", "format_row", "input_cells"]


def added_columns(k: int) -> list[str]:
    """`ddx_status`; name, ICD-10 code and confidence of k diagnoses; `other_confidence`, `model_id`."""
    names = [name for i in range(1, k + 1) for name in (f"dx{i}", f"dx{i}_icd10", f"dx{i}_confidence")]
    return ["ddx_status", *names, "other_confidence", "model_id"]


def differential_cells(status: str, differential: Differential | None, model_id: str, k: int) -> list[str]:
    """The added cells of a row. Confidences shown and `other_confidence` sum to 1 (for `pathology`)."""
    if differential is None:
        return [status, *[""] * (3 * k + 1), model_id]
    shown = replace(differential, diagnoses=differential.diagnoses[:k]).to_dict()
    cells = [status]
    for row in shown["differential"]:
        cells += [row["name"], row["icd10"] or "", f"{row['confidence']:.4f}"]
    cells += [""] * (1 + 3 * k - len(cells))
    other = shown["other"] if shown["differential"] else None
    return [*cells, "" if other is None else f"{other:.4f}", model_id]


def input_cells(cells: Sequence[str], width: int, separator: str) -> list[str]:
    """A row's own cells at the header's width.

    A short row is filled with empty cells. What a row has too much stays in the last cell, joined by the
    separator, so that nothing is lost and the added columns stay in place.
    """
    if len(cells) <= width:
        return [*cells, *[""] * (width - len(cells))]
    if not any(cell.strip() for cell in cells[width:]):
        return list(cells[:width])
    return [*cells[: width - 1], separator.join(cells[width - 1 :])]


def format_row(cells: Sequence[str], separator: str) -> str:
    """One line of CSV. (csv.writer of Python 3.11 leaves a lone CR unquoted: the row then reads as two.)"""
    return separator.join(_quoted(escape(c), separator, len(cells)) for c in cells) + "\n"


def check_output(table: Table, out: Path, k: int, force: bool) -> None:
    """Raise InputError when the result can't be written there; called before the model is loaded."""
    names = {name.strip().casefold() for name in table.header}
    taken = next((name for name in added_columns(k) if name in names), None)
    if taken:
        raise InputError(f"{table.path}: column {taken} is already there; remove it, or score the original")
    if out.is_dir():
        raise InputError(f"{out}: this is a folder; give the name of a file to write")
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out}: the folder {out.parent} does not exist; create it first")
    if out.exists() and out.samefile(table.path):
        raise InputError(f"{out}: this is the input; give another name for the result")
    if out.exists() and not force:
        raise InputError(f"{out}: this file is already there; give another name, or --force to replace it")


class TableWriter:
    """Writes `<out>.partial` and renames it to `out` at the end; after a failure the partial file stays."""

    def __init__(self, table: Table, out: Path, k: int) -> None:
        self._table, self._out = table, out
        self._header = [*table.header, *added_columns(k)]
        self._handle: IO[str] | None = None
        self.partial = out.with_name(out.name + ".partial")

    def __enter__(self) -> TableWriter:
        opener: Any = gzip.open if self._out.name.endswith(".gz") else open
        encoding = "utf-8-sig" if self._table.bom else "utf-8"
        try:
            self._handle = cast("IO[str]", opener(self.partial, "wt", encoding=encoding, newline=""))
        except OSError as error:
            raise InputError(f"{self._out}: cannot be written ({error.strerror})") from None
        self._line(self._header)
        return self

    def write(self, cells: Sequence[str], added: Sequence[str]) -> None:
        """One row: its own cells, however many, and the added ones."""
        self._line([*input_cells(cells, len(self._table.header), self._table.separator), *added])

    def flush(self) -> None:
        """Bring what has been written to the disk."""
        if self._handle is not None:
            self._handle.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            self._handle.close()
        if kind is None:
            os.replace(self.partial, self._out)

    def _line(self, cells: Sequence[str]) -> None:
        assert self._handle is not None, "use the writer in a with statement"
        self._handle.write(format_row(cells, self._table.separator))


def _quoted(cell: str, separator: str, width: int) -> str:
    special = any(c in cell for c in (separator, '"', "\n", "\r")) or cell != cell.strip()
    special = special or (width == 1 and not cell)  # or the line would be blank, and no row
    return '"' + cell.replace('"', '""') + '"' if special else cell
