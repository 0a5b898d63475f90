"""What scores a batch job: `python -m ddx.scoring.job_worker FOLDER LOCK`, started by `ddx.scoring.jobs.Job.start`.

It answers by `ddx.scoring.runner.score_table`, as `ddx score` does. One worker at a time has its turn, and all run at
a low priority: a model at work fills the machine, and a person reviewing a case goes before a table.

The journal makes the table in each form: the first form keeps it, and it moves on to the next when that is written.
"""

from __future__ import annotations

import faulthandler
import fcntl
import json
import os
import re
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ddx.case import Case
from ddx.differential import Differential
from ddx.errors import DdxError, InputError
from ddx.scoring.jobs import FORMS, Job, Status
from ddx.scoring.journal import check_journal, journal_path
from ddx.scoring.readers import Table, open_table
from ddx.scoring.runner import WINDOW, Predictor, check_run, score_table

__all__ = ["main", "plain"]

_NICE = 10
_EVERY = 0.5  # seconds between two notes of how far it is
_PATIENCE = 10.0  # seconds that a job told to stop may still take to keep a window whose answers are all there
_CLI = (  # what the command line says, in the app's words
    (" with --force", ""),
    ("--resume goes on", "Resume goes on"),
    ("--resume writes", "Resume writes"),
    ("--force starts anew", "Start anew throws it away"),
    ("--force replaces it", "Start anew replaces it"),
)
_OPTION = re.compile(r" \(or [^()]*--[^()]*\)")  # a hint at an option that the app has a control for


class _Cancelled(BaseException):
    """Raised where the worker stands when it is told to stop; no `except Exception` swallows it."""


@dataclass
class _Recorded:
    """The model that gave the answers of a journal, for writing them in another form. It is never asked."""

    info: dict[str, Any]
    max_new_tokens: int | None

    def predict_many(self, cases: Sequence[Case], on_done: Callable[[int], None] | None = None) -> list[Differential]:
        raise DdxError("the journal lacks answers that it had; start anew")


class _Progress:
    """Notes how far the job is, now and then."""

    def __init__(self, job: Job) -> None:
        self.job, self.status, self._noted, self._began = job, Status(pid=os.getpid()), 0.0, 0.0
        self.stopping = False

    @property
    def whole_window(self) -> bool:
        """Whether no row is done that is not of a whole window: the journal has it, or is about to."""
        status = self.status
        whole = status.done % WINDOW == 0 or status.done == status.total
        return status.state == "running" and status.done > status.kept and whole

    def enter(self, state: Any, **changes: Any) -> None:
        """Another state."""
        self.status = replace(self.status, state=state, **changes)
        self._began = time.monotonic()
        self.note()

    def fail(self, message: str) -> None:
        """The end, and why."""
        self.enter("failed", message=message, done=_kept(self.job))

    def rows(self, more: int) -> None:
        """`more` rows are done."""
        now = time.monotonic()
        self.status = replace(self.status, done=self.status.done + more, seconds=now - self._began)
        if now >= self._noted + _EVERY:
            self.note()

    def note(self) -> None:
        """Write it down; a disk that is full must not end the job here, where no answer would be lost by it."""
        self._noted = time.monotonic()
        with suppress(OSError):
            self.job.note(self.status)


def main(arguments: Sequence[str], load: Callable[[str | None], Predictor] | None = None) -> None:
    """Score the job in the folder `arguments[0]`, whose lock is the file descriptor `arguments[1]`.

    `load` gives the model of a name; `ddx.model.load_model` unless given.
    """
    job, lock = Job(Path(arguments[0])), int(arguments[1])
    os.set_inheritable(lock, False)  # the lock is this process's own: no child keeps the job alive
    os.umask(0o077)
    _step_back()
    log = open(job.folder / "worker.log", "a", encoding="utf-8")  # noqa: SIM115
    faulthandler.enable(log)
    progress = _Progress(job)

    def stop(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough
        if number == signal.SIGALRM or not progress.whole_window:
            raise _Cancelled
        progress.stopping = True
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE)

    for told in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(told, stop)
    try:
        progress.enter("waiting")
        if (job.folder / "cancel").exists():
            raise _Cancelled
        _score(job, progress, load or _load)
    except _Cancelled:
        progress.enter("cancelled", done=_kept(job))
    except DdxError as error:
        progress.fail(plain(str(error), job))
    except OSError as error:
        progress.fail(f"the operating system says: {error.strerror or type(error).__name__}")
    except Exception as error:  # its message could quote a case: the frames are enough to find the fault
        print(*traceback.format_tb(error.__traceback__), type(error).__name__, sep="", file=log, flush=True)
        progress.fail(f"an error of ddx itself ({type(error).__name__}); see {log.name}")
    finally:
        _too_late_to_cancel()
        with suppress(OSError):
            (job.folder / "cancel").unlink(missing_ok=True)
        os.close(lock)  # not at the process's end, which takes a while: the job may be gone on with from here on


def plain(message: str, job: Job) -> str:
    """A message of the command line in the app's words: the table by its own name, Resume for --resume."""
    with suppress(InputError):  # an order that can't be read
        message = message.replace(str(job.input), job.order.name)
    message = message.replace(f"{job.folder}{os.sep}", "")
    for said, meant in _CLI:
        message = message.replace(said, meant)
    message = _OPTION.sub("", message)
    return " ".join(message.split())


def _score(job: Job, progress: _Progress, load: Callable[[str | None], Predictor]) -> None:
    order = job.order
    turn = _turn(job)
    try:
        progress.enter("reading")
        table = open_table(job.input, order.mapping, order.sheet, order.on)
        at = _form_at_hand(job)
        progress.enter("reading", total=table.rows)
        if at == 0:
            kept = check_run(table, job.output(), order.k, force=False, resume=True)
            progress.enter("loading", kept=kept, done=kept)
            model = load(order.model)
            progress.enter("running")
            progress.status = replace(progress.status, done=0)  # score_table counts the kept ones again
            summary = score_table(
                table, job.output(), model, order.k, on_rows=progress.rows, resume=True, keep_journal=True,
                stop=lambda: progress.stopping,
            )  # fmt: skip
            if not summary.finished:
                raise _Cancelled
        progress.enter("writing", done=table.rows)
        _write_others(job, table, at)
        _too_late_to_cancel()
        progress.enter("finished")
    finally:
        os.close(turn)


def _kept(job: Job) -> int:
    """How many answered rows a job that goes on will find."""
    for form in FORMS:
        with suppress(InputError):  # a damaged journal, or another run's: nothing to go on with
            if kept := check_journal(job.output(form), force=False, resume=True).rows:
                return kept
    return 0


def _form_at_hand(job: Job) -> int:
    """The position in FORMS of the form that the journal stands beside; len(FORMS) when all of them are written."""
    for at, form in enumerate(FORMS):
        if journal_path(job.output(form)).exists():
            return at
    return len(FORMS) if job.output(FORMS[-1]).exists() else 0


def _write_others(job: Job, table: Table, at: int) -> None:
    """From the journal, the form at `at` if it is not the first, and those after it."""
    facts = json.loads(job.sidecar.read_text(encoding="utf-8"))
    model = _Recorded(facts["model"], facts["decoding"]["max_new_tokens"])
    for i in range(max(at, 1), len(FORMS)):
        out = job.output(FORMS[i])
        before = journal_path(job.output(FORMS[i - 1]))
        if before.exists():
            os.replace(before, journal_path(out))
        last = i == len(FORMS) - 1
        score_table(table, out, model, job.order.k, resume=True, keep_journal=not last)
        # these say of themselves that they were gone on with; the first form's is the run's
        out.with_name(out.name + ".summary.json").unlink(missing_ok=True)


def _turn(job: Job) -> int:
    """Wait until no other job has its turn; the file descriptor whose closing ends ours."""
    handle = os.open(job.folder.parent / "turn", os.O_RDWR | os.O_CREAT, 0o600)
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return handle
        except BlockingIOError:
            time.sleep(0.5)


def _step_back() -> None:
    """Let everything else go first, and be the first to go where memory runs out: a killed job goes on, an app not."""
    os.nice(_NICE)
    with suppress(OSError):  # Linux only
        Path("/proc/self/oom_score_adj").write_text("500")


def _load(name: str | None) -> Predictor:
    try:
        from ddx.model import load_model

        return load_model(name)
    except (DdxError, OSError):
        raise
    except Exception as error:
        raise DdxError(f"the model could not be loaded ({type(error).__name__})") from None


def _too_late_to_cancel() -> None:
    signal.setitimer(signal.ITIMER_REAL, 0)
    for told in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(told, signal.SIG_IGN)


if __name__ == "__main__":
    main(sys.argv[1:])
