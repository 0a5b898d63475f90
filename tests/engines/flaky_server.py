"""A server of chat completions on 127.0.0.1 that fails on request: real sockets, recorded answers.

    with FlakyServer(lambda case: "Gout 99\\n", fault=lambda n, case: "500" if n == 3 else None) as server:
        ServerEngine(server.url)

Faults: "drop" (closes the connection), a status such as "500", "429+0.2" (with Retry-After), "hang" (until the server
stops, or for `hang` seconds), "half" (dies amid its answer), "cut" (half a JSON), "other" (JSON, but no completion).
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

END = "<|im_end|>"
Fault = Callable[[int, str], str | None]


class FlakyServer:
    """`answer(case text)` writes; `fault(number of the request from 0, case text)` says what goes wrong, if anything.

    The request with which an engine starts (one token) is answered well and not counted, unless `from_start`.
    """

    def __init__(
        self,
        answer: Callable[[str], str],
        fault: Fault = lambda n, case: None,
        seconds: float = 0.0,
        hang: float = 60.0,
        logprobs: bool = True,
        from_start: bool = False,
        models: tuple[str, ...] = ("recorded",),
    ) -> None:
        self.answer, self.fault, self.seconds, self.hang = answer, fault, seconds, hang
        self.logprobs, self.from_start, self.models = logprobs, from_start, models
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.faults: Counter[str] = Counter()
        self.at_once = self.most_at_once = 0
        self.lock, self.stopped = threading.Lock(), threading.Event()
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.flaky = self
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> FlakyServer:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        self._http.shutdown()
        self._http.server_close()

    @property
    def cases(self) -> list[str]:
        """The case of every request, in the order of arrival."""
        return [body["messages"][-1]["content"] for body in self.bodies]


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    flaky: FlakyServer

    def handle_error(self, *_: object) -> None:
        """A client that gave up is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        flaky = self.server.flaky
        self._send(200, json.dumps({"data": [{"id": name} for name in flaky.models]}))

    def do_POST(self) -> None:
        flaky = self.server.flaky
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        case = body["messages"][-1]["content"]
        with flaky.lock:
            flaky.keys.append(self.headers["authorization"])
            counted = flaky.from_start or body["max_tokens"] > 1
            fault = flaky.fault(len(flaky.bodies), case) if counted else None
            if counted:
                flaky.bodies.append(body)
                flaky.at_once += 1
                flaky.most_at_once = max(flaky.most_at_once, flaky.at_once)
            if fault:
                flaky.faults[fault] += 1
        time.sleep(flaky.seconds)
        try:
            self._answer(flaky, case, fault)
        finally:
            if counted:
                with flaky.lock:
                    flaky.at_once -= 1

    def _answer(self, flaky: FlakyServer, case: str, fault: str | None) -> None:
        good = json.dumps(completion(flaky.answer(case), flaky.logprobs))
        if fault == "hang":
            flaky.stopped.wait(flaky.hang)
        elif fault == "half":
            self._send(200, good, len(good) // 2)
        elif fault == "cut":
            self._send(200, good[: len(good) // 2])
        elif fault == "other":
            self._send(200, json.dumps({"object": "chat.completion", "choices": []}))
        elif fault and fault != "drop":
            status, _, wait = fault.partition("+")
            self._send(int(status), "{}", headers={"Retry-After": wait} if wait else {})
        elif fault is None:
            self._send(200, good)
        if fault in ("drop", "hang", "half"):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    def _send(self, status: int, text: str, only: int | None = None, headers: dict[str, str] | None = None) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data[:only])


def completion(text: str, logprobs: bool) -> dict[str, Any]:
    """A completion as vLLM sends it: one token a character, each certain but for the digits."""
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    if logprobs:
        choice["logprobs"] = {"content": [_entry(c) for c in [*text, END]]}
    usage = {"prompt_tokens": 40, "completion_tokens": len(text) + 1, "total_tokens": len(text) + 41}
    return {"object": "chat.completion", "choices": [choice], "usage": usage}


def _entry(token: str) -> dict[str, Any]:
    others = [{"token": "1", "logprob": -1.6}] if token.isdigit() and token != "1" else []
    logprob = -0.22 if others else 0.0
    return {"token": token, "logprob": logprob, "top_logprobs": [{"token": token, "logprob": logprob}, *others]}
