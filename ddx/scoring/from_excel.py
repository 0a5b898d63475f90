"""One sheet of an Excel workbook, a row at a time; the texts, which Excel keeps apart from the rows, lie on the disk.

A cell is the value that Excel stored, formulas included. What a reader would take for something it is not, is
marked as unread: a formula without a stored value, an error such as #N/A, a cell hidden in a merged range.
"""

from __future__ import annotations

import errno
import re
import warnings
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, NamedTuple
from xml.etree.ElementTree import iterparse

from ddx.errors import InputError
from ddx.scoring.mapping import meant
from ddx.scoring.table import Record, Table, Unread, cell_text, input_values, widened

__all__ = ["look_at_workbook", "visible_sheets"]

_LAST_ROW = 1_048_576  # Excel's own limit; a file that claims more is damaged
_CHUNK = 1 << 20
_SPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_FORMULA, _STRING = _SPACE + "f", _SPACE + "si"
_MERGED = re.compile(rb"<(?:\w+:)?mergeCell\s[^>]*?ref=[\"']([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})[\"']")


class _Merged(NamedTuple):
    first_row: int
    last_row: int
    first: int
    last: int
    name: str


class _Strings:
    """A workbook's shared strings in a temporary file: in memory, they would be most of the workbook."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._ends = file, array("Q", [0])

    def append(self, text: str) -> None:
        self._file.write(text.encode("utf-8", "surrogatepass"))
        self._ends.append(self._file.tell())

    def __getitem__(self, at: int) -> str:
        if at < 0:
            raise IndexError(at)
        start, end = self._ends[at], self._ends[at + 1]
        self._file.seek(start)
        return self._file.read(end - start).decode("utf-8", "surrogatepass")


class _Book(NamedTuple):
    """An open workbook: openpyxl's reader of it, and the part and visibility of each worksheet by name."""

    reader: Any
    sheets: dict[str, tuple[str, bool]]


def look_at_workbook(path: Path, sheet: str | None) -> Table:
    """The sheet, without its columns told apart; by default the first one that is not hidden.

    Raises InputError for a damaged workbook, a sheet that is not there and an empty one. All rows are read once.
    """
    with _workbook(path, strings=False) as book:
        name, note = _sheet(path, book, sheet)
        merged = _merged(book, name)
    rows = _filled(path, name, merged)
    header_row, first = next(rows, (0, []))
    if not header_row:
        raise InputError(f"{path}: sheet {name!r} is empty; expected a header and a row for each case{note}")
    header = tuple(cell_text(value) for value in first)
    while header and not header[-1].strip():
        header = header[:-1]
    read = partial(_records, path, name, merged, header_row)
    table = Table(path, "xlsx", header, read, 0, header_row=header_row, sheet=name)
    types, count = ["null"] * len(header), 0
    for count, (number, row) in enumerate(rows, start=1):  # noqa: B007
        values = input_values(table, _record(number, row))
        types = [widened(known, value) for known, value in zip(types, values, strict=True)]
    return replace(table, rows=count, types=tuple(types))


def visible_sheets(path: Path) -> list[str]:
    """The names of the worksheets that are not hidden, in their order. Raises InputError for a damaged workbook."""
    with _workbook(path, strings=False) as book:
        return [name for name, (_, visible) in book.sheets.items() if visible]


def _records(path: Path, sheet: str, merged: Sequence[_Merged], header_row: int) -> Iterator[Record]:
    return (_record(number, row) for number, row in _filled(path, sheet, merged) if number > header_row)


def _record(number: int, row: list[Any]) -> Record:
    return Record(number, [cell_text(value) for value in row], values=row)


def _filled(path: Path, sheet: str, merged: Sequence[_Merged]) -> Iterator[tuple[int, list[Any]]]:
    """(number, values) of the rows that are not blank."""
    for number, row in _values(path, sheet, merged):
        if any(value is not None and (isinstance(value, Unread) or cell_text(value).strip()) for value in row):
            yield number, row


def _values(path: Path, sheet: str, merged: Sequence[_Merged]) -> Iterator[tuple[int, list[Any]]]:
    """(number, values) of the rows, with what must not be read marked."""
    waiting, active = list(reversed(merged)), []
    for number, values in _plain(path, sheet):
        while waiting and waiting[-1].first_row <= number:
            active.append(waiting.pop())
        active = [m for m in active if m.last_row >= number]
        for m in active:
            values += [None] * (m.last + 1 - len(values))
            for at in range(m.first, m.last + 1):
                if (number, at) != (m.first_row, m.first):
                    why = f"part of the merged cells {m.name}; unmerge them and write the value into each"
                    values[at] = Unread("", why)
        yield number, values


def _plain(path: Path, sheet: str) -> Iterator[tuple[int, list[Any]]]:
    """(number, values) of the rows that the file has, read with openpyxl's parser of a row.

    The rows are taken out of the tree as they are read: openpyxl's own loop leaves them in it, empty, and a million
    of them are 100 MB.
    """
    with _workbook(path) as book:
        from openpyxl.worksheet._reader import DATA_TAG, ROW_TAG, WorkSheetParser

        formats = (book.reader.wb.epoch, book.reader.wb._date_formats, book.reader.wb._timedelta_formats)
        last, data = 0, None
        with _open_sheet(book, sheet) as source:
            parser = WorkSheetParser(source, book.reader.shared_strings, True, *formats)
            for event, element in iterparse(source, ("start", "end")):
                if event == "start" and element.tag == DATA_TAG:
                    data = element
                elif event == "end" and element.tag == ROW_TAG:
                    number, cells = parser.parse_row(element)
                    if not last < number <= _LAST_ROW:
                        raise _damaged(path)
                    yield number, _in_place(cells, element)
                    last = number
                    if data is not None:
                        data.clear()
                    parser.row_dimensions.clear()


def _in_place(cells: Sequence[dict[str, Any]], row: Any) -> list[Any]:
    """The values of a row by their columns, from openpyxl's cells and the XML that they were read from."""
    values: list[Any] = []
    for cell, element in zip(cells, row, strict=True):
        value, at = cell["value"], cell["column"] - 1
        if cell["data_type"] == "e":
            value = Unread(str(value), f"{value}, an error in Excel")
        elif value is None and (formula := element.find(_FORMULA)) is not None:
            why = "a formula without a stored value; open the workbook in Excel and save it"
            value = Unread(f"={formula.text or ''}", why)
        values += [None] * (at + 1 - len(values))
        values[at] = value
    return values


@contextmanager
def _workbook(path: Path, strings: bool = True) -> Iterator[_Book]:
    """The open workbook. Whatever openpyxl stumbles over, the file is to blame, and the user gets one line.

    The steps are those of `openpyxl.load_workbook`, but for the shared strings (left out without `strings`), and for
    the sheets: it would read one to its end where no size is stated, and trust the size where one is.
    """
    from openpyxl.reader.excel import ExcelReader  # half a second
    from openpyxl.styles.stylesheet import apply_stylesheet

    # of styles and extensions that it does not know, and of dates, with their value
    warnings.filterwarnings("ignore", category=UserWarning, module=r"openpyxl\.")
    try:
        # given a path, openpyxl would look at the name
        with open(path, "rb") as file, SpooledTemporaryFile(max_size=_CHUNK) as texts:
            reader = ExcelReader(file, read_only=True, data_only=True, keep_links=False)
            with reader.archive:
                reader.read_manifest()
                if strings:
                    reader.shared_strings = _shared_strings(reader, _Strings(texts))
                reader.read_workbook()
                apply_stylesheet(reader.archive, reader.wb)
                yield _Book(
                    reader,
                    {
                        sheet.name: (rel.target, sheet.state == "visible")
                        for sheet, rel in reader.parser.find_sheets()
                        if rel.Type.endswith("/worksheet") and rel.target in reader.valid_files
                    },
                )
    except InputError:
        raise
    except Exception as error:  # bad XML, bad zip, missing parts, wild numbers: any of two dozen kinds
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:  # no room for the texts
            raise
        raise _damaged(path) from None


def _shared_strings(reader: Any, strings: _Strings) -> _Strings:
    from openpyxl.cell.text import Text
    from openpyxl.xml.constants import SHARED_STRINGS

    root = None
    part = reader.package.find(SHARED_STRINGS)
    if part is not None:
        with reader.archive.open(part.PartName[1:]) as source:
            for event, element in iterparse(source, ("start", "end")):
                if root is None:
                    root = element
                elif event == "end" and element.tag == _STRING:
                    strings.append(Text.from_tree(element).content.replace("x005F_", ""))
                    root.clear()
    return strings


def _open_sheet(book: _Book, sheet: str) -> Any:
    return book.reader.archive.open(book.sheets[sheet][0])


def _sheet(path: Path, book: _Book, wanted: str | None) -> tuple[str, str]:
    """(name of the sheet, what to say of the others)."""
    others = ", ".join(repr(name) for name in book.sheets)
    if wanted is not None:
        if wanted not in book.sheets:
            raise InputError(f"{path}: no sheet {wanted!r}{meant(wanted, book.sheets) or f'; there are {others}'}")
        return wanted, ""
    shown = [name for name, (_, visible) in book.sheets.items() if visible]
    if not shown:
        raise InputError(f"{path}: no visible sheet; name one with --sheet")
    return shown[0], f" (or name another sheet with --sheet: {others})" if len(book.sheets) > 1 else ""


def _merged(book: _Book, sheet: str) -> list[_Merged]:
    """The merged ranges by their first row: they stand behind the rows, which have to be read knowing them."""
    from openpyxl.utils import column_index_from_string

    found, rest = set(), b""
    with _open_sheet(book, sheet) as source:
        while chunk := source.read(_CHUNK):
            text = rest + chunk
            for match in _MERGED.finditer(text):
                left, top, right, bottom = (part.decode() for part in match.groups())
                first, last = column_index_from_string(left) - 1, column_index_from_string(right) - 1
                found.add(_Merged(int(top), int(bottom), first, last, f"{left}{top}:{right}{bottom}"))
            rest = text[-200:]  # a tag may be cut in two
    return sorted(found, key=itemgetter(0))


def _damaged(path: Path) -> InputError:
    return InputError(f"{path}: a damaged Excel workbook; open it in Excel and save it again, or save the sheet as CSV")
