"""`ddx serve`: who may ask, and what it keeps to itself."""

from __future__ import annotations

import logging
import socket

import httpx
import pytest
from served_rule import Rule, serving
from typer.testing import CliRunner

from ddx.case import Case
from ddx.cli.main import app as commands
from ddx.differential import NOTICE
from ddx.service import app as service
from ddx.service.schemas import CaseIn
from ddx.service.settings import read_settings

TOKEN = "a-token-of-thirty-one-characters"
SECRET = "zebrafinch"  # stands for what a patient told


# --- Who may ask -----------------------------------------------------------------------------------------


def test_with_a_token_nothing_is_told_without_it(rule: Rule) -> None:
    with serving(rule, token=TOKEN) as client:
        wrong = ["", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer", b"Bearer \xff\xfe"]
        for path in ("/v1/health", "/v1/model", "/docs", "/openapi.json", "/nothing"):
            assert client.get(path).status_code == 401
        for header in wrong:
            refused = client.post("/v1/differential", json={"text": "cough"}, headers={"authorization": header})
            assert refused.status_code == 401, header
            assert refused.headers["www-authenticate"].startswith("Bearer")
        assert rule.seen == []
        right = {"authorization": f"Bearer {TOKEN}"}
        assert client.post("/v1/differential", json={"text": "cough"}, headers=right).status_code == 200
        schema = client.get("/openapi.json", headers=right).json()
    assert schema["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"


def test_the_token_comes_before_the_body(rule: Rule) -> None:
    """Who may not ask can't keep the service busy with a large body either."""
    with serving(rule, token=TOKEN) as client:
        assert client.post("/v1/differential", content=b"x" * 2**21).status_code == 401


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", ""])
def test_another_host_than_loopback_needs_a_token(host: str) -> None:
    result = CliRunner().invoke(commands, ["serve", "--host", host, "--port", "0"], env={"DDX_SERVE_TOKEN": ""})
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "a token is needed: put one of at least 20 characters into DDX_SERVE_TOKEN" in result.stderr


@pytest.mark.parametrize(
    ("options", "token", "reason"),
    [
        ([], "short", "DDX_SERVE_TOKEN has 5 characters; a token needs at least 20"),
        ([], "a token with spaces in it", "only printable ASCII characters"),
        (["--port", "70000"], "", "--port: Input should be less than or equal to 65535"),
        (["--max-text", "30000"], "", "--max-text: Input should be less than or equal to 20000"),
        (["--max-waiting", "10"], "", "--max-waiting 10 is less than --max-cases 64"),
        (["--timeout", "0"], "", "--timeout: Input should be greater than 0"),
        (["--model", "/nowhere", "--port", "0"], "", "no model.json here"),
    ],
)
def test_bad_options_are_one_line(options: list[str], token: str, reason: str) -> None:
    result = CliRunner().invoke(commands, ["serve", *options], env={"DDX_SERVE_TOKEN": token})
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert reason in result.stderr
    assert not token or token not in result.stderr


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = CliRunner().invoke(commands, ["serve", "--port", str(taken.getsockname()[1])])
    assert result.exit_code == 2
    assert "in use; give another --host or --port" in result.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.8.8.8", "::1"])
def test_loopback_needs_no_token_and_answers_only_to_its_own_names(host: str) -> None:
    settings = read_settings(host=host)
    assert settings.loopback
    assert "*" not in settings.allowed_hosts
    assert {"localhost", "127.0.0.1", "[::1]"} <= set(settings.allowed_hosts)


def test_a_page_under_a_foreign_name_gets_nothing(rule: Rule) -> None:
    """DNS rebinding: the name resolves to loopback, and the browser takes it for the page's own."""
    with serving(rule) as client:
        for host in ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example", ""):
            refused = client.post("/v1/differential", json={"text": "cough"}, headers={"host": host})
            assert refused.status_code == 400
        assert rule.seen == []
        assert client.get("/v1/health", headers={"host": "localhost:1234"}).status_code == 200


def test_a_page_of_another_site_can_neither_ask_nor_read(rule: Rule) -> None:
    origin = {"origin": "https://evil.example"}
    with serving(rule) as client:
        # what a browser sends without asking first
        simple = client.post(
            "/v1/differential", content=b'{"text": "cough"}', headers={**origin, "content-type": "text/plain"}
        )
        assert simple.status_code == 415
        ask = {**origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
        assert client.options("/v1/differential", headers=ask).status_code == 405
        for response in (simple, client.get("/v1/health", headers=origin)):
            assert not [name for name in response.headers if name.startswith("access-control")]
        assert rule.seen == []


# --- What it keeps to itself -----------------------------------------------------------------------------

TOLD = {
    "an unknown key": {"text": "cough", SECRET: 1},
    "a value of an unknown key": {"text": "cough", "note": SECRET},
    "a text in a list": {"text": [SECRET]},
    "an age": {"text": "cough", "age": SECRET},
    "a sex": {"text": "cough", "sex": SECRET},
    "a finding": {"findings": [SECRET]},
    "a finding in parts": {"findings": [{"code": SECRET, "value": SECRET, SECRET: SECRET}]},
    "findings": {"findings": SECRET},
    "findings as an object": {"findings": {SECRET: SECRET}},
    "an id with a line break": {"case_id": f"\n{SECRET}", "text": "cough"},
    "a list in place of a case": [SECRET],
    "a text in place of a case": SECRET,
    "a case that the model fails at": {"text": f"breaks {SECRET}"},
    "a case that is answered": {"text": f"chest {SECRET}"},
}


@pytest.mark.parametrize("kind", TOLD)
def test_no_case_is_repeated_in_an_error_or_a_log(
    client: httpx.Client, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    caplog.set_level(logging.DEBUG)
    case = TOLD[kind]
    for path, body in (
        ("/v1/differential", case),
        ("/v1/differentials", {"cases": [case]}),
        ("/v1/differentials/stream", {"cases": [case]}),
        ("/v1/differentials", {SECRET: case, "cases": [case]}),
    ):
        response = client.post(path, json=body)
        assert SECRET not in response.text
        assert SECRET not in str(response.headers)
    assert any(record.name == "ddx.service" for record in caplog.records)
    quiet(caplog, capfd)


def test_paths_queries_and_headers_are_not_logged(
    client: httpx.Client, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    for path in (f"/{SECRET}", f"/v1/health?q={SECRET}"):
        assert SECRET not in client.get(path, headers={"x-note": SECRET}).text
    assert client.request(SECRET.upper(), "/v1/health").status_code == 405
    quiet(caplog, capfd)


def test_a_fault_of_the_service_names_its_place_and_no_case(
    client: httpx.Client,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(case: CaseIn) -> Case:
        raise RuntimeError(f"cannot read {case.text}")

    monkeypatch.setattr(service, "read_case", fails)
    caplog.set_level(logging.DEBUG)
    response = client.post("/v1/differential", json={"text": SECRET})
    assert response.status_code == 500
    assert response.json()["error"] == "the service failed; its log names the place"
    assert any("RuntimeError at test_service_privacy.py:" in record.getMessage() for record in caplog.records)
    quiet(caplog, capfd)


def quiet(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    theirs = ("httpx", "httpcore")  # the client of these tests
    for record in caplog.records:
        if not record.name.startswith(theirs):
            assert SECRET not in logging.Formatter().format(record).lower()
    assert SECRET not in "".join(capfd.readouterr()).lower()


def test_the_log_has_a_line_a_request(client: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="ddx.service")
    client.post("/v1/differentials", json={"cases": [{"text": "cough"}, {"case_id": "b\n", "text": "breaks"}]})
    client.post("/v1/differential", json={"case_id": "c", "text": "breaks"})
    messages = [record.getMessage() for record in caplog.records if record.name == "ddx.service"]
    assert [message.rpartition(",")[0] or message for message in messages] == [
        "POST /v1/differentials 200, 2 cases",
        "case 'c': the model failed (RuntimeError)",
        "POST /v1/differential 500, 1 case",
    ]


def test_the_page_of_the_schema_loads_nothing(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    assert "/v1/differentials/stream" in page.text
    assert NOTICE in page.text
    for foreign in ("<script", "<link", "<img", "http://", "https://", "//cdn"):
        assert foreign not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    for path in ("/redoc", "/docs/oauth2-redirect"):
        assert client.get(path).status_code == 404


def test_no_telemetry_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch, rule: Rule) -> None:
    """FastAPI would else send errors, with the cases in them, to a collector (and fail to start without its parts)."""
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with serving(rule) as client:
        assert client.get("/v1/health").status_code == 200
