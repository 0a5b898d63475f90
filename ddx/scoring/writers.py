"""The scored table: the input's columns as they were, then the differential, written beside and renamed.

The form follows the name: `.csv`, `.tsv` or `.txt`, `.jsonl` or `.ndjson` (all also with `.gz`), `.parquet`. The
bytes depend on the input and the answers alone.

CSV is UTF-8 (with a byte order mark if the input had one or was a workbook: Excel needs it), with the input's
separator (`.tsv`: a tab) and LF ends. A text cell or column name that starts with = + - @ TAB or CR gets a
leading apostrophe, in all columns, so that no spreadsheet runs it as a formula; plain numbers, such as -5 or
+1,5, stay as they are. The reader of this package takes the apostrophe off again.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, cast

from ddx.differential import Differential
from ddx.errors import InputError
from ddx.scoring.escaping import escape
from ddx.scoring.table import Record, Table, input_cells

__all__ = [
    "Writer",
    "added_columns",
    "check_output",
    "differential_cells",
    "format_row",
    "input_cells",
    "open_writer",
    "shown",
]

_FORMS: dict[str, Literal["csv", "jsonl", "parquet"]] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}


class Writer(Protocol):
    """What every form of output offers."""

    def write(self, record: Record, status: str, differential: Differential | None) -> None:
        """One row: its own cells, then `status` and the differential (None: there is none, `status` says why)."""
        ...

    def finish(self) -> None:
        """Write what has been held back; `open_writer` calls it."""
        ...


@contextmanager
def open_writer(table: Table, out: Path, k: int, model_id: str = "") -> Iterator[Writer]:
    """A writer of the form that the name of `out` asks for; `check_output` has been called.

    It writes `<out>.partial`, which becomes `out` at the end of the with statement. After a failure it stays.
    """
    beside = out.with_name(out.name + ".partial")
    with _opened(beside, out) as file, _packed(file, out) as raw:
        writer = _writer(table, out, raw, k, model_id)
        try:
            yield writer
        except BaseException:
            with suppress(Exception):  # so that what is there can be read; the error that counts is the first
                writer.finish()
            raise
        writer.finish()
    os.replace(beside, out)


def check_output(table: Table, out: Path, k: int, force: bool) -> None:
    """Raise InputError when the result can't be written there; called before the model is loaded."""
    if out.is_dir():
        raise InputError(f"{out}: this is a folder; give the name of a file to write")
    form = _form(out)
    names = {name.strip().casefold() for name in table.header}
    taken = next((name for name in (["ddx"] if form == "jsonl" else added_columns(k)) if name in names), None)
    if taken:
        raise InputError(f"{table.path}: column {taken} is already there; remove it, or score the original")
    if not out.absolute().parent.is_dir():
        raise InputError(f"{out}: the folder {out.parent} does not exist; create it first")
    if out.exists() and out.samefile(table.path):
        raise InputError(f"{out}: this is the input; give another name for the result")
    if out.exists() and not force:
        raise InputError(f"{out}: this file is already there; give another name, or --force to replace it")


def added_columns(k: int) -> list[str]:
    """`ddx_status`; name, ICD-10 code and confidence of k diagnoses; `other_confidence`, `model_id`."""
    names = [name for i in range(1, k + 1) for name in (f"dx{i}", f"dx{i}_icd10", f"dx{i}_confidence")]
    return ["ddx_status", *names, "other_confidence", "model_id"]


def shown(differential: Differential, k: int) -> dict[str, Any]:
    """The documented JSON form of the first k diagnoses; the rest counts to "something else"."""
    return replace(differential, diagnoses=differential.diagnoses[:k]).to_dict()


def added_values(status: str, differential: Differential | None, model_id: str, k: int) -> list[Any]:
    """The added values of a row, None where there is none. Confidences (for `pathology`) and the rest sum to 1."""
    if differential is None:
        return [status, *[None] * (3 * k + 1), model_id]
    content = shown(differential, k)
    values: list[Any] = [status]
    for row in content["differential"]:
        values += [row["name"], row["icd10"], row["confidence"]]
    values += [None] * (1 + 3 * k - len(values))
    return [*values, content["other"] if content["differential"] else None, model_id]


def differential_cells(status: str, differential: Differential | None, model_id: str, k: int) -> list[str]:
    """The added cells of a row, confidences with four decimals."""
    values = added_values(status, differential, model_id, k)
    return [f"{value:.4f}" if isinstance(value, float) else value or "" for value in values]


def format_row(cells: Sequence[str], separator: str) -> str:
    """One line of CSV. (csv.writer of Python 3.11 leaves a lone CR unquoted: the row then reads as two.)"""
    return separator.join(_quoted(escape(c), separator, len(cells)) for c in cells) + "\n"


class _CsvWriter:
    def __init__(self, table: Table, raw: BinaryIO, separator: str, k: int, model_id: str) -> None:
        self._width, self._raw, self._separator = len(table.header), raw, separator
        self._k, self._model_id = k, model_id
        if table.bom or table.kind == "xlsx":
            raw.write(codecs.BOM_UTF8)
        self._line([*table.header, *added_columns(k)])

    def write(self, record: Record, status: str, differential: Differential | None) -> None:
        cells = input_cells(record.cells, self._width, self._separator)
        self._line([*cells, *differential_cells(status, differential, self._model_id, self._k)])

    def finish(self) -> None:
        """Nothing is held back."""

    def _line(self, cells: Sequence[str]) -> None:
        self._raw.write(format_row(cells, self._separator).encode("utf-8", "backslashreplace"))


def _writer(table: Table, out: Path, raw: BinaryIO, k: int, model_id: str) -> Writer:
    form = _form(out)
    if form == "jsonl":
        from ddx.scoring.to_jsonl import JsonlWriter

        return JsonlWriter(table, raw, k, model_id)
    if form == "parquet":
        from ddx.scoring.to_parquet import ParquetWriter  # draws in pyarrow

        return ParquetWriter(table, raw, k, model_id)
    separator = "\t" if ".tsv" in out.suffixes else table.separator or ","
    return _CsvWriter(table, raw, separator, k, model_id)


def _form(out: Path) -> Literal["csv", "jsonl", "parquet"]:
    suffix = Path(out.name.lower().removesuffix(".gz")).suffix
    form = _FORMS.get(suffix)
    if form is None or (form == "parquet" and out.name.lower().endswith(".gz")):
        hint = "Excel opens .csv; " if suffix in (".xlsx", ".xls", ".xlsm") else ""
        raise InputError(f"{out}: {hint}give a name that ends in .csv, .tsv, .jsonl (each also .gz) or .parquet")
    return form


def _opened(beside: Path, out: Path) -> BinaryIO:
    try:
        return open(beside, "wb")
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror})") from None


@contextmanager
def _packed(file: BinaryIO, out: Path) -> Iterator[BinaryIO]:
    """The file, or a gzip stream into it that carries neither a name nor a time."""
    if not out.name.lower().endswith(".gz"):
        yield file
        return
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
        io.BufferedWriter(cast(io.RawIOBase, packed)) as buffered,
    ):
        yield cast(BinaryIO, buffered)


def _quoted(cell: str, separator: str, width: int) -> str:
    special = cell != cell.strip() or _special(separator).search(cell)
    plain = cell.replace("\x00", "\\u0000")  # from JSON or Parquet; no CSV can hold it
    if special or (width == 1 and not cell):  # an only cell that is empty: the line would be blank, and no row
        return '"' + plain.replace('"', '""') + '"'
    return plain


@cache
def _special(separator: str) -> re.Pattern[str]:
    return re.compile(f'[{re.escape(separator)}"\n\r]')
