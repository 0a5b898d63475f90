"""A table of cases as people have it: encoding, separator and rows of a CSV file, read as a stream.

Understood: UTF-8 with or without a byte order mark, UTF-16 with one, Windows cp1252; comma, semicolon, tab or
bar; quoted newlines; LF, CRLF or CR line ends; gzip; Excel's first line `sep=;`. No file is held in memory.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from ddx.errors import InputError

__all__ = ["KNOWN_COLUMNS", "Record", "Table", "open_table", "read_text"]

KNOWN_COLUMNS = ("case_id", "age", "sex", "text", "findings", "evidences", "initial_evidence")
SEPARATORS = (",", ";", "\t", "|")
_CONTENT = ("text", "findings", "evidences")
_CHUNK = 1 << 20
csv.field_size_limit(2**31 - 1)  # csv's own limit of 128 KiB would stop the whole file at one long cell


@dataclass(frozen=True)
class Record:
    """One row as it stands in the file.

    `number` counts as a spreadsheet does: the first row of the file is 1, blank lines count, and a row with
    quoted newlines counts once. `problem` says what is wrong with its quotes, if anything.
    """

    number: int
    cells: list[str]
    problem: str | None = None


@dataclass(frozen=True)
class Table:
    """A table that has been looked over once: readable, with a usable header and `rows` rows below it.

    `columns` maps the names that mean something here (lower case) to their positions; other columns are only
    carried along.
    """

    path: Path
    encoding: str
    bom: bool
    separator: str
    header: tuple[str, ...]
    columns: dict[str, int]
    header_row: int
    rows: int

    def records(self) -> Iterator[Record]:
        """The rows below the header, blank lines left out."""
        with _text(self.path, self.encoding) as handle:
            for record in _records(handle, self.separator):
                if record.number > self.header_row and record.cells:
                    yield record


def open_table(path: Path) -> Table:
    """Look a table over. Raises InputError with one line for a file that can't be a table of cases."""
    encoding, bom = _encoding(path)
    separator, header_row, header = _header(path, encoding)
    names = [name.strip().casefold() for name in header]
    for position, name in enumerate(names):
        if name and name in names[:position]:
            raise InputError(f"{path}: two columns are called {name!r}; rename or remove one")
    columns = {name: names.index(name) for name in KNOWN_COLUMNS if name in names}
    if not any(name in columns for name in _CONTENT):
        # the cells are not shown: without a header they are a patient's data
        count = f"{len(header)} column{'s' if len(header) > 1 else ''}"
        raise InputError(
            f"{path}: row {header_row} has {count}, none called text, findings or EVIDENCES; "
            "the first row must name the columns, and one of these three is needed"
        )
    if "findings" in columns and "evidences" in columns:
        raise InputError(f"{path}: both findings and EVIDENCES are there; remove one of the two columns")
    table = Table(path, encoding, bom, separator, tuple(header), columns, header_row, 0)
    rows = sum(1 for _ in table.records())
    if rows == 0:
        raise InputError(f"{path}: a header and no rows below it; there is nothing to score")
    return Table(path, encoding, bom, separator, tuple(header), columns, header_row, rows)


def read_text(path: Path) -> str:
    """The whole text of a (small) file, in whatever encoding it has; raises InputError."""
    encoding, _ = _encoding(path)
    with _text(path, encoding) as handle:
        return handle.read()


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


def _header(path: Path, encoding: str) -> tuple[str, int, list[str]]:
    """(separator, row of the header, its names): the separator with the most known names, then columns."""
    best: tuple[int, int] | None = None
    found: tuple[str, int, list[str]] | None = None
    for separator in SEPARATORS:
        with _text(path, encoding) as handle:
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
        score = (len(names.intersection(KNOWN_COLUMNS)), len(first.cells))
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


def _encoding(path: Path) -> tuple[str, bool]:
    """(encoding, had a byte order mark), after decoding the whole file once."""
    if path.is_dir():
        raise InputError(f"{path}: this is a folder; give a file")
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if not path.is_file():
        raise InputError(f"{path}: not a regular file; save it first, it is read more than once")
    head = _head(path)
    if not head:
        raise InputError(f"{path}: the file is empty; expected a header and a row for each case")
    if head.startswith(b"PK\x03\x04"):
        raise InputError(f"{path}: an Excel workbook or a zip archive; save the sheet as CSV")
    if head.startswith(codecs.BOM_UTF8):
        candidates, bom = ["utf-8-sig"], True
    elif head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        candidates, bom = ["utf-16"], True
    else:
        candidates, bom = ["utf-8", "cp1252"], False
    for encoding in candidates:
        if _decodes(path, encoding):
            return encoding, bom
    raise InputError(f"{path}: not readable as {' or '.join(candidates)} text; save it as UTF-8 CSV")


def _head(path: Path) -> bytes:
    try:
        with _raw(path) as raw:
            return raw.read(4)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise InputError(f"{path}: a damaged gzip file; compress or download it again") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _decodes(path: Path, encoding: str) -> bool:
    line = 1
    try:
        with _text(path, encoding) as handle:
            while chunk := handle.read(_CHUNK):
                if "\x00" in chunk:
                    line += chunk[: chunk.index("\x00")].count("\n")
                    raise InputError(f"{path}: binary data (NUL at line {line}); give a table saved as CSV")
                line += chunk.count("\n")
    except UnicodeError:
        return False
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise InputError(f"{path}: a damaged gzip file; compress or download it again") from None
    return True


def _raw(path: Path) -> BinaryIO:
    with open(path, "rb") as handle:
        zipped = handle.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path, "rb")) if zipped else open(path, "rb")


def _text(path: Path, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(_raw(path), encoding=encoding, newline="")
