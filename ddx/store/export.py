"""All that a store holds about some reviews, as one JSON-like object."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Table, select

from ddx.store import chain
from ddx.store.schema import decisions, outputs, reviews

__all__ = ["everything"]

FORMAT = "ddx case export 1"


def everything(connection: Connection, review_ids: Sequence[str], at: str) -> dict[str, Any]:
    """Every stored row about these reviews, contents opened up, and the log entries about them, oldest first.

    A row's hash can be recomputed from it only in the store: its salt is left out, so that the hash of an erased case
    can't be matched by a copy that was exported before.
    """
    return {
        "format": FORMAT,
        "exported_at": at,
        "reviews": [
            {
                **_rows(connection, reviews, one)[0],
                "outputs": _rows(connection, outputs, one),
                "decisions": _rows(connection, decisions, one),
                "log": [asdict(entry) for entry in reversed(list(chain.entries(connection, one)))],
            }
            for one in review_ids
        ],
    }


def _rows(connection: Connection, table: Table, review_id: str) -> list[dict[str, Any]]:
    found = []
    for row in connection.execute(select(table).where(table.c.review_id == review_id)).mappings():
        values = {name: value for name, value in row.items() if name != "salt" and value is not None}
        found.append({**values, "content": json.loads(row["content"])})
    return found
