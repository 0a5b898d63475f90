"""A table of cases, whatever file it comes from: a header, and rows that are read as a stream.

Every row has its cells as text, which is what a case is read from. What the text can't keep (numbers, dates,
lists, a missing key) stands beside them, for outputs that can.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

from ddx.scoring.mapping import ColumnMapping

__all__ = [
    "Kind",
    "Nested",
    "Record",
    "Table",
    "Unread",
    "cell_text",
    "input_cells",
    "input_values",
    "unique_names",
    "widened",
]

Kind = Literal["csv", "xlsx", "parquet", "jsonl", "fhir"]
_EXACT = 2**53  # beyond it a double no longer tells neighbouring integers apart


class Unread(str):
    """A value that is carried along but that no case may be read from; `why` completes "row 2, column age: …"."""

    why: str

    def __new__(cls, text: str, why: str) -> Unread:
        value = super().__new__(cls, text)
        value.why = why
        return value

    def __reduce__(self) -> tuple[type[Unread], tuple[str, str]]:  # for pickle and copy
        return type(self), (str(self), self.why)


class Nested(Unread):
    """A list or an object as JSON: right for findings, wrong for anything else."""


@dataclass(frozen=True)
class Record:
    """One row as it stands in the file.

    `number` is what the row is called: in CSV and Excel as a spreadsheet counts (the first row of the file is 1,
    blank lines count, and a row with quoted newlines counts once), in JSON Lines the line, in Parquet and FHIR
    the row, from 1. `cells` are the values as text, in the header's order; CSV and Excel may have fewer or more.
    `problem` says what is wrong with the row as a whole.

    `values` are the cells with their types, None where text is all there is. `raw` is the row in the file's own
    form, for an output of the same form: the line of JSON Lines; (record batch, position in it) of Parquet.
    """

    number: int
    cells: list[str]
    problem: str | None = None
    values: Sequence[Any] | None = None
    raw: Any = None


@dataclass(frozen=True)
class Table:
    """A table that has been looked over once: readable to its end, with a usable header and `rows` rows.

    `columns` maps the names that mean something here to their positions, `text_columns` are joined into the text
    as well; other columns are only carried along. `types` are the columns' Arrow types by name, where the file
    has none of its own. `notes` are short sentences about what was left out.
    """

    path: Path
    kind: Kind
    header: tuple[str, ...]
    read: Callable[[], Iterator[Record]] = field(repr=False)
    rows: int
    columns: dict[str, int] = field(default_factory=dict)
    text_columns: tuple[int, ...] = ()
    mapping: ColumnMapping = ColumnMapping()
    header_row: int | None = None
    encoding: str | None = None
    bom: bool = False
    separator: str | None = None
    sheet: str | None = None
    on: date | None = None
    types: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def records(self) -> Iterator[Record]:
        """The rows below the header, blank lines left out."""
        return self.read()

    def describe(self) -> dict[str, Any]:
        """How the table was read, as JSON-like data: all that the cases depend on beside the file itself."""
        return {
            "kind": self.kind,
            "encoding": self.encoding,
            "separator": self.separator,
            "sheet": self.sheet,
            "on": self.on and self.on.isoformat(),
            "columns": {name: self.header[at].strip() for name, at in self.columns.items()},
            "text_columns": [self.header[at].strip() for at in self.text_columns],
            "values": {name: dict(values) for name, values in self.mapping.values.items()},
            "rows": self.rows,
        }


def cell_text(value: Any) -> str:
    """A value as text: nothing for a missing one, whole numbers without a point, dates in ISO form, lists as JSON.

    >>> [cell_text(v) for v in (None, 58.0, 1.5, True, ["E_91"], datetime(2024, 3, 1))]
    ['', '58', '1.5', 'true', '["E_91"]', '2024-03-01']
    """
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if math.isnan(value):  # how data frames write a missing number
            return ""
        return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)
    if isinstance(value, datetime):
        day = value.time() == datetime.min.time() and value.tzinfo is None and not getattr(value, "nanosecond", 0)
        return value.date().isoformat() if day else value.isoformat(" ")
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, (list, tuple, dict)):
        text = json.dumps(value, ensure_ascii=False, default=cell_text)
        return Nested(text, "a list or an object, where one value is expected")
    return str(value)


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


def input_values(table: Table, record: Record) -> list[Any]:
    """A row's own values at the header's width, with their types where the file has any; like `input_cells`."""
    width = len(table.header)
    if record.values is None:
        return list(input_cells(record.cells, width, table.separator or ","))
    values = [None if isinstance(value, Unread) and not value else value for value in record.values]
    if len(values) > width and any(cell.strip() for cell in record.cells[width:]):
        return [*values[: width - 1], ", ".join(record.cells[width - 1 :])]
    return [*values, *[None] * (width - len(values))][:width]


def widened(known: str, value: Any) -> str:
    """The name of the narrowest Arrow type for a column of type `known` ("null" at first) and one more value.

    >>> widened("null", 1), widened("int64", 1.5), widened("double", "high"), widened("string", None)
    ('int64', 'double', 'string', 'string')
    """
    if value is None or known == "string":
        return known
    if isinstance(value, bool):
        kind = "bool"
    elif isinstance(value, int):
        kind = "int64" if abs(value) <= _EXACT else "string"
    elif isinstance(value, float):
        kind = "double"
    elif isinstance(value, datetime) and value.tzinfo is None:
        kind = "timestamp[us]"
    else:
        kind = "string"
    if known in ("null", kind):
        return kind
    return "double" if {known, kind} == {"int64", "double"} else "string"


def unique_names(header: Sequence[str]) -> list[str]:
    """The header for outputs where a name can stand but once: an empty one by its position, a repeated one numbered.

    >>> unique_names(["text", "", "note", "note"])
    ['text', 'column 2', 'note', 'note (2)']
    """
    names: list[str] = []
    for at, name in enumerate(header, start=1):
        wanted = name = name if name.strip() else f"column {at}"
        count = 1
        while name in names:
            count += 1
            name = f"{wanted} ({count})"
        names.append(name)
    return names
