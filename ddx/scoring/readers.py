"""A table of cases as people have it: which kind of file it is, and its columns told apart."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from datetime import date
from itertools import islice
from pathlib import Path

from ddx.errors import InputError
from ddx.scoring.encodings import find_encoding, first_bytes, open_text, read_text
from ddx.scoring.from_csv import look_at_csv
from ddx.scoring.from_jsonl import NotJson, look_at_jsonl, parse_object
from ddx.scoring.mapping import ColumnMapping, recognise
from ddx.scoring.table import Record, Table

__all__ = ["Record", "Table", "look_over", "open_table", "read_text", "tell_apart"]

_LINES = 20  # of a JSON file that are looked at to see what they hold
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def open_table(
    path: Path, mapping: ColumnMapping | None = None, sheet: str | None = None, on: date | None = None
) -> Table:
    """Look a table over, to its end. Raises InputError with one line for a file that can't be a table of cases.

    CSV, Excel (.xlsx; `sheet` names one, else the first), Parquet, JSON Lines and FHIR (`on` is the day at which
    patients are as old as their row says, else the latest that their resources name); CSV and JSON also packed
    with gzip or alone in a zip archive. What a file is, its content says.
    """
    mapping = mapping or ColumnMapping()
    return tell_apart(_looked(path, mapping, sheet, on), mapping)


def look_over(path: Path, sheet: str | None = None, on: date | None = None) -> Table:
    """A table whose columns are not told apart yet, for a person who will say which is which; its rows are counted.

    Raises what `open_table` raises for the file, nothing for its columns.
    """
    table = _looked(path, ColumnMapping(), sheet, on)
    return replace(table, rows=table.rows or sum(1 for _ in table.records()))


def tell_apart(table: Table, mapping: ColumnMapping) -> Table:
    """The table with its columns told apart; raises InputError for columns that fit no case, and for no rows."""
    columns, text_columns = recognise(table.path, table.header, mapping, table.header_row)
    rows = table.rows or sum(1 for _ in table.records())
    if rows == 0:
        raise InputError(f"{table.path}: a header and no rows below it; there is nothing to score")
    return replace(table, columns=columns, text_columns=text_columns, mapping=mapping, rows=rows)


def _looked(path: Path, mapping: ColumnMapping, sheet: str | None, on: date | None) -> Table:
    table = _look(path, mapping, sheet, on)
    if sheet is not None and table.kind != "xlsx":
        raise InputError(f"{path}: only an Excel workbook has sheets; leave --sheet out")
    if on is not None and table.kind != "fhir":
        raise InputError(f"{path}: only FHIR has birth dates; leave --on out")
    return table


def _look(path: Path, mapping: ColumnMapping, sheet: str | None, on: date | None) -> Table:
    head = _packed_head(path)
    suffix = path.suffix.lower()
    if head.startswith(b"PAR1"):
        from ddx.scoring.from_parquet import look_at_parquet  # draws in pyarrow

        return look_at_parquet(path)
    if head.startswith(b"PARE"):
        raise InputError(f"{path}: an encrypted Parquet file; decrypt it first")
    if head == _OLE:
        raise InputError(f"{path}: an Excel workbook of the old kind (.xls) or with a password; save it as plain .xlsx")
    if _is_office(path, head):
        from ddx.scoring.from_excel import look_at_workbook

        return look_at_workbook(path, sheet)
    if suffix in (".parquet", ".xlsx", ".xlsm"):
        raise InputError(f"{path}: the name says {suffix}, the content does not; save or download it again")
    encoding, bom = find_encoding(path)
    start, objects, first = _json_start(path, encoding)
    suffixes = {s.lower() for s in path.suffixes}
    if start != "{" and not suffixes & {".jsonl", ".ndjson", ".json"}:
        return look_at_csv(path, encoding, bom, mapping)
    if start != "{":
        what = "a JSON list" if start == "[" else "no JSON"
        raise InputError(f'{path}: {what}; write one object a line, such as {{"text": "…"}}')
    whole = not first and (not objects or ".json" in suffixes)
    if whole:
        objects = [_whole_object(path, encoding)]
    if any("resourceType" in item for item in objects):
        from ddx.scoring.from_fhir import look_at_fhir

        return look_at_fhir(path, encoding, bom, whole, on)
    if whole:
        raise InputError(f"{path}: one JSON object over several lines; write one object a line, each on one line")
    return look_at_jsonl(path, encoding, bom)


def _packed_head(path: Path) -> bytes:
    """The first bytes as they lie on the disk, of a file that can be read and is not empty."""
    if not path.is_file():
        first_bytes(path)  # says what is wrong
    try:
        with open(path, "rb") as handle:
            head = handle.read(8)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if not head:
        first_bytes(path)
    return head


def _is_office(path: Path, head: bytes) -> bool:
    """Whether the file is a workbook; False also for a zip archive that may hold a text file."""
    if not head.startswith(b"PK"):
        return False
    try:
        names = zipfile.ZipFile(path).namelist()
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError):
        if path.suffix.lower() in (".xlsx", ".xlsm"):
            raise InputError(f"{path}: a damaged Excel workbook; save or download it again") from None
        return False
    if "xl/workbook.bin" in names or "content.xml" in names or "word/document.xml" in names:
        raise InputError(f"{path}: an Office file, but no .xlsx workbook; save the sheet as .xlsx or CSV")
    return "[Content_Types].xml" in names


def _json_start(path: Path, encoding: str) -> tuple[str, list[dict], bool]:
    """(the first character that is not blank, the objects among the first lines, whether the first one is one)."""
    start, objects, first = "", [], False
    with open_text(path, encoding) as handle:
        lines = (line.strip() for line in handle)
        for number, line in enumerate(islice(filter(None, lines), _LINES)):
            start = start or line[0]
            if start != "{":
                break
            try:
                objects.append(parse_object(line))
            except NotJson:
                continue
            first = first or number == 0
    return start, objects, first


def _whole_object(path: Path, encoding: str) -> dict:
    with open_text(path, encoding) as handle:
        try:
            return parse_object(handle.read())
        except NotJson as error:
            raise InputError(f"{path}: {error}") from None
