"""JSON Lines: one object a line, its keys the columns. A line at a time is in memory.

A line that is no object is a row with a problem, and its text is kept; blank lines are left out. Strict where a
lenient reader would guess: NaN and Infinity are not JSON, and a key that is there twice has no meaning.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from ddx.errors import InputError
from ddx.scoring.encodings import open_text
from ddx.scoring.table import Record, Table, cell_text, widened

__all__ = ["NotJson", "look_at_jsonl", "parse_object"]

_MOST_KEYS = 2_000  # more different keys than this are data, not columns


class NotJson(ValueError):
    """Why a line is no JSON object, in words that quote nothing of it."""


def look_at_jsonl(path: Path, encoding: str, bom: bool) -> Table:
    """The table, without its columns told apart: all keys in the order in which they turn up, and their types."""
    types: dict[str, str] = {}
    rows = 0
    for rows, (_, line) in enumerate(_lines(path, encoding), start=1):  # noqa: B007
        try:
            row = parse_object(line)
        except NotJson:
            continue
        for key, value in row.items():
            types[key] = widened(types.get(key, "null"), value)
        if len(types) > _MOST_KEYS:
            raise InputError(f"{path}: more than {_MOST_KEYS:,} different keys; give the cases the same keys")
    if rows and not types:
        raise InputError(f"{path}: no line is a JSON object with keys; write one case a line, with its column names")
    header = tuple(types)
    read = partial(_rows, path, encoding, header)
    return Table(path, "jsonl", header, read, rows, encoding=encoding, bom=bom, types=tuple(types.values()))


def parse_object(line: str) -> dict[str, Any]:
    """A JSON object; raises NotJson."""
    try:
        value = json.loads(line, object_pairs_hook=_object, parse_constant=_constant)
    except NotJson:
        raise
    except RecursionError:
        raise NotJson("JSON nested too deeply") from None
    except json.JSONDecodeError as error:
        raise NotJson(f"not readable as JSON (character {error.pos + 1})") from None
    except ValueError:  # a whole number of more than 4,300 digits
        raise NotJson("not readable as JSON (a number too long)") from None
    if not isinstance(value, dict):
        raise NotJson("not a JSON object; write the names of the columns with the values")
    return value


def _rows(path: Path, encoding: str, header: tuple[str, ...]) -> Iterator[Record]:
    for number, line in _lines(path, encoding):
        try:
            row = parse_object(line)
        except NotJson as error:
            yield Record(number, [""] * len(header), str(error), [None] * len(header), line)
            continue
        values = [row.get(name) for name in header]
        yield Record(number, [cell_text(value) for value in values], None, values, line)


def _lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """(number, text) of the lines that are not blank; only a line end ends a line, as in JSON itself."""
    with open_text(path, encoding) as handle:
        for number, line in enumerate(handle, start=1):
            if line.strip():
                yield number, line.strip()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise NotJson("a key is there twice in one JSON object; keep one")
    return row


def _constant(name: str) -> NoReturn:
    raise NotJson(f"{name} is not JSON; write null")
