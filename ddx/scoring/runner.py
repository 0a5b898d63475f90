"""Score a table: every row gets a differential or a reason, in the order of the file.

Two passes. The first reads the table in windows of WINDOW rows and enters their outcomes in the journal (see
`ddx.scoring.journal`), one transaction a window. The second reads table and journal together, writes the result
beside its place and renames it. A run that is gone on with starts at the next window. A window always holds the
same rows, and what the model is asked in it depends on earlier windows alone: so the model sees the same batches,
and the result is the same to the last byte, however often the run was stopped.

Identical cases (the same age, sex, findings and text) are answered once, whichever rows they stand in.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from ddx.case import Case
from ddx.differential import Differential
from ddx.errors import DdxError, InputError
from ddx.files import write_text
from ddx.provenance import file_hash
from ddx.scoring.journal import Entry, Journal, check_journal, open_journal
from ddx.scoring.readers import Record, Table
from ddx.scoring.rows import RowError, read_case
from ddx.scoring.summary import Summary, sidecar
from ddx.scoring.writers import check_output, open_writer

__all__ = [
    "WINDOW",
    "Ahead",
    "Answer",
    "Predictor",
    "Summary",
    "case_key",
    "check_run",
    "predict_each",
    "provenance",
    "salt_of",
    "score_table",
    "status_of",
]

WINDOW = 96  # rows in memory: two of the model's batches, which it fills with cases of similar length


class Predictor(Protocol):
    """What scoring needs of a model (`ddx.model.Model` has it).

    An answer depends on what a case says, not on its id. A DdxError ends the run; any other exception costs a row.
    """

    info: dict[str, Any]

    def predict_many(self, cases: Sequence[Case], on_done: Callable[[int], None] | None = None) -> list[Differential]:
        """Differentials in the order of the cases; `on_done` hears how many more are done."""
        ...


Answer = Differential | str  # a string is why there is none


class Ahead(ABC):
    """Models elsewhere that answer several windows at a time (`ddx.scoring.ray_workers`)."""

    info: dict[str, Any]

    @abstractmethod
    def windows(self, table: Table, first: int, limit: int | None) -> Generator[Mapping[bytes, Answer]]:
        """For each window of WINDOW rows from position `first` on, in order: answers by `case_key`.

        Every case is answered in the first window that holds it, whatever `first` is: what an earlier window has
        is not repeated.
        """


class _Stop(Exception):
    """Leaves the writer without a result."""


def score_table(
    table: Table,
    out: Path,
    model: Predictor | Ahead,
    k: int = 5,
    force: bool = False,
    limit: int | None = None,
    on_rows: Callable[[int], None] = lambda n: None,
    resume: bool = False,
    keep_journal: bool = False,
    stop: Callable[[], bool] = lambda: False,
) -> Summary:
    """Score the first `limit` rows (all by default) of `table` into `out`, and write `<out>.summary.json`.

    A bad row is answered with its reason and never stops the run. `on_rows` hears how many more are done; after
    `resume` the kept ones count at once. `stop` is asked between windows: when it says True, the summary comes
    back with `finished` False, and a later call with `resume` goes on. The journal is deleted at the end unless
    `keep_journal`.

    Raises InputError when `out` can't be written or the journal beside it is not this run's, DdxError when the
    disk is full. Whatever is raised, a KeyboardInterrupt too, what the journal has is kept.
    """
    check_run(table, out, k, force, resume)
    run = provenance(table, model, k, limit)
    with open_journal(out, {**run, "window": WINDOW}, force, resume) as journal:
        if journal.rows:
            on_rows(journal.rows)
        try:
            _answer(table, model, limit, journal, on_rows, stop)
            summary = _write(table, out, model, k, limit, journal, run, stop)
        except _Stop:
            seconds, resumptions = journal.spent()
            return Summary(journal.rows, seconds=seconds, resumptions=resumptions, finished=False)
        content = sidecar(run, table.path.name, out.name, summary)
        beside = out.with_name(out.name + ".summary.json")
        write_text(beside, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        if not keep_journal:
            _to_disk(out)
            journal.remove()
    return summary


def check_run(table: Table, out: Path, k: int, force: bool, resume: bool) -> int:
    """How many rows of an interrupted run are there to go on with. Raises InputError when a run can't start.

    To be called before the model is loaded; `score_table` calls it again.
    """
    kept = check_journal(out, force, resume)
    if resume and not kept.rows and not force and out.is_file():
        raise InputError(f"{out}: nothing to go on with, and this file is already there; --force replaces it")
    check_output(table, out, k, force or kept.replaceable)
    return kept.rows


def provenance(table: Table, model: Predictor | Ahead, k: int, limit: int | None) -> dict[str, Any]:
    """What an output depends on, for the sidecar and for telling one run from another. Two equal ones, equal bytes
    (on one machine: another one, another number of threads, or a server that batches as it likes may move the last
    digits of a confidence)."""
    return {
        "input": {"sha256": file_hash(table.path), **table.describe()},
        "k": k,
        "limit": limit,
        "model": dict(model.info),
        "decoding": {
            **model.info.get("engine", {}),
            "max_new_tokens": getattr(model, "max_new_tokens", None),
            "seed": None,  # nothing is drawn
        },
    }


def status_of(record: Record, differential: Differential) -> str:
    """What `ddx_status` says of an answer: its status, with the reason when there is no diagnosis at all."""
    if differential.diagnoses:
        return differential.status
    why = f" ({'; '.join(differential.repairs)})" if differential.repairs else ""
    return f"empty: row {record.number}: nothing in the model's answer reads as a diagnosis{why}"


def _answer(
    table: Table,
    model: Predictor | Ahead,
    limit: int | None,
    journal: Journal,
    on_rows: Callable[[int], None],
    stop: Callable[[], bool],
) -> None:
    """The first pass: the rows that the journal does not have yet, in windows."""
    salt = salt_of(model.info)
    records = islice(table.records(), journal.rows, limit)
    began = time.perf_counter()
    ahead = model.windows(table, journal.rows, limit) if isinstance(model, Ahead) else _none()
    with closing(ahead):
        while window := list(islice(records, WINDOW)):
            if stop():
                raise _Stop
            heard = _Heard(on_rows, len(window))
            ask = _found_in(next(ahead)) if isinstance(model, Ahead) else _asked_of(model, heard)
            entries = _window(table, window, ask, model.info, journal, salt, heard)
            now = time.perf_counter()
            journal.add(entries, now - began)
            began = now


def _none() -> Generator[Mapping[bytes, Answer]]:
    yield from ()


_Ask = Callable[[list[bytes], list[Case]], list[Answer]]


def _asked_of(model: Predictor, heard: _Heard) -> _Ask:
    return lambda keys, cases: predict_each(model, cases, heard)


def _found_in(answers: Mapping[bytes, Answer]) -> _Ask:
    """A case that is asked about although an earlier window had it has failed there."""
    failed = "on the same case in an earlier row"
    return lambda keys, cases: [answers.get(key, failed) for key in keys]


def _window(
    table: Table,
    window: list[Record],
    ask: _Ask,
    info: Mapping[str, Any],
    journal: Journal,
    salt: bytes,
    heard: _Heard,
) -> list[Entry]:
    """The outcomes of a window's rows. Identical cases are asked about once, and not at all if an earlier window was.

    A case on which the model failed is asked about again in a later window.
    """
    entries: dict[int, Entry] = {}
    cases: dict[int, Case] = {}
    rows_of: dict[bytes, list[int]] = {}
    for at, record in enumerate(window):
        try:
            cases[at] = read_case(table, record)
        except RowError as fault:
            entries[at] = Entry(f"error: {fault}", fault.kind)
        else:
            rows_of.setdefault(case_key(cases[at], salt), []).append(at)
    heard(len(entries))
    known = {key: found for key in rows_of if (found := journal.find(key, info))}
    heard(sum(len(rows_of[key]) for key in known))
    asked = [key for key in rows_of if key not in known]
    answers = ask(asked, [cases[rows_of[key][0]] for key in asked])
    fresh = dict(zip(asked, answers, strict=True))
    for key, rows in rows_of.items():
        source, answer = known.get(key) or (journal.rows + rows[0], fresh[key])
        for at in rows:
            if isinstance(answer, str):
                message = f"error: row {window[at].number}: the model failed ({answer})"
                entries[at] = Entry(message, "model", key=key)
                continue
            same_as = None if journal.rows + at == source else source
            case_id = cases[at].case_id
            own = answer if answer.case_id == case_id else replace(answer, case_id=case_id)
            entries[at] = Entry(status_of(window[at], own), None, own, key, same_as)
    heard.rest()
    return [entries[at] for at in range(len(window))]


def salt_of(info: Mapping[str, Any]) -> bytes:
    """What stands for a model in `case_key`."""
    return json.dumps(info, sort_keys=True, default=str).encode()


def case_key(case: Case, salt: bytes) -> bytes:
    """16 bytes for what a case says and the model that answers it."""
    said = [case.age, case.sex, [(f.code, f.present, f.value) for f in case.findings], case.text]
    return hashlib.sha256(salt + json.dumps(said).encode()).digest()[:16]


def predict_each(model: Predictor, cases: list[Case], heard: Callable[[int], None] | None = None) -> list[Answer]:
    """Answers in order. If a batch fails, its cases are tried one by one: one bad case costs only itself.

    What failed is a string: what the engine says of it, or the name of the exception, whose message could quote
    the case.
    """
    if not cases:
        return []
    try:
        answers = model.predict_many(cases, on_done=heard)
    except DdxError:
        raise
    except Exception as error:  # whatever it is, the other rows still have to be answered
        if len(cases) == 1:
            return [type(error).__name__]
        return [answer for case in cases for answer in predict_each(model, [case], heard)]
    if len(answers) != len(cases):
        raise DdxError(f"the model gave {len(answers)} answers to {len(cases)} cases")
    return ["; ".join(a.repairs) if a.status == "failed" else a for a in answers]


class _Heard:
    """Passes on how many rows are done, a window's number in all: a batch that failed half-way is counted once."""

    def __init__(self, on_rows: Callable[[int], None], rows: int) -> None:
        self._on_rows, self._left = on_rows, rows

    def __call__(self, rows: int) -> None:
        rows = min(rows, self._left)
        self._left -= rows
        if rows:
            self._on_rows(rows)

    def rest(self) -> None:
        """Those nobody spoke of."""
        self(self._left)


def _write(
    table: Table,
    out: Path,
    model: Predictor | Ahead,
    k: int,
    limit: int | None,
    journal: Journal,
    run: Mapping[str, Any],
    stop: Callable[[], bool],
) -> Summary:
    """The second pass: table and journal together, into the result."""
    began, summary = time.perf_counter(), Summary()
    if file_hash(table.path) != run["input"]["sha256"]:
        raise InputError(f"{table.path}: the file was changed while it was being scored; start anew with --force")
    rows = zip(islice(table.records(), limit), journal.entries(model.info), strict=True)
    try:
        with open_writer(table, out, k, str(model.info.get("id", ""))) as writer:
            for record, entry in rows:
                if summary.rows % WINDOW == 0 and stop():
                    raise _Stop
                writer.write(record, entry.status, entry.differential)
                summary.add(entry)
            journal.allow_replacing()
    except OSError as error:
        raise DdxError(
            f"{error.filename or out}: {error.strerror or error}; all answers are kept, "
            "and --resume writes the table once this is mended"
        ) from None
    finally:  # there is one only after a failure; the journal has all of it, and may need the room
        out.with_name(out.name + ".partial").unlink(missing_ok=True)
    summary.seconds, summary.resumptions = journal.spent()
    summary.seconds += time.perf_counter() - began
    return summary


def _to_disk(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    with open(path, "rb") as handle:
        os.fsync(handle.fileno())
