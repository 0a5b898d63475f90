"""Parquet: the input's columns with their types, then the added ones: confidences as numbers, the rest as text.

A Parquet input's columns go through untouched, batch for batch. Columns of other inputs have the narrowest type
that holds all their values (see `ddx.scoring.table.widened`); CSV has only text.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any, BinaryIO

from ddx.differential import Differential
from ddx.scoring.encodings import encodable
from ddx.scoring.table import Record, Table, cell_text, input_values, unique_names
from ddx.scoring.writers import added_columns, added_values

__all__ = ["ParquetWriter"]

_ROWS, _CHARACTERS = 10_000, 1 << 24  # a row group is written when it has so many


class ParquetWriter:
    """See `ddx.scoring.writers.open_writer`."""

    def __init__(self, table: Table, raw: BinaryIO, k: int, model_id: str) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._table, self._k, self._model_id = table, k, model_id
        if table.kind == "parquet":
            own = pq.read_schema(table.path)
        else:
            types = table.types or ("string",) * len(table.header)
            names = unique_names(table.header)
            own = pa.schema([(n, pa.type_for_alias(t)) for n, t in zip(names, types, strict=True)])
        added = [(n, pa.float64() if n.endswith("_confidence") else pa.string()) for n in added_columns(k)]
        self._own, self._added = own, pa.schema(added)
        schema = pa.schema([*own, *self._added], metadata=own.metadata)
        self._writer = pq.ParquetWriter(raw, schema, compression="zstd")
        self._records: list[Any] = []
        self._answers: list[list[Any]] = []
        self._characters = 0

    def write(self, record: Record, status: str, differential: Differential | None) -> None:
        """One row; held back until a row group is full."""
        self._records.append(record.raw if self._table.kind == "parquet" else input_values(self._table, record))
        self._answers.append(added_values(status, differential, self._model_id, self._k))
        self._characters += sum(map(len, record.cells))
        if len(self._records) >= _ROWS or self._characters >= _CHARACTERS:
            self._flush()

    def finish(self) -> None:
        """Write the last row group and the footer."""
        try:
            self._flush()
            self._writer.close()
        finally:
            self._writer.is_open = False  # or it would try again when it is collected

    def _flush(self) -> None:
        import pyarrow as pa

        if not self._records:
            return
        if self._table.kind == "parquet":
            own = pa.Table.from_batches(_runs(self._records), self._own)
        else:
            own = _arrow(list(zip(*self._records, strict=True)), self._own)
        answers = _arrow(list(zip(*self._answers, strict=True)), self._added)
        schema = pa.schema([*self._own, *self._added], metadata=self._own.metadata)
        table = pa.Table.from_arrays([*own.columns, *answers.columns], schema=schema)
        self._writer.write_table(table, row_group_size=len(self._records))
        self._records, self._answers, self._characters = [], [], 0


def _arrow(columns: list[tuple[Any, ...]], schema: Any) -> Any:
    import pyarrow as pa

    arrays = []
    for values, field in zip(columns, schema, strict=True):
        if pa.types.is_string(field.type):
            values = tuple(None if v is None else encodable(cell_text(v)) for v in values)
        arrays.append(pa.array(values, type=field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _runs(rows: list[tuple[Any, int]]) -> Iterator[Any]:
    """(batch, position) of consecutive rows as slices of their batches."""
    for _, run in groupby(rows, key=lambda row: id(row[0])):
        (batch, first), *rest = run
        yield batch.slice(first, 1 + len(rest))
