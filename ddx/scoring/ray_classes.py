"""What Ray Data runs in its own processes for `ddx.scoring.ray_workers`: the reader of windows, and the worker.

Imported only where Ray is installed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import ray
from ray.data import Datasource, ReadTask
from ray.data.block import Block, BlockMetadata

from ddx.errors import DdxError
from ddx.scoring.ray_workers import REFUSED, answer_window, asked_windows
from ddx.scoring.runner import Predictor
from ddx.scoring.table import Table

__all__ = ["Answers", "TableSource", "here"]


def here() -> dict[str, str]:
    """On this machine, and no other."""
    return {"ray.io/node-id": ray.get_runtime_context().get_node_id()}


class TableSource(Datasource):
    """A table's windows: one row each, with the cases to be asked as JSON."""

    def __init__(self, table: Table, first: int, limit: int | None, salt: bytes) -> None:
        super().__init__()
        self._asked = (table, first, limit, salt)

    def get_name(self) -> str:
        """For Ray's own logs: not the file's name."""
        return "Table"

    def estimate_inmemory_data_size(self) -> int | None:
        """Not known before the table is read."""
        return None

    def get_read_tasks(self, *args: Any, **kwargs: Any) -> list[ReadTask]:
        """A single one: a table is read from its beginning. If its process dies it is run again, and gives the same."""
        asked = self._asked

        def read() -> Iterator[Block]:
            for window in asked_windows(*asked):
                yield pa.table({"cases": [json.dumps(window)]})

        return [ReadTask(read, BlockMetadata(num_rows=None, size_bytes=None, exec_stats=None, input_files=None))]


class Answers:
    """A worker: a model that is loaded once, and answers a window at a time."""

    def __init__(self, load: Callable[[str], Predictor], engine: str, info: Mapping[str, Any]) -> None:
        logging.disable(logging.WARNING)
        self.refused = ""  # given back with a window: what is raised here Ray tries again and again
        try:
            self.model = load(engine)
        except DdxError as error:
            self.refused = str(error)
            return
        if _told_apart(self.model.info) != _told_apart(info):
            self.refused = "another model, version or precision than the first one's; answers are not mixed"

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str]]:
        """Windows in, their answers out, both as JSON; or why there are none."""
        return {"answers": [self._answer(json.loads(window)) for window in batch["cases"]]}

    def _answer(self, asked: Mapping[str, Mapping[str, Any]]) -> str:
        if not self.refused:
            try:
                return json.dumps(answer_window(self.model, asked))
            except DdxError as error:
                self.refused = str(error)
        return json.dumps({REFUSED: self.refused})


def _told_apart(info: Mapping[str, Any]) -> str:
    return json.dumps(info, sort_keys=True, default=str)
