"""`ddx serve` against its own schema: schemathesis asks what the schema allows, what it forbids, and its borders."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import schemathesis_hooks  # noqa: F401
from hypothesis import HealthCheck, given, settings
from schemathesis.openapi import from_asgi
from schemathesis.specs.openapi import checks
from served_rule import Rule, serving

from ddx.service.app import create_app
from ddx.service.settings import Settings
from ddx.service.worker import Worker

# All that fit but one: JSON Schema can't say which values a finding takes, nor that a case has to say something, so
# that some cases that fit the schema are refused (positive_data_acceptance).
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
]
TOKEN = "a-token-of-thirty-one-characters"
FITTING, UNFITTING = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE


@pytest.fixture(scope="module")
def api() -> Iterator[Any]:
    rule = Rule()
    rule.gate.set()
    worker = Worker(rule)
    yield from_asgi("/openapi.json", create_app(rule, worker, Settings()), headers={"Host": "127.0.0.1"})
    worker.close()


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        ("/v1/differential", FITTING),
        ("/v1/differential", UNFITTING),
        ("/v1/differentials", FITTING),
        ("/v1/differentials/stream", FITTING),
        ("/v1/differentials/stream", UNFITTING),  # the batch has the same body
    ],
)
def test_no_request_breaks_the_service(api: Any, path: str, mode: schemathesis.GenerationMode) -> None:
    """Requests that fit the schema, and requests that don't."""
    statuses = set()

    @given(case=api[path]["POST"].as_strategy(generation_mode=mode))
    @settings(
        max_examples=50 if mode.is_positive else 25,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: schemathesis.Case) -> None:
        known = [getattr(checks, name, None) or getattr(schemathesis.checks, name) for name in CHECKS]
        statuses.add(case.call_and_validate(base_url="http://127.0.0.1", checks=known).status_code)

    ask()
    # it got as far as it should: to the model, or to the refusal
    assert (200 if mode.is_positive else 422) in statuses


@pytest.mark.parametrize("path", ["/v1/health", "/v1/model"])
def test_what_is_asked_without_a_body(api: Any, path: str) -> None:
    case = api[path]["GET"].Case()
    assert case.call_and_validate(base_url="http://127.0.0.1").status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(("token", "examples"), [(None, 200), (TOKEN, 20)])
def test_schemathesis_finds_nothing(tmp_path: Path, token: str | None, examples: int) -> None:
    """The command itself, on a real server: the examples of the schema, its borders, and random requests."""
    rule = Rule()
    rule.gate.set()
    with serving(rule, token=token) as client:
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{client.base_url}/openapi.json"]
        command += [
            "--checks",
            ",".join(CHECKS),
            "--max-examples",
            str(examples),
            "--seed",
            "1",
            "--continue-on-failure",
        ]
        command += ["--phases", "examples,coverage,fuzzing", "--no-color"]
        command += ["-H", f"Authorization: Bearer {token}"] if token else []
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        env = {**os.environ, "SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": path}
        done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 5" in done.stdout
