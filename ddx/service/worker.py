"""One model behind a line of waiting cases: a thread answers them in the order in which they came.

Whatever waits when the model becomes free is answered together, up to `batch` cases: requests that come at the
same time share a pass of the model, and a long list lets others in between its parts.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol

from ddx.case import Case
from ddx.differential import Differential
from ddx.errors import DdxError

__all__ = ["Busy", "ModelFailure", "Predictor", "Worker"]

_LOG = logging.getLogger("ddx.service")
_LONGEST_WAIT = 600  # seconds to name at most when asked when to come back


class Predictor(Protocol):
    """What the line needs of a model (`ddx.model.Model` has it)."""

    info: dict[str, Any]

    def predict_many(self, cases: Sequence[Case], on_done: Callable[[int], None] | None = None) -> list[Differential]:
        """Differentials in the order of the cases."""
        ...


class Busy(DdxError):
    """The line has no room. `seconds` is a guess of when it will."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many cases are waiting; try again in {seconds} s")
        self.seconds = seconds


class ModelFailure(DdxError):
    """The model raised on a case. The message names the kind of error alone: its own could quote the case."""


class _Job(NamedTuple):
    case: Case
    future: Future[Differential]


class Worker:
    """A model, its thread, and at most `max_waiting` cases in line. Close it when done."""

    def __init__(self, model: Predictor, max_waiting: int = 256, batch: int = 8) -> None:
        self.model, self.max_waiting, self.batch = model, max_waiting, batch
        self._line: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._seconds = 1.0  # for a case: a running mean
        self._thread = threading.Thread(target=self._work, name="ddx-serve", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether the model takes cases."""
        return self._thread.is_alive() and not self._closed

    @property
    def waiting(self) -> int:
        """Cases in line, without those that the model is at and those that nobody waits for any more."""
        with self._changed:
            return self._count()

    def submit(self, cases: Sequence[Case]) -> list[Future[Differential]]:
        """Put cases in line, all or none; the futures are in their order.

        A future that is cancelled before the model comes to it costs nothing. Raises Busy when there is no room.
        """
        with self._changed:
            waiting = self._count()
            if self._closed or waiting + len(cases) > self.max_waiting:
                raise Busy(self._wait(waiting))
            jobs = [_Job(case, Future()) for case in cases]
            self._line.extend(jobs)
            self._changed.notify()
        return [job.future for job in jobs]

    def ahead(self, future: Future[Differential]) -> int:
        """How many cases are in line before this one; 0 once the model is at it, or done with it."""
        with self._changed:
            before = 0
            for job in self._line:
                if job.future is future:
                    return before
                before += not job.future.cancelled()
        return 0

    def close(self, seconds: float = 5.0) -> None:
        """Cancel what waits, and give the model some time to finish what it is at."""
        with self._changed:
            self._closed = True
            for job in self._line:
                job.future.cancel()
            self._line.clear()
            self._changed.notify()
        self._thread.join(seconds)

    def wait(self) -> int:
        """A guess of the seconds until the line is empty, at least 1."""
        return self._wait(self.waiting)

    def _wait(self, waiting: int) -> int:
        return min(_LONGEST_WAIT, max(1, math.ceil(waiting * self._seconds)))

    def _count(self) -> int:
        return sum(not job.future.cancelled() for job in self._line)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._line or self._closed)
                if self._closed:
                    return
                jobs: list[_Job] = []
                while self._line and len(jobs) < self.batch:
                    job = self._line.popleft()
                    if job.future.set_running_or_notify_cancel():
                        jobs.append(job)
            if jobs:
                began = time.perf_counter()
                self._answer(jobs)
                self._seconds += 0.2 * ((time.perf_counter() - began) / len(jobs) - self._seconds)

    def _answer(self, jobs: list[_Job]) -> None:
        """If cases fail together, each is tried alone: a bad one costs only itself."""
        try:
            answers = self.model.predict_many([job.case for job in jobs])
            pairs = list(zip(jobs, answers, strict=True))
        except Exception as error:  # whatever it is, the service goes on
            if len(jobs) > 1:
                for job in jobs:
                    self._answer([job])
                return
            _LOG.error("case %r: the model failed (%s)", jobs[0].case.case_id, type(error).__name__)
            jobs[0].future.set_exception(ModelFailure(f"the model failed ({type(error).__name__})"))
            return
        for job, answer in pairs:
            job.future.set_result(answer)
