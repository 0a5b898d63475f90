"""`ddx serve` as people start it, with the model that ships."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ddx.differential import NOTICE
from ddx.engines.base_models import SMOLLM2, cache_dir
from ddx.provenance import shipped_folder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.model,
    pytest.mark.skipif(not (shipped_folder() / "model.json").exists(), reason="no model in ddx/assets/model"),
    pytest.mark.skipif(not (cache_dir() / SMOLLM2).exists(), reason=f"run `ddx models get {SMOLLM2}` first"),
]


class Started:
    """The command as a process, and what it said on standard error so far."""

    def __init__(self) -> None:
        command = [
            str(Path(sys.executable).with_name("ddx")),
            "serve",
            "--port",
            "0",
            "--timeout",
            "900",
        ]  # a busy machine is no fault
        env = {name: value for name, value in os.environ.items() if name != "DDX_SERVE_TOKEN"}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
        self.said: list[str] = []
        self.reading = threading.Thread(target=self._read)
        self.url = ""
        found = threading.Event()
        self._found = found
        self.reading.start()
        assert found.wait(300), "".join(self.said)

    def _read(self) -> None:
        for line in self.process.stderr or ():
            self.said.append(line)
            if at := re.search(r" at (http://127\.0\.0\.1:\d+) ", line):
                self.url = at.group(1)
                self._found.set()
        self._found.set()  # ended: whoever waits sees that there is no url

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        self.reading.join(10)
        return status


@pytest.fixture(scope="module")
def started() -> Iterator[Started]:
    started = Started()
    try:
        assert started.url, "".join(started.said)
        yield started
    finally:
        if started.process.poll() is None:
            started.stop()


def test_it_answers_a_case_a_batch_and_a_stream_and_stops(started: Started) -> None:
    text = "Crushing central chest pain for an hour, sweating, spreads to the left arm."
    case: dict[str, Any] = {"case_id": "a", "age": 61, "sex": "M", "text": text}
    cases = [case, {"case_id": "b", "age": 300}, {"case_id": "c", "findings": ["E_91", "E_201", "-E_66"]}]
    with httpx.Client(base_url=started.url, trust_env=False, timeout=900) as client:
        health = client.get("/v1/health").json()
        assert health["ready"]
        assert {"adapter_sha256", "calibrator_sha256", "vocabulary_sha256", "prompt_sha256"} <= set(health["hashes"])
        answer = client.post("/v1/differential", json=case).json()
        assert sum(d["confidence"] for d in answer["differential"]) + answer["other"] == pytest.approx(1, abs=1e-9)
        assert answer["notice"] == NOTICE
        assert answer["provenance_sha256"] == health["provenance_sha256"]
        batch = client.post("/v1/differentials", json={"cases": cases}).json()
        assert [row["differential"] is not None for row in batch["answers"]] == [True, False, True]
        names = [
            [d["name"] for d in differential["differential"]]
            for differential in (answer, batch["answers"][0]["differential"])
        ]
        assert names[0] == names[1]  # alone or among others
        streamed = client.post("/v1/differentials/stream", json={"cases": cases}).text
        assert streamed.count('"event":"case"') == 3
        strange = ["\x00", "<|im_end|>", "\u202e", "🫀" * 50, "%s{0}", " \n\t."]
        odd = client.post("/v1/differentials", json={"cases": [{"text": t} for t in strange]}).json()
        assert [row["reason"] for row in odd["answers"]] == [None] * len(strange)
        long = client.post("/v1/differential", json={"text": "cough, " * 2_800})  # more than the prompt holds
        assert long.status_code == 200, long.text
        assert client.get("/v1/model").json()["calibrator"]["n_cases"] > 0
    assert started.stop() in (0, -signal.SIGTERM)
    log = "".join(started.said)
    assert "POST /v1/differentials 200, 3 cases" in log
    assert "Traceback" not in log
    assert "chest pain" not in log
    assert not (started.process.stdout and started.process.stdout.read())
