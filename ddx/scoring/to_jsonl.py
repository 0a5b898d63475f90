"""JSON Lines: the input's object as it was, and the key `ddx` with the differential and the row's status.

A line of JSON Lines goes through as it is written, to the last digit, with `ddx` as its last key. A line that was
no JSON object becomes the text under `line`. Cells of other tables stand under their column's name; what JSON has
no form for (dates, Infinity) is text.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, BinaryIO

from ddx.differential import Differential
from ddx.scoring.table import Record, Table, cell_text, input_values, unique_names
from ddx.scoring.writers import shown

__all__ = ["JsonlWriter"]


class JsonlWriter:
    """See `ddx.scoring.writers.open_writer`."""

    def __init__(self, table: Table, raw: BinaryIO, k: int, model_id: str) -> None:
        self._table, self._raw, self._k, self._model_id = table, raw, k, model_id
        self._names = unique_names(table.header)

    def write(self, record: Record, status: str, differential: Differential | None) -> None:
        """One object on one line."""
        if differential is None:
            answer: dict[str, Any] = {"status": status, "differential": [], "model": {"id": self._model_id}}
        else:
            answer = {**shown(differential, self._k), "status": status}
        self._raw.write(f'{self._opened(record)}"ddx": {_json(answer)}}}\n'.encode("utf-8", "backslashreplace"))

    def finish(self) -> None:
        """Nothing is held back."""

    def _opened(self, record: Record) -> str:
        """The row's object up to where another key can follow."""
        if self._table.kind == "jsonl" and record.problem is None:
            start = record.raw[:-1].rstrip()
            return start if start == "{" else f"{start}, "
        if self._table.kind == "jsonl":
            values = {"line": record.raw}
        else:
            values = dict(zip(self._names, map(_plain, input_values(self._table, record)), strict=True))
        return f"{_json(values)[:-1]}, "


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """What JSON can hold as it is; the rest as text, a number that is missing (NaN) as null."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else cell_text(value) or None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return cell_text(value)
