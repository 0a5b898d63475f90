"""Score a table: every row gets a differential or a reason, in the order of the file."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from ddx.case import Case
from ddx.differential import NOTICE, Differential
from ddx.errors import DdxError
from ddx.files import write_text
from ddx.provenance import file_hash
from ddx.scoring.readers import Record, Table
from ddx.scoring.rows import RowError, read_case
from ddx.scoring.writers import TableWriter, check_output, differential_cells

__all__ = ["Predictor", "Summary", "score_table", "status_of"]

WINDOW = 96  # rows in memory: four of the model's batches, which it fills with cases of similar length
_MESSAGES = 5  # reasons kept for the screen; all of them stand in the table


class Predictor(Protocol):
    """What scoring needs of a model (`ddx.model.Model` has it)."""

    info: dict[str, Any]

    def predict_many(self, cases: Sequence[Case], on_done: Callable[[int], None] | None = None) -> list[Differential]:
        """Differentials in the order of the cases; `on_done` hears how many more are done."""
        ...


@dataclass
class Summary:
    """Counts of a run. `statuses` counts answered rows by status, `failed` the others by kind of fault."""

    rows: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    messages: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def answered(self) -> int:
        """Rows with at least one diagnosis."""
        return self.statuses.total() - self.statuses["empty"]

    @property
    def seconds_per_case(self) -> float | None:
        """Seconds for one case that went through the model; None when none did."""
        cases = self.statuses.total()
        return self.seconds / cases if cases else None

    def line(self) -> str:
        """The summary in one line."""
        parts = ", ".join(f"{name} {count}" for name, count in self.statuses.most_common())
        text = f"{self.rows} row{'s' if self.rows != 1 else ''}: {self.answered} answered"
        text += f" ({parts})" if parts else ""
        if self.failed:
            faults = ", ".join(f"{name} {count}" for name, count in self.failed.most_common())
            text += f"; {self.failed.total()} failed ({faults})"
        each = self.seconds_per_case
        return text + f"; {self.seconds:.1f} s" + (f", {each:.2f} s a case" if each is not None else "")

    def to_dict(self) -> dict[str, Any]:
        """Counts for the file beside the table: no text of any case."""
        each = self.seconds_per_case
        return {
            "rows": self.rows,
            "answered": self.answered,
            "statuses": {name: self.statuses[name] for name in sorted({*self.statuses, "ok", "repaired"})},
            "failed": self.failed.total(),
            "failed_by_kind": dict(sorted(self.failed.items())),
            "seconds": round(self.seconds, 3),
            "seconds_per_case": None if each is None else round(each, 4),
        }


def score_table(
    table: Table,
    out: Path,
    model: Predictor,
    k: int = 5,
    force: bool = False,
    limit: int | None = None,
    on_rows: Callable[[int], None] = lambda n: None,
) -> Summary:
    """Score the first `limit` rows (all by default) of `table` into `out`, and write `<out>.summary.json`.

    A bad row is answered with its reason and never stops the run. `on_rows` hears how many more are done.
    """
    check_output(table, out, k, force)
    summary, began = Summary(), time.perf_counter()
    model_id = str(model.info.get("id", ""))
    records = islice(table.records(), limit)
    with TableWriter(table, out, k) as writer:
        while window := list(islice(records, WINDOW)):
            for record, status, differential in _window(table, window, model, summary, on_rows):
                writer.write(record.cells, differential_cells(status, differential, model_id, k))
                summary.rows += 1
            writer.flush()
        summary.seconds = time.perf_counter() - began
    _write_sidecar(table, out, model, k, limit, summary)
    return summary


def status_of(record: Record, differential: Differential) -> str:
    """What `ddx_status` says of an answer: its status, with the reason when there is no diagnosis at all."""
    if differential.diagnoses:
        return differential.status
    why = f" ({'; '.join(differential.repairs)})" if differential.repairs else ""
    return f"empty: row {record.number}: nothing in the model's answer reads as a diagnosis{why}"


def _window(
    table: Table, window: list[Record], model: Predictor, summary: Summary, on_rows: Callable[[int], None]
) -> Iterator[tuple[Record, str, Differential | None]]:
    cases: dict[int, Case] = {}
    faults: dict[int, RowError] = {}
    for at, record in enumerate(window):
        try:
            cases[at] = read_case(table, record)
        except RowError as error:
            faults[at] = error
    on_rows(len(faults))
    answers = dict(zip(cases, _predict(model, list(cases.values()), on_rows), strict=True))
    for at, record in enumerate(window):
        answer = answers.get(at)
        if isinstance(answer, Differential):
            status = status_of(record, answer)
            summary.statuses["empty" if not answer.diagnoses else answer.status] += 1
            yield record, status, answer
            continue
        fault = faults.get(at) or RowError("model", f"row {record.number}: the model failed ({answer})")
        summary.failed[fault.kind] += 1
        if len(summary.messages) < _MESSAGES:
            summary.messages.append(str(fault))
        yield record, f"error: {fault}", None


def _predict(model: Predictor, cases: list[Case], on_rows: Callable[[int], None]) -> list[Differential | str]:
    """Answers in order. If a batch fails, its cases are tried one by one: one bad case costs only itself.

    What failed is a string, the name of the exception: its message could quote the case.
    """
    if not cases:
        return []
    try:
        answers = model.predict_many(cases, on_done=on_rows)
    except DdxError:
        raise
    except Exception as error:  # whatever it is, the other rows still have to be answered
        if len(cases) == 1:
            return [type(error).__name__]
        return [answer for case in cases for answer in _predict(model, [case], on_rows)]
    if len(answers) != len(cases):
        raise DdxError(f"the model gave {len(answers)} answers to {len(cases)} cases")
    return list(answers)


def _write_sidecar(table: Table, out: Path, model: Predictor, k: int, limit: int | None, summary: Summary) -> None:
    info: Mapping[str, Any] = model.info
    content = {
        "input": {
            "file": table.path.name,
            "sha256": file_hash(table.path),
            "encoding": table.encoding,
            "separator": table.separator,
            "rows": table.rows,
        },
        "output": out.name,
        "k": k,
        "limit": limit,
        **summary.to_dict(),
        "model": dict(info),
        "notice": NOTICE,
    }
    write_text(out.with_name(out.name + ".summary.json"), json.dumps(content, indent=1, ensure_ascii=False) + "\n")
