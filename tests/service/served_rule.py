"""The service as it runs, in this process: a small rule in place of the model, a real server, a real client."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
from keyword_model import KeywordModel

from ddx.calibration.calibrator import Calibrator
from ddx.case import Case
from ddx.differential import Differential
from ddx.formats import LinesFormat
from ddx.service.app import create_app
from ddx.service.server import http_server, listen
from ddx.service.settings import Settings
from ddx.service.worker import Worker
from ddx.vocabulary import load_vocabulary


class Rule(KeywordModel):
    """The rule with what the service tells of a model; cases that say "slow" wait until `gate` opens."""

    def __init__(self) -> None:
        super().__init__()
        self.vocabulary, self.calibrator = load_vocabulary(), Calibrator("identity", k=5)
        self.format, self.semantics = LinesFormat(5), "pathology"
        self.gate, self.at_work, self.passes = threading.Event(), threading.Event(), list[int]()

    def predict_many(self, cases: Sequence[Case], on_done: Callable[[int], None] | None = None) -> list[Differential]:
        self.passes.append(len(cases))
        if any("slow" in case.text for case in cases):
            self.at_work.set()
            assert self.gate.wait(120)
        return super().predict_many(cases, on_done)


@contextmanager
def serving(model: Rule, **options: Any) -> Iterator[httpx.Client]:
    """The service on a free port of loopback, and a client of it."""
    settings = Settings(**options)
    worker = Worker(model, settings.max_waiting, settings.batch)
    with listen("127.0.0.1", 0) as listening:
        server = http_server(create_app(model, worker, settings))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            with httpx.Client(base_url=url, trust_env=False, timeout=120) as client:
                yield client
        finally:
            model.gate.set()
            server.should_exit = True
            thread.join(60)
            worker.close()
    assert not thread.is_alive()


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def connection(client: httpx.Client) -> socket.socket:
    return socket.create_connection((client.base_url.host, client.base_url.port), timeout=60)


def waiting(client: httpx.Client) -> int:
    return client.get("/v1/health").json()["waiting"]


def lines(response: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in response.text.splitlines()]
