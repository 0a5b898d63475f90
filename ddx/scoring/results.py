"""A scored table, looked through by a person: which rows, in which order, a page at a time.

Of the Parquet form (`ddx.scoring.to_parquet`) a few narrow columns are held in memory, some 50 bytes a row; what a
page shows, and the text that is searched in, is read from the file when it is needed.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ddx.case import Case
from ddx.errors import InputError
from ddx.scoring.mapping import ColumnMapping
from ddx.scoring.rows import read_case
from ddx.scoring.table import Record, Table, cell_text
from ddx.scoring.writers import added_columns
from ddx.vocabulary import load_vocabulary

__all__ = ["Line", "Listed", "MustNotMiss", "Order", "Results"]

Order = Literal["file", "confidence, high first", "confidence, low first", "first diagnosis", "status"]
MustNotMiss = Literal["first", "anywhere"]


@dataclass(frozen=True)
class Listed:
    """A diagnosis as the table has it; `confidence` in [0, 1]."""

    name: str
    icd10: str | None
    confidence: float
    must_not_miss: bool


@dataclass(frozen=True)
class Line:
    """A scored row: its position in the table (0, 1, …), what it says of the patient as written, and the answer."""

    position: int
    case_id: str
    age: str
    sex: str
    status: str
    diagnoses: tuple[Listed, ...]
    other: float | None


@dataclass(frozen=True)
class _Coded:
    """A column of few texts: `values`, the last of which is "" and stands for a missing one; [rows] of their places."""

    values: list[str]
    codes: np.ndarray

    @classmethod
    def of(cls, column: Any) -> _Coded:
        import pyarrow as pa

        coded = pa.array(column.to_pylist(), pa.string()) if column.num_chunks == 0 else column.combine_chunks()
        coded = coded.dictionary_encode()
        values = [*coded.dictionary.to_pylist(), ""]
        return cls(values, coded.indices.fill_null(len(values) - 1).to_numpy())


class Results:
    """The scored table in the file `path`, with the sidecar that its run wrote."""

    def __init__(self, path: Path, sidecar: Path) -> None:
        """Raises InputError when one of the two can't be read."""
        import pyarrow.parquet as pq

        self.path = path
        try:
            self.facts: dict[str, Any] = json.loads(sidecar.read_text(encoding="utf-8"))
            with pq.ParquetFile(path) as file:
                self._metadata, names = file.metadata, file.schema_arrow.names
            self.k = int(self.facts["k"])
            said: Mapping[str, Any] = self.facts["input"]
            self._columns, self._values = dict(said["columns"]), dict(said["values"])
            self._text_columns = tuple(said["text_columns"])
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{path.name}: the results can't be read; start the job anew") from None
        self.rows: int = self._metadata.num_rows
        self._own = names[: len(names) - len(added_columns(self.k))]
        groups = range(self._metadata.num_row_groups)
        self._groups = np.cumsum([0, *(self._metadata.row_group(group).num_rows for group in groups)])
        self._alarming = {c.name for c in load_vocabulary() if c.must_not_miss}

    @cached_property
    def kinds(self) -> np.ndarray:
        """[rows] what each row's status begins with: ok, repaired, …, empty, error."""
        status = self._coded["ddx_status"]
        return np.array([text.partition(":")[0] for text in status.values], dtype="U12")[status.codes]

    @cached_property
    def confidence(self) -> np.ndarray:
        """[rows] of the first diagnosis, NaN where there is none."""
        return self._column("dx1_confidence").to_numpy().astype(float)

    @cached_property
    def first(self) -> np.ndarray:
        """[rows] the first diagnosis's name, "" where there is none."""
        names = self._coded["dx1"]
        return np.array(names.values, dtype=object)[names.codes]

    @cached_property
    def alarms(self) -> dict[MustNotMiss, np.ndarray]:
        """[rows] whether a condition that must not be missed stands first, or anywhere on the list."""
        found = []
        for i in range(1, self.k + 1):
            names = self._coded[f"dx{i}"]
            alarming = np.array([name in self._alarming for name in names.values])[names.codes]
            found.append(alarming & np.asarray(self._column(f"dx{i}_icd10").is_valid()))
        return {"first": found[0], "anywhere": np.logical_or.reduce(found)}

    def select(
        self,
        kinds: Collection[str] = (),
        must_not_miss: MustNotMiss | None = None,
        low: float = 0.0,
        high: float = 1.0,
        text: str = "",
        order: Order = "file",
    ) -> np.ndarray:
        """The positions of the rows that fit, in this order; ties stay in the order of the file.

        kinds: statuses, all if empty. low, high: of the first diagnosis's confidence; at 0 and 1 rows without one
        stay in. text: stands in the case (but for age and sex), in the status or in a diagnosis, in capitals or not.
        """
        chosen = np.ones(self.rows, dtype=bool)
        if kinds:
            chosen &= np.isin(self.kinds, list(kinds))
        if must_not_miss:
            chosen &= self.alarms[must_not_miss]
        if low > 0 or high < 1:
            with np.errstate(invalid="ignore"):
                chosen &= (self.confidence >= low) & (self.confidence <= high)
        if text.strip():
            chosen &= self._mentions(text.strip())
        found = np.flatnonzero(chosen)
        if order == "file":
            return found
        if order in ("confidence, high first", "confidence, low first"):
            key = self.confidence[found] * (-1 if order == "confidence, high first" else 1)
        else:
            words = self._coded["dx1" if order == "first diagnosis" else "ddx_status"]
            texts = [text.casefold() if order == "first diagnosis" else text.partition(":")[0] for text in words.values]
            # rows without a name come last; equal texts get equal ranks
            places = {text: place for place, text in enumerate(sorted(set(texts), key=lambda text: (not text, text)))}
            key = np.array([places[text] for text in texts])[words.codes[found]]
        return found[np.argsort(key, kind="stable")]

    def lines(self, positions: Sequence[int] | np.ndarray) -> list[Line]:
        """These rows, in this order."""
        shown = [self._columns[name] for name in ("case_id", "age", "sex") if name in self._columns]
        rows = self._read(positions, [*map(self._name, shown), *added_columns(self.k)])
        return [self._line(int(at), row) for at, row in zip(positions, rows, strict=True)]

    def case(self, position: int) -> Case:
        """The case in a row. Raises RowError where the row holds none."""
        (row,) = self._read([position], self._own)
        mapping = ColumnMapping(columns=self._columns, values=self._values, text_columns=self._text_columns)
        places = {name: self._own.index(self._name(header)) for name, header in self._columns.items()}
        texts = tuple(self._own.index(self._name(header)) for header in self._text_columns)
        own = tuple(self._own)
        table = Table(self.path, "parquet", own, lambda: iter(()), self.rows, places, texts, mapping)
        return read_case(table, Record(position + 1, [cell_text(row[name]) for name in self._own]))

    def _open(self) -> Any:
        """The file, opened for one reading: sessions read at the same time, and one reader is not made for that."""
        import pyarrow.parquet as pq

        return pq.ParquetFile(self.path, metadata=self._metadata)

    def _name(self, header: str) -> str:
        """The file's name of a column of the input: the sidecar has it trimmed."""
        return next(name for name in self._own if name.strip().casefold() == header.strip().casefold())

    @cached_property
    def _coded(self) -> dict[str, _Coded]:
        """The status and the names: few texts, each of which stands in many rows."""
        return {name: _Coded.of(self._column(name)) for name in ("ddx_status", *self._names)}

    @property
    def _names(self) -> list[str]:
        return [f"dx{i}" for i in range(1, self.k + 1)]

    def _column(self, name: str) -> Any:
        with self._open() as file:
            return file.read(columns=[name]).column(0)

    def _read(self, positions: Sequence[int] | np.ndarray, names: list[str]) -> list[dict[str, Any]]:
        """The rows as dicts; only the row groups that hold them are read."""
        found: dict[int, dict[str, Any]] = {}
        wanted = np.unique(np.asarray(positions, dtype=int))
        groups = np.searchsorted(self._groups, wanted, side="right") - 1
        with self._open() as file:
            for group in np.unique(groups):
                here = wanted[groups == group]
                part = file.read_row_group(int(group), columns=names).take(here - self._groups[group])
                found |= zip(here.tolist(), part.to_pylist(), strict=True)
        return [found[int(at)] for at in positions]

    def _mentions(self, text: str) -> np.ndarray:
        """[rows] whether the text stands in what was read of the case, in the status or in a diagnosis."""
        import pyarrow as pa
        import pyarrow.compute as pc

        folded, said = text.casefold(), np.zeros(self.rows, dtype=bool)
        for coded in self._coded.values():
            said |= np.array([folded in value.casefold() for value in coded.values])[coded.codes]
        told = [header for name, header in self._columns.items() if name not in ("age", "sex")]
        names = list(dict.fromkeys(map(self._name, [*told, *self._text_columns])))
        parts = []
        with self._open() as file:
            for batch in file.iter_batches(20_000, columns=names):
                here = np.zeros(batch.num_rows, dtype=bool)
                for column in batch.columns:
                    if not pa.types.is_string(column.type):
                        column = pa.array([cell_text(value) for value in column.to_pylist()], pa.string())
                    hits = pc.match_substring(column, text, ignore_case=True)
                    here |= np.asarray(pc.fill_null(hits, False))
                parts.append(here)
        return said | np.concatenate(parts)

    def _line(self, position: int, row: Mapping[str, Any]) -> Line:
        said = {
            name: cell_text(row[self._name(self._columns[name])]) if name in self._columns else ""
            for name in ("case_id", "age", "sex")
        }
        return Line(
            position, said["case_id"], said["age"], said["sex"], row["ddx_status"] or "", tuple(self._listed(row)),
            None if row["other_confidence"] is None else float(row["other_confidence"]),
        )  # fmt: skip

    def _listed(self, row: Mapping[str, Any]) -> Iterator[Listed]:
        for i in range(1, self.k + 1):
            name, code = row[f"dx{i}"], row[f"dx{i}_icd10"]
            if name is not None:
                alarming = code is not None and name in self._alarming
                yield Listed(name, code, float(row[f"dx{i}_confidence"]), alarming)
