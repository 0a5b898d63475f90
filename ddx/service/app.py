"""The service: endpoints over one model behind its line.

No `from __future__ import annotations` here: the classes of the requests are made for the settings, so that the
schema tells the limits that hold, and FastAPI reads them from the signatures of the endpoints.
"""

import time
from collections.abc import AsyncIterator, Mapping, Sequence, Sized
from typing import Annotated, Any, Protocol

from fastapi import FastAPI, Request, Security
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from fastapi.security import HTTPBearer
from fastapi.telemetry import TelemetryConfig
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from ddx.differential import NOTICE, Differential
from ddx.errors import InputError
from ddx.provenance import versions
from ddx.service.answering import (
    Entry,
    Outcome,
    Unanswered,
    faults_of,
    in_order,
    leave,
    read_case,
    read_entry,
    unless_gone,
)
from ddx.service.docs_page import docs_page
from ddx.service.guard import Guard
from ddx.service.schemas import (
    Answer,
    Answers,
    CaseIn,
    CaseLine,
    CaseOut,
    EndLine,
    Fault,
    Health,
    Line,
    ModelOut,
    ProgressLine,
    Refusal,
    StartLine,
)
from ddx.service.settings import Settings
from ddx.service.stamp import provenance, stamp
from ddx.service.worker import Busy, Predictor, Worker

__all__ = ["Served", "create_app"]

INTENDED_USE = (
    "For research, by people who can check it: a ranked differential to read beside a clinician's own judgement. "
    "Not a medical device. Not for deciding about care, not for triage, not for emergencies. What the model was "
    "taught, and how far its confidences hold, is in data_cards/model.md."
)
TICK = 2.0  # seconds after which a stream says how far it is, also when nothing happened
_NDJSON = "application/x-ndjson"
# FastAPI can send exceptions and requests that it refused, case and all, to an OpenTelemetry collector.
_NO_TELEMETRY = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False, auto_configure=False)


class Served(Predictor, Protocol):
    """What the service tells of a model besides its answers (`ddx.model.Model` has it)."""

    calibrator: Any
    format: Any
    semantics: Any

    @property
    def vocabulary(self) -> Sized:
        """Its conditions."""
        ...


def create_app(model: Served, worker: Worker, settings: Settings) -> FastAPI:
    """The service of `model` as an ASGI application; `worker` is its line, which the caller closes."""

    class OneCase(CaseIn):
        __doc__ = CaseIn.__doc__
        text: str = Field("", max_length=settings.max_text, description="Free text, used as it stands.")

    class Batch(BaseModel):
        """Some cases. One that can't be read is answered with its reason, and the others all the same."""

        model_config = ConfigDict(strict=True, extra="forbid")
        cases: list[Annotated[OneCase | Any, Field(union_mode="left_to_right")]] = Field(
            min_length=1, max_length=settings.max_cases
        )

    began, stamped = time.monotonic(), stamp(model.info)

    def refuse(
        status: int, reason: str, headers: Mapping[str, str] | None = None, faults: Sequence[Fault] = ()
    ) -> Response:
        content = Refusal(**stamped, error=reason, faults=list(faults)).model_dump()
        return JSONResponse(content, status, headers)

    app = FastAPI(
        title="ddx",
        version=versions().get("ddx", "0"),
        description=f"A case in, a ranked and calibrated differential out. {NOTICE}",
        docs_url=None,  # they load scripts from elsewhere; see docs_page
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
        # For the schema alone: Guard asks for the token, before the body is read.
        dependencies=[Security(HTTPBearer(auto_error=False))] if settings.token else [],
        responses=_refusals(settings, 400, *([401] if settings.token else [])),
    )
    app.add_middleware(Guard, settings=settings, refuse=refuse)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=settings.allowed_hosts, www_redirect=False)
    _handle_errors(app, refuse)
    asked = _refusals(settings, 408, 413, 415, 422, 429, 500, 503)

    @app.post("/v1/differential", summary="The differential of one case", responses=asked)
    async def differential(case: OneCase, request: Request) -> Answer:
        start = time.perf_counter()
        request.state.cases = 1
        [outcome] = await collected(worker.submit([read_case(case)]), request)
        if isinstance(outcome, Unanswered):
            headers = {"Retry-After": str(worker.wait())} if outcome.status in (429, 503) else None
            raise HTTPException(outcome.status, outcome.reason, headers)
        return Answer(**stamped, **_shown(outcome), seconds=_since(start))

    @app.post("/v1/differentials", summary="The differentials of some cases, in order", responses=asked)
    async def differentials(batch: Batch, request: Request) -> Answers:
        start = time.perf_counter()
        outcomes = await collected(enter(batch, request), request)
        rows = [_row(i, given, outcome) for i, (given, outcome) in enumerate(zip(batch.cases, outcomes, strict=True))]
        return Answers(**stamped, answers=rows, answered=_answered(outcomes), seconds=_since(start))

    @app.post(
        "/v1/differentials/stream",
        summary="The same as lines of JSON: progress, and each case as it is ready, in order",
        response_class=StreamingResponse,
        responses={**asked, 200: _lines_response()},
    )
    async def stream(batch: Batch, request: Request) -> StreamingResponse:
        entries = enter(batch, request)  # before the answer starts: a line that is full is still a 429
        return JsonLines(lines(batch, entries), entries)

    async def lines(batch: Batch, entries: list[Entry]) -> AsyncIterator[str]:
        start, total, outcomes = time.perf_counter(), len(entries), list[Outcome]()
        yield _line(StartLine(**stamped, cases=total))
        async for ready in in_order(entries, settings.timeout, TICK):
            for outcome in ready:
                row = _row(len(outcomes), batch.cases[len(outcomes)], outcome)
                outcomes.append(outcome)
                yield _line(CaseLine(**stamped, **dict(row)))
            yield _line(ProgressLine(done=len(outcomes), cases=total, waiting=worker.waiting, seconds=_since(start)))
        yield _line(EndLine(**stamped, cases=total, answered=_answered(outcomes), seconds=_since(start)))

    def enter(batch: Batch, request: Request) -> list[Entry]:
        """A place in line for each case that can be read, the reason for the others. Raises Busy."""
        request.state.cases = len(batch.cases)
        read = [read_entry(given, OneCase, i) for i, given in enumerate(batch.cases)]
        futures = iter(worker.submit([case for case in read if not isinstance(case, Unanswered)]))
        return [entry if isinstance(entry, Unanswered) else next(futures) for entry in read]

    async def collected(entries: Sequence[Entry], request: Request) -> list[Outcome]:
        async def outcomes() -> list[Outcome]:
            return [outcome async for ready in in_order(entries, settings.timeout, TICK) for outcome in ready]

        try:
            return await unless_gone(request, outcomes())
        finally:
            leave(entries)

    @app.get("/v1/health", summary="Whether the service takes cases, and how busy it is")
    async def health() -> Health:
        hashes = {name: value for name, value in model.info.items() if name.endswith("_sha256")}
        return Health(
            **stamped, ready=worker.ready, waiting=worker.waiting, max_waiting=worker.max_waiting,
            uptime_seconds=round(time.monotonic() - began, 1), versions=versions(), hashes=hashes,
        )  # fmt: skip

    @app.get("/v1/model", summary="What answers here, and what it is for")
    async def about() -> ModelOut:
        fitted = {name: getattr(model.calibrator, name, None) for name in ("kind", "covariates", "signals", "n_cases")}
        limits = settings.model_dump(include={"max_body", "max_cases", "max_text", "max_waiting", "timeout"})
        return ModelOut(
            **stamped, intended_use=INTENDED_USE, provenance=provenance(model.info), conditions=len(model.vocabulary),
            k=model.format.k, format=model.format.name, semantics=model.semantics, calibrator=fitted, limits=limits,
        )  # fmt: skip

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()))

    _add_lines_to_schema(app)
    return app


class JsonLines(StreamingResponse):
    """Lines of JSON. What still waits when the answer ends leaves the line, also when not one line was sent."""

    def __init__(self, content: AsyncIterator[str], entries: Sequence[Entry]) -> None:
        super().__init__(content, media_type=_NDJSON)
        self.entries = entries

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            leave(self.entries)


def _handle_errors(app: FastAPI, refuse: Any) -> None:
    """Errors as one shape. FastAPI's own answer to an invalid request repeats it: a case must not come back."""

    async def http(request: Request, error: Any) -> Response:
        return refuse(error.status_code, str(error.detail), error.headers)

    async def invalid(request: Request, error: Any) -> Response:
        if isinstance(error.body, bytes):  # FastAPI reads nothing but JSON that is declared as such
            return refuse(415, "send JSON, with the header Content-Type: application/json")
        faults = faults_of(error.errors())
        return refuse(422, f"{faults[0].where}: {faults[0].fault}", None, faults)

    async def bad(request: Request, error: Exception) -> Response:
        return refuse(422, str(error))

    async def busy(request: Request, error: Any) -> Response:
        return refuse(429, str(error), {"Retry-After": str(error.seconds)})

    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(InputError, bad)
    app.add_exception_handler(Busy, busy)


def _refusals(settings: Settings, *statuses: int) -> dict[int | str, dict[str, Any]]:
    wait = {"Retry-After": {"description": "Seconds", "schema": {"type": "integer", "minimum": 1}}}
    known: dict[int, dict[str, Any]] = {
        400: {
            "description": "The Host header or the body can't be read",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        },
        401: {
            "description": "The token is missing or wrong",
            "headers": {"WWW-Authenticate": {"schema": {"type": "string"}}},
        },
        408: {"description": "The request did not arrive in time"},
        413: {"description": f"More than {settings.max_body:,} bytes"},
        415: {"description": "Not declared as JSON"},
        422: {"description": "Not a request as described here, or a case that can't be; `faults` says where"},
        429: {"description": "Too many cases are waiting", "headers": wait},
        500: {"description": "The model failed"},
        503: {"description": f"The model was not done after {settings.timeout:g} s", "headers": wait},
    }
    return {status: {"model": Refusal, **known[status]} for status in statuses}


def _lines_response() -> dict[str, Any]:
    schema = {"type": "array", "items": {"$ref": "#/components/schemas/Line"}}
    return {
        "description": "A line of JSON each: start, then case and progress, then end (the array of the schema)",
        "content": {_NDJSON: {"schema": schema}},
    }


def _add_lines_to_schema(app: FastAPI) -> None:
    """FastAPI describes what an endpoint returns as a whole; what its lines are has to be added."""
    line = TypeAdapter(Line).json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    parts = line.pop("$defs")

    def schema() -> dict[str, Any]:
        if not app.openapi_schema:
            made = FastAPI.openapi(app)
            made["components"]["schemas"] = {**parts, "Line": line, **made["components"]["schemas"]}
        return app.openapi_schema or {}

    app.openapi = schema  # type: ignore[method-assign]


def _shown(differential: Differential) -> dict[str, Any]:
    content = differential.to_dict()
    del content["model"], content["notice"]  # the stamp has them
    return content


def _row(index: int, given: Any, outcome: Outcome) -> CaseOut:
    case_id = given.case_id if isinstance(given, CaseIn) else ""
    if isinstance(outcome, Unanswered):
        faults = list(outcome.faults)
        return CaseOut(index=index, case_id=case_id, differential=None, reason=outcome.reason, faults=faults)
    return CaseOut(index=index, case_id=case_id, differential=_shown(outcome), reason=None)  # type: ignore[arg-type]


def _answered(outcomes: Sequence[Outcome]) -> int:
    return sum(isinstance(outcome, Differential) for outcome in outcomes)


def _line(content: BaseModel) -> str:
    return content.model_dump_json() + "\n"


def _since(start: float) -> float:
    return round(time.perf_counter() - start, 3)
