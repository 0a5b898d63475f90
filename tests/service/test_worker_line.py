"""A case in line knows how many are before it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from keyword_model import KeywordModel

from ddx.case import Case
from ddx.differential import Differential
from ddx.service.worker import Worker


class Held(KeywordModel):
    """Answers once it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.at_work, self.go = threading.Event(), threading.Event()

    def predict_many(self, cases: Sequence[Case], on_done: Callable[[int], None] | None = None) -> list[Differential]:
        self.at_work.set()
        self.go.wait(20)
        return super().predict_many(cases, on_done)


def test_the_place_in_line_counts_those_before_and_not_those_that_left() -> None:
    model = Held()
    worker = Worker(model, batch=1)
    [first] = worker.submit([Case("0", text="cough")])
    assert model.at_work.wait(20)
    second, third, fourth = worker.submit([Case(str(i), text="cough") for i in range(1, 4)])
    assert [worker.ahead(f) for f in (first, second, third, fourth)] == [0, 0, 1, 2]
    assert second.cancel()
    assert worker.ahead(fourth) == 1
    model.go.set()
    assert fourth.result(20).case_id == "3" and worker.ahead(fourth) == 0
    worker.close()
