"""A Parquet file, batch by batch. The cells are the values as text; the batches themselves are kept for the output."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ddx.errors import InputError
from ddx.scoring.table import Record, Table, Unread, cell_text

__all__ = ["look_at_parquet"]

_BATCH = 1_000  # rows


def look_at_parquet(path: Path) -> Table:
    """The table, without its columns told apart; raises InputError for a damaged file. All rows are read once."""
    header: tuple[str, ...] = ()
    rows = 0
    for batch in _batches(path):
        header, rows = tuple(batch.schema.names), rows + batch.num_rows
    return Table(path, "parquet", header or _names(path), partial(_rows, path), rows)


def _rows(path: Path) -> Iterator[Record]:
    number = 0
    for batch in _batches(path):
        columns = [_values(column) for column in batch.columns]
        for at in range(batch.num_rows):
            number += 1
            values = [column[at] for column in columns]
            yield Record(number, [cell_text(value) for value in values], values=values, raw=(batch, at))


def _batches(path: Path) -> Iterator[Any]:
    import pyarrow as pa  # loads numpy
    import pyarrow.parquet as pq

    try:
        # without pre_buffer and with a buffer of its own, a row group is read a page at a time, whatever its size
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16) as file:
            yield from file.iter_batches(_BATCH, use_threads=False)
    except (pa.ArrowException, OSError, ValueError):
        raise InputError(
            f"{path}: a damaged Parquet file, or one with a password; write or download it again"
        ) from None


def _names(path: Path) -> tuple[str, ...]:
    import pyarrow.parquet as pq

    return tuple(pq.read_schema(path).names)


def _values(column: Any) -> list[Any]:
    try:
        return column.to_pylist()
    except (ValueError, OverflowError):  # one bad value, such as bytes that are no UTF-8, must not cost the others
        return [_value(scalar) for scalar in column]


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return Unread(_rendered(scalar), "a value that can't be read: bytes that are no UTF-8, or a date out of range")


def _rendered(scalar: Any) -> str:
    """What can be shown of a value that Python can't hold, for outputs that are not Parquet."""
    try:
        return scalar.as_buffer().to_pybytes().decode("utf-8", "backslashreplace")
    except AttributeError:  # not a string
        try:
            return str(scalar.cast("string").as_py())
        except (ValueError, NotImplementedError):
            return ""
