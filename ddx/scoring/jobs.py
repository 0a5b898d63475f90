"""Batch jobs: a table of cases scored by a process of its own, which outlives whoever started it.

A job is a folder that its owner alone can read: the uploaded table under a name of ours, what it is to be scored
with (`job.json`), how far it is (`status.json`, written beside its place and renamed), the outputs, and the journal
of `ddx.scoring.runner`, from which an interrupted job goes on.

Whether a worker is alive is told by its lock on the file `lock`: the kernel lets go of it however the worker ends,
and a process id can't be mistaken for another's. The lock is taken by whoever starts the job and handed to the
worker, so that there is no moment at which a second one could start.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ddx.errors import InputError
from ddx.scoring.journal import journal_path
from ddx.scoring.mapping import ColumnMapping

__all__ = ["ACTIVE", "FORMS", "Job", "Order", "State", "Status", "all_jobs", "create", "find", "jobs_folder"]

State = Literal[
    "new", "starting", "waiting", "reading", "loading", "running", "writing", "finished", "cancelled", "failed",
    "interrupted",
]  # fmt: skip
ACTIVE: tuple[State, ...] = ("starting", "waiting", "reading", "loading", "running", "writing")
FORMS = (".parquet", ".csv", ".jsonl")  # of the output, in the order in which they are written
WORKER = (sys.executable, "-m", "ddx.scoring.job_worker")
_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
_SUFFIXES = frozenset(
    [".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".xlsx", ".xlsm", ".xls", ".parquet", ".gz", ".zip"]
)  # what the readers look at in a name


class Order(BaseModel):
    """What is to be scored, and with what: the content of `job.json`.

    name: the table's name as its owner knows it. model: a model folder, None for the shipped one. k: diagnoses a
    row, 1 to 20. sheet: of a workbook. on: for FHIR, the day at which patients are as old as their row says.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    input: str
    created: datetime
    mapping: ColumnMapping = ColumnMapping()
    sheet: str | None = None
    on: date | None = None
    k: int = 5
    model: str | None = None


@dataclass(frozen=True)
class Status:
    """How far a job is.

    `message` is one line without any case's text. `done` of `total` rows, of which `kept` were there when this part
    began; `seconds` spent on the others (rows a second: `rate`). `total` is 0 until the table has been read. Of a job
    that was cancelled or has failed, `done` are the rows whose answers are kept.
    """

    state: State = "new"
    message: str = ""
    done: int = 0
    total: int = 0
    kept: int = 0
    seconds: float = 0.0
    pid: int | None = None

    @property
    def active(self) -> bool:
        """Whether a worker is at it."""
        return self.state in ACTIVE

    @property
    def rate(self) -> float | None:
        """Rows a second in this part of the job, None while nothing can be said."""
        return (self.done - self.kept) / self.seconds if self.done > self.kept and self.seconds > 0 else None

    @property
    def left(self) -> float | None:
        """Seconds that the remaining rows will take at this rate."""
        return (self.total - self.done) / self.rate if self.rate else None


class Job:
    """A job's folder. Nothing is kept in memory: every call looks at what is there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def order(self) -> Order:
        """What is to be done. Raises InputError when that can't be read."""
        try:
            return Order.model_validate_json((self.folder / "job.json").read_bytes())
        except (OSError, ValidationError):
            raise InputError(f"job {self.id}: its job.json can't be read; delete the job and upload again") from None

    @property
    def input(self) -> Path:
        """The uploaded table."""
        return self.folder / self.order.input

    def output(self, form: str = FORMS[0]) -> Path:
        """The scored table in one of FORMS."""
        return self.folder / f"scored{form}"

    @property
    def sidecar(self) -> Path:
        """Provenance and counts of the scored table."""
        return self.output().with_name(self.output().name + ".summary.json")

    def status(self) -> Status:
        """How far it is; "interrupted" where a worker was at it and is no more."""
        for _ in range(2):  # looked at twice: it may have been started between the two looks
            alive = self.alive()  # before the status: a worker writes its last one before it lets go
            status = self._written()
            if alive or not status.active:
                return status
        return Status(**{**asdict(status), "state": "interrupted", "message": "", "pid": None})

    def alive(self) -> bool:
        """Whether a worker holds the job's lock."""
        try:
            handle = os.open(self.folder / "lock", os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def change(self, **changes: object) -> Order:
        """Note another mapping, sheet, k … for a job that has not begun. Raises InputError once it has."""
        with self._locked():
            if self._written().state != "new":
                raise InputError(f"job {self.id} has begun; upload the table again to score it otherwise")
            order = Order.model_validate({**self.order.model_dump(), **changes})
            self._write("job.json", order.model_dump_json(indent=1))
        return order

    def start(self, anew: bool = False, worker: Sequence[str] | None = None) -> None:
        """Start a worker, or start one again: it goes on where the last one stopped, at row one with `anew`.

        Returns at once. Raises InputError when one is at it already. `worker` is the command of another program
        than `ddx.scoring.job_worker` that does the same.
        """
        folder, _ = self.folder, self.order
        with self._locked() as lock:
            if anew:
                self._forget()
            (folder / "cancel").unlink(missing_ok=True)
            self.note(Status("starting"))
            try:
                process = subprocess.Popen(
                    [*(worker or WORKER), str(folder), str(lock)],
                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    start_new_session=True, pass_fds=(lock,),
                )  # fmt: skip
            except OSError as error:
                self.note(Status("failed", f"no process could be started ({error.strerror})"))
                raise InputError(f"job {self.id}: no process could be started ({error.strerror})") from None
        threading.Thread(target=process.wait, name="ddx-job", daemon=True).start()  # so that it leaves no zombie

    def cancel(self) -> None:
        """Ask the worker to stop; it does so within a second or two. Answers that are in the journal are kept."""
        (self.folder / "cancel").touch(mode=0o600)  # for a worker that is only just starting
        pid = self._written().pid
        # in this order: while the lock is held, the process with the worker's id is the worker
        if pid is not None and self.alive():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    @property
    def cancelling(self) -> bool:
        """Whether a worker has been asked to stop and has not done so yet."""
        return (self.folder / "cancel").exists() and self.alive()

    def delete(self) -> None:
        """Delete everything. Raises InputError while a worker is at it."""
        with self._locked():
            shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.exists():
            raise InputError(f"{self.folder}: could not be deleted; delete this folder yourself")

    def note(self, status: Status) -> None:
        """Write the status down."""
        self._write("status.json", json.dumps(asdict(status)))

    def _written(self) -> Status:
        try:
            content = json.loads((self.folder / "status.json").read_bytes())
            return Status(**{f.name: content[f.name] for f in fields(Status)})
        except (OSError, ValueError, KeyError, TypeError):
            if not (self.folder / "job.json").exists():
                return Status("failed", "the upload was not completed; delete the job and upload again")
            return Status("new")

    def _write(self, name: str, text: str) -> None:
        partial = self.folder / f"{name}.{os.getpid()}.partial"
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as handle:
            handle.write(text)
        os.replace(partial, self.folder / name)

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """The job's lock, as a file descriptor; closing it here leaves it with a worker that inherited it."""
        try:
            handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise InputError(f"job {self.id}: its folder can't be used ({error.strerror})") from None
        try:
            for attempt in range(20):  # somebody may just be looking whether the job is alive
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if attempt == 19:
                        raise InputError(f"job {self.id} is running; wait for it, or cancel it first") from None
                    time.sleep(0.01)
            yield handle
        finally:
            os.close(handle)

    def _forget(self) -> None:
        """Delete what earlier workers made."""
        for form in FORMS:
            out = self.output(form)
            for path in (out, journal_path(out)):
                for ending in ("", "-wal", "-shm", "-journal", ".partial", ".summary.json"):
                    path.with_name(path.name + ending).unlink(missing_ok=True)


def jobs_folder() -> Path:
    """Where jobs are kept: `$DDX_JOBS`, else `$XDG_STATE_HOME/ddx/jobs`, else `~/.local/state/ddx/jobs`."""
    if os.environ.get("DDX_JOBS"):
        return Path(os.environ["DDX_JOBS"]).absolute()
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state").absolute() / "ddx" / "jobs"


def create(name: str, table: BinaryIO, model: str | None = None) -> Job:
    """A new job for an uploaded table, which is copied. `name` is only shown, never used as a path.

    Raises InputError when there is no room, or no right to write.
    """
    now = datetime.now(UTC).replace(microsecond=0)
    suffixes = [s for s in (s.lower() for s in Path(name).suffixes[-2:]) if s in _SUFFIXES]
    job = Job(jobs_folder() / f"{now.astimezone():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}")
    shown = "".join(c for c in Path(name.replace("\\", "/")).name if c.isprintable())[:200] or "table"
    order = Order(name=shown, input="".join(["input", *suffixes]), created=now, model=model)
    try:
        job.folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        job.folder.mkdir(mode=0o700)
        with open(os.open(job.folder / order.input, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as handle:
            shutil.copyfileobj(table, handle, 1 << 20)
        job._write("job.json", order.model_dump_json(indent=1))
    except OSError as error:
        shutil.rmtree(job.folder, ignore_errors=True)
        raise InputError(f"{jobs_folder()}: the table can't be kept there ({error.strerror})") from None
    return job


def find(id: str) -> Job | None:
    """The job of this id, None where there is none."""
    folder = jobs_folder() / id
    return Job(folder) if _ID.fullmatch(id) and folder.is_dir() else None


def all_jobs() -> list[Job]:
    """All jobs, the newest first."""
    try:
        names = sorted((path.name for path in jobs_folder().iterdir() if _ID.fullmatch(path.name)), reverse=True)
    except OSError:
        return []
    return [Job(jobs_folder() / name) for name in names]
