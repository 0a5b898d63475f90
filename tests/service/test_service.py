"""`ddx serve`: what it answers, its limits, and its parts."""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from served_rule import Rule, connection, lines, serving, until, waiting

from ddx.case import Case
from ddx.cli.serve import serve
from ddx.differential import NOTICE, Differential
from ddx.errors import InputError
from ddx.service import app as service
from ddx.service.answering import Unanswered, read_entry
from ddx.service.schemas import CaseIn, Line
from ddx.service.settings import Settings, read_settings
from ddx.service.worker import Busy, ModelFailure, Worker

SECRET = "zebrafinch"  # stands for what a patient told


# --- What it answers -------------------------------------------------------------------------------------


def test_a_case_is_answered_as_the_command_answers_it(rule: Rule) -> None:
    case = {"case_id": "a", "age": 58, "sex": "M", "text": "chest pain", "findings": ["E_201", "-E_91"]}
    with serving(rule) as client:
        response = client.post("/v1/differential", json=case)
        assert response.status_code == 200, response.text
        content = response.json()
        expected = rule.predict(Case.from_dict(case)).to_dict()
        assert expected.pop("model")["id"] == content["model_id"]
        assert {key: content[key] for key in expected} == expected
        assert content["notice"] == NOTICE
        assert response.headers["cache-control"] == "no-store"


def test_an_interval_stands_where_the_calibrator_gives_one() -> None:
    class Venn(Rule):
        def predict_many(self, cases: Sequence[Case], on_done: Callable[[int], None] | None = None) -> list:
            first, *others = (found := super().predict_many(cases, on_done))[0].diagnoses
            bounded = replace(first, interval=(first.confidence / 2, 1.0))
            return [replace(found[0], diagnoses=(bounded, *others))]

    with serving(Venn()) as client:
        content = client.post("/v1/differential", json={"text": "chest pain, cough"}).json()
        schema = client.get("/openapi.json").json()["components"]["schemas"]["DiagnosisOut"]
    first, *others = content["differential"]
    assert first["interval"] == [round(first["confidence"] / 2, 4), 1.0]
    assert others and not any("interval" in row for row in others)
    assert "interval" in schema["properties"] and "interval" not in schema["required"]


def test_findings_may_be_given_in_parts(rule: Rule) -> None:
    listed = ["E_54_@_V_161", "-E_91"]
    parts = [{"code": "E_54", "value": "V_161"}, {"code": "E_91", "present": False}]
    with serving(rule) as client:
        for findings in (listed, parts):
            assert client.post("/v1/differential", json={"findings": findings}).status_code == 200
        assert rule.seen[0] == rule.seen[1]


def test_a_bad_case_costs_only_itself(client: httpx.Client) -> None:
    cases = [
        {"case_id": "a", "text": "chest pain"},
        {"case_id": "b", "text": "cough", "age": 130},
        {"case_id": "c"},
        {"case_id": "d", "findings": ["E_9999"]},
        7,
        {"case_id": "f", "text": "this one breaks the model"},
        {"case_id": "g", "text": "wheezing"},
    ]
    content = client.post("/v1/differentials", json={"cases": cases}).json()
    assert [row["index"] for row in content["answers"]] == list(range(7))
    assert [row["differential"] is not None for row in content["answers"]] == [True, *[False] * 5, True]
    assert content["answered"] == 2
    assert [row["reason"] for row in content["answers"][1:6]] == [
        "case 1: age: Input should be less than or equal to 120",
        "case 2: no text and no findings; give at least one of them",
        "case 3: 'E_9999' is not a known finding; codes look like E_91, E_55_@_V_29",
        "case 4: body: Input should be a valid dictionary or instance of OneCase",
        "the model failed (RuntimeError)",
    ]
    assert content["answers"][6]["differential"]["differential"][0]["icd10"] == "J45"


def test_a_case_that_the_engine_gave_up_on_has_its_reason(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    why = "server: no answer, 6 tries"

    def gives_up(cases: Sequence[Case]) -> list[Differential]:
        return [Differential(case.case_id, (), status="failed", repairs=(why,)) for case in cases]

    monkeypatch.setattr(rule, "predict_many", gives_up)
    with serving(rule) as client:
        alone = client.post("/v1/differential", json={"text": "cough"})
        assert (alone.status_code, alone.json()["error"]) == (500, why)
        [row] = client.post("/v1/differentials", json={"cases": [{"text": "cough"}]}).json()["answers"]
        assert (row["differential"], row["reason"]) == (None, why)


def test_a_stream_has_the_answers_of_the_batch(client: httpx.Client) -> None:
    body = {"cases": [{"case_id": str(i), "text": word} for i, word in enumerate(["chest", "", "wheeze", "breaks"])]}
    response = client.post("/v1/differentials/stream", json=body)
    assert response.headers["content-type"] == "application/x-ndjson"
    content = lines(response)
    for line in content:
        TypeAdapter(Line).validate_python(line)
    assert [content[0]["event"], content[-1]["event"]] == ["start", "end"]
    rows = [line for line in content if line["event"] == "case"]
    batch = client.post("/v1/differentials", json=body).json()
    assert [{key: row[key] for key in batch["answers"][0]} for row in rows] == batch["answers"]
    assert all(row["notice"] == NOTICE and row["provenance_sha256"] for row in rows)
    done = [line["done"] for line in content if line["event"] == "progress"]
    assert done == sorted(done)
    assert done[-1] == 4
    assert content[-1]["answered"] == 2


def test_a_stream_gives_each_case_as_soon_as_it_is_ready(rule: Rule) -> None:
    body = {"cases": [{"text": "chest"}, {"text": "slow"}, {"text": "wheezing"}]}
    with serving(rule, batch=1) as client, client.stream("POST", "/v1/differentials/stream", json=body) as response:
        events = map(json.loads, response.iter_lines())
        first = next(event for event in events if event["event"] == "case")
        assert first["index"] == 0
        assert not rule.gate.is_set()  # the second case is still with the model
        rule.gate.set()
        assert [event["index"] for event in events if event["event"] == "case"] == [1, 2]


def test_a_stream_tells_that_it_is_alive(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "TICK", 0.05)
    with serving(rule) as client, client.stream(
        "POST", "/v1/differentials/stream", json={"cases": [{"text": "slow"}]}
    ) as response:  # fmt: skip
        events = map(json.loads, response.iter_lines())
        assert [next(events)["event"] for _ in range(4)] == ["start", *["progress"] * 3]
        rule.gate.set()
        assert [event["event"] for event in events][-3:] == ["case", "progress", "end"]


def test_requests_that_wait_share_a_pass_of_the_model(rule: Rule) -> None:
    with serving(rule, batch=4) as client, ThreadPoolExecutor(7) as pool:
        first = pool.submit(client.post, "/v1/differential", json={"text": "slow"})
        assert rule.at_work.wait(60)
        rest = [pool.submit(client.post, "/v1/differential", json={"text": f"cough {i}"}) for i in range(6)]
        until(lambda: waiting(client) == 6)
        rule.gate.set()
        assert {future.result().status_code for future in [first, *rest]} == {200}
    assert rule.passes == [1, 4, 2]


def test_the_hash_stands_for_what_the_model_page_tells(rule: Rule) -> None:
    rule.info["base"] = "/somewhere/on/this/machine/base"
    with serving(rule) as client:
        about = client.get("/v1/model").json()
        answer = client.post("/v1/differential", json={"text": "cough"}).json()
        health = client.get("/v1/health").json()
    text = json.dumps(about["provenance"], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(text.encode()).hexdigest() == answer["provenance_sha256"] == health["provenance_sha256"]
    assert about["provenance"]["base"] == "base"
    assert about["conditions"] == len(rule.vocabulary)
    assert about["calibrator"]["kind"] == "identity"
    assert "Not a medical device" in about["intended_use"]
    assert health["ready"]


# --- Limits ----------------------------------------------------------------------------------------------


def test_a_full_line_is_429_and_says_when_to_come_back(rule: Rule) -> None:
    with serving(rule, max_cases=2, max_waiting=3) as client, ThreadPoolExecutor(4) as pool:
        first = pool.submit(client.post, "/v1/differential", json={"text": "slow"})
        assert rule.at_work.wait(60)
        two = {"cases": [{"text": "cough"}, {"text": "wheezing"}]}
        second = pool.submit(client.post, "/v1/differentials", json=two)
        until(lambda: waiting(client) == 2)
        for path in ("/v1/differentials", "/v1/differentials/stream"):
            refused = client.post(path, json=two)  # one would fit: all or none
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) >= 1
            assert refused.json()["notice"] == NOTICE
        assert waiting(client) == 2
        rule.gate.set()
        assert first.result().status_code == 200
        assert second.result().json()["answered"] == 2
        assert client.post("/v1/differentials", json=two).status_code == 200


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("path", ["/v1/differential", "/v1/differentials", "/v1/differentials/stream"])
def test_nobody_answers_a_client_that_went_away(
    rule: Rule, path: str, at_once: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="ddx.service")
    with serving(rule) as client, ThreadPoolExecutor(1) as pool:
        first = pool.submit(client.post, "/v1/differential", json={"text": "slow"})
        assert rule.at_work.wait(60)
        case = {"case_id": "gone", "text": "cough"}
        body = json.dumps(case if path == "/v1/differential" else {"cases": [case] * 5}).encode()
        with connection(client) as leaving:
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            leaving.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            until(lambda: at_once or waiting(client) in (1, 5))
        until(lambda: f"POST {path} " in caplog.text)  # the request has ended
        assert waiting(client) == 0
        rule.gate.set()
        assert first.result().status_code == 200
        assert client.post("/v1/differential", json={"text": "wheezing"}).status_code == 200
    assert "gone" not in [case.case_id for case in rule.seen]


def test_a_stream_that_never_began_leaves_the_line_too() -> None:
    """The client may be gone before the first line; then nothing of the generator runs, its end neither."""

    async def lines() -> AsyncIterator[str]:
        yield "never"

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        await asyncio.sleep(10)

    waits: Future[Differential] = Future()
    answer = service.JsonLines(lines(), [waits])
    asyncio.run(answer({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send))
    assert waits.cancelled()


def test_a_request_ends_in_time(rule: Rule) -> None:
    with serving(rule, timeout=1, batch=1) as client:
        late = client.post("/v1/differential", json={"text": "slow"})  # with the model already
        assert (late.status_code, late.json()["error"]) == (503, "the model was not done after 1 s")
        behind = client.post("/v1/differential", json={"text": "cough"})
        assert behind.status_code == 429
        assert int(behind.headers["retry-after"]) >= 1
        batch = client.post("/v1/differentials", json={"cases": [{"text": "cough"}, {"text": 5}]}).json()
        assert [row["reason"].split(";")[0] for row in batch["answers"]] == [
            "still waiting after 1 s",
            "case 1: text: Input should be a valid string",
        ]
        assert waiting(client) == 0
        rule.gate.set()
        until(lambda: client.post("/v1/differential", json={"text": "cough"}).status_code == 200)


def test_a_body_has_a_limit_declared_or_not(rule: Rule) -> None:
    with serving(rule, max_body=2048) as client:
        fits = {"text": "cough " * 300}
        assert client.post("/v1/differential", json=fits).status_code == 200
        large = json.dumps({"text": "cough " * 400}).encode()
        kind = {"content-type": "application/json"}
        chunks = (large[i : i + 100] for i in range(0, len(large), 100))
        for content in (large, chunks):
            refused = client.post("/v1/differential", content=content, headers=kind)
            assert refused.status_code == 413
            assert "2,048 bytes" in refused.json()["error"]
    assert len(rule.seen) == 1


def test_a_body_that_does_not_come_is_not_waited_for(rule: Rule) -> None:
    with serving(rule, timeout=0.2) as client, connection(client) as slow:
        head = "POST /v1/differential HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        slow.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        assert slow.recv(100).startswith(b"HTTP/1.1 408 ")


def test_cases_and_text_have_limits_that_the_schema_tells(rule: Rule) -> None:
    with serving(rule, max_cases=3, max_text=10) as client:
        assert client.post("/v1/differential", json={"text": "x" * 10}).status_code == 200
        assert client.post("/v1/differential", json={"text": "x" * 11}).status_code == 422
        assert client.post("/v1/differentials", json={"cases": [{"text": "x"}] * 4}).status_code == 422
        assert client.post("/v1/differentials", json={"cases": []}).status_code == 422
        assert client.post("/v1/differentials", json={"cases": [{"text": "x"}], "k": 3}).status_code == 422
        row = client.post("/v1/differentials", json={"cases": [{"text": "x" * 11}]}).json()["answers"][0]
        assert row["reason"] == "case 0: text: String should have at most 10 characters"
        schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["Batch"]["properties"]["cases"]["maxItems"] == 3
    assert schemas["OneCase"]["properties"]["text"]["maxLength"] == 10


HOSTILE = {
    "half an object": b'{"text": ',
    "not UTF-8": b'{"text": "\xff"}',
    "an abyss": b"[" * 100_000,
    "an endless number": b'{"text": "cough", "age": ' + b"9" * 5000 + b"}",
    "no number": b'{"text": "cough", "age": NaN}',
    "half a character": b'{"text": "\\ud800"}',
    "half a character as a key": b'{"\\ud800": "cough"}',
    "nothing": b"",
    "null": b"null",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_body_is_refused_in_one_shape(client: httpx.Client, kind: str) -> None:
    response = client.post("/v1/differential", content=HOSTILE[kind], headers={"content-type": "application/json"})
    assert response.status_code in (400, 422)
    assert set(response.json()) == {"notice", "model_id", "provenance_sha256", "error", "faults"}


# --- The parts -------------------------------------------------------------------------------------------

TEXTS = st.sampled_from([SECRET, f"{SECRET} ", "E_91", "-E_91", "E_54_@_V_161", "F", "", "\ud800"])
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
CASES = st.fixed_dictionaries({}, optional=dict.fromkeys(("case_id", "age", "sex", "text", "findings", SECRET), JSONS))


@given(CASES | JSONS)
def test_whatever_stands_in_a_list_is_a_case_or_a_reason(entry: Any) -> None:
    read = read_entry(entry, CaseIn, 4)
    if isinstance(read, Unanswered):
        assert read.status == 422
        assert SECRET not in read.reason + str(read.faults)
        assert "\n" not in read.reason
    else:
        assert read.text.strip() or read.findings


def test_a_worker_takes_all_or_none_and_forgets_what_was_cancelled(rule: Rule) -> None:
    worker = Worker(rule, max_waiting=3, batch=1)
    try:
        [held] = worker.submit([Case(text="slow")])
        assert rule.at_work.wait(60)
        first = worker.submit([Case(text="a"), Case(text="b")])
        with pytest.raises(Busy):
            worker.submit([Case(text="c"), Case(text="d")])
        assert worker.waiting == 2
        assert first[0].cancel()
        second = worker.submit([Case(text="c"), Case(text="d")])
        rule.gate.set()
        for future in (held, first[1], *second):
            assert future.result(10).diagnoses
        assert [case.text for case in rule.seen] == ["slow", "b", "c", "d"]
    finally:
        rule.gate.set()
        worker.close()
    assert not worker.ready
    with pytest.raises(Busy):
        worker.submit([Case(text="late")])


def test_a_closed_worker_leaves_nobody_waiting(rule: Rule) -> None:
    worker = Worker(rule)
    worker.submit([Case(text="slow")])
    assert rule.at_work.wait(60)
    [waits] = worker.submit([Case(text="cough")])
    worker.close(0)
    assert waits.cancelled()
    rule.gate.set()


def test_a_model_with_the_wrong_number_of_answers_gives_none(rule: Rule, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never another patient's differential."""
    monkeypatch.setattr(rule, "predict_many", lambda cases: [])
    worker = Worker(rule)
    with pytest.raises(ModelFailure, match=r"the model failed \(ValueError\)"):
        worker.submit([Case(text="cough")])[0].result(10)
    worker.close()


def test_settings_refuse_unknown_names() -> None:
    with pytest.raises(InputError, match="--max-case: Extra inputs are not permitted"):
        read_settings(max_case=5)


def test_the_options_of_the_command_are_the_settings() -> None:
    options = {
        name: p.default for name, p in inspect.signature(serve).parameters.items() if name not in ("model", "engine")
    }
    assert options == Settings().model_dump(exclude={"token"})
