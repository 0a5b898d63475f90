"""A CSV file as people have it: separator, header and rows, read as a stream.

Understood: comma, semicolon, tab or bar; quoted newlines; LF, CRLF or CR line ends; Excel's first line `sep=;`;
encodings and packed files as in `ddx.scoring.encodings`. No file is held in memory.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from ddx.errors import InputError
from ddx.scoring.encodings import open_text
from ddx.scoring.mapping import KNOWN_COLUMNS, ColumnMapping
from ddx.scoring.table import Record, Table

__all__ = ["look_at_csv"]

SEPARATORS = (",", ";", "\t", "|")
csv.field_size_limit(2**31 - 1)  # csv's own limit of 128 KiB would stop the whole file at one long cell


def look_at_csv(path: Path, encoding: str, bom: bool, mapping: ColumnMapping) -> Table:
    """The table without its columns told apart and its rows counted; raises InputError for an empty file."""
    separator, header_row, header = _header(path, encoding, mapping)
    read = partial(_rows, path, encoding, separator, header_row)
    return Table(
        path, "csv", tuple(header), read, 0, header_row=header_row, encoding=encoding, bom=bom, separator=separator
    )


def _rows(path: Path, encoding: str, separator: str, header_row: int) -> Iterator[Record]:
    with open_text(path, encoding) as handle:
        for record in _records(handle, separator):
            if record.number > header_row and record.cells:
                yield record


def _records(handle: Iterable[str], separator: str) -> Iterator[Record]:
    raw: list[str] = []  # the lines of the current record

    def lines() -> Iterator[str]:
        for line in handle:
            raw.append(line)
            yield line

    for number, cells in enumerate(csv.reader(lines(), delimiter=separator), start=1):
        yield Record(number, cells, _quote_problem(raw, separator))
        raw.clear()


def _quote_problem(raw: list[str], separator: str) -> str | None:
    """A forgotten quote makes csv join rows of several patients into one cell: find that, and say so."""
    if len(raw) == 1 and raw[0].count('"') % 2 == 0:
        return None
    try:
        for _ in csv.reader(raw, delimiter=separator, strict=True):
            pass
    except csv.Error as error:
        if len(raw) > 1:
            return f"a quote is out of place, so that {len(raw)} lines of the file were read as this one row"
        if "end of data" in str(error):
            return "a quote is opened and not closed"
    return None


def _header(path: Path, encoding: str, mapping: ColumnMapping) -> tuple[str, int, list[str]]:
    """(separator, row of the header, its names): the separator with the most known names, then columns."""
    wanted = {name.strip().casefold() for name in (*KNOWN_COLUMNS, *mapping.columns.values(), *mapping.text_columns)}
    best: tuple[int, int] | None = None
    found: tuple[str, int, list[str]] | None = None
    for separator in SEPARATORS:
        with open_text(path, encoding) as handle:
            first = _first_record(handle, separator)
            if first is None:
                continue
            declared = _declared_separator(first.cells, separator)
            if declared:
                rest = _records(handle, declared)
                below = next((r for r in rest if not _blank(r.cells)), None)
                if below is not None:
                    return declared, first.number + below.number, below.cells
                continue
        names = {name.strip().casefold() for name in first.cells}
        score = (len(names & wanted), len(first.cells))
        if best is None or score > best:
            best, found = score, (separator, first.number, first.cells)
    if found is None:
        raise InputError(f"{path}: the file is empty; expected a header and a row for each case")
    return found


def _first_record(handle: Iterable[str], separator: str) -> Record | None:
    return next((r for r in _records(handle, separator) if not _blank(r.cells)), None)


def _blank(cells: list[str]) -> bool:
    """Whether a line says nothing, whichever separator it was written with."""
    return not "".join(cells).strip(" " + "".join(SEPARATORS))


def _declared_separator(cells: list[str], separator: str) -> str | None:
    """The separator that Excel's `sep=;` names. Split at that very separator it is "sep=" and ""."""
    text = separator.join(cells).strip(" ")
    declared = text.removeprefix("sep=") if text.startswith("sep=") else ""
    return declared if declared in SEPARATORS else None
