"""From the JSON of a case to its place in line, and from there to an answer or a reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeVar

from fastapi import Request
from pydantic import ValidationError

from ddx.case import Case
from ddx.differential import Differential
from ddx.errors import DdxError, InputError
from ddx.scoring.rows import check_findings
from ddx.service.schemas import CaseIn, Fault
from ddx.service.worker import ModelFailure

__all__ = [
    "ClientGone",
    "Entry",
    "Outcome",
    "Unanswered",
    "faults_of",
    "in_order",
    "leave",
    "read_case",
    "read_entry",
    "unless_gone",
]

T = TypeVar("T")
_NAMES = {*CaseIn.model_fields, "code", "present", "value", "cases"}


class Unanswered(NamedTuple):
    """Why a case has no differential, and the HTTP status that this is when it was asked alone."""

    status: int
    reason: str
    faults: tuple[Fault, ...] = ()


Outcome = Differential | Unanswered
Entry = Future[Differential] | Unanswered  # a place in line, or a reason


class ClientGone(DdxError):
    """Nobody is there to hear the answer."""


def faults_of(errors: Iterable[Any]) -> tuple[Fault, ...]:
    """Errors of pydantic, without the input: values and unknown keys may be a patient's story."""
    return tuple(Fault(where=_where(error), fault=error["msg"]) for error in errors)


def _where(error: Any) -> str:
    if error["type"] == "json_invalid":
        return f"character {error['loc'][-1]}"
    parts = [str(part) for part in error["loc"] if isinstance(part, int) or part in _NAMES]
    if error["type"] == "extra_forbidden":
        parts = [*parts[: len(parts) - (error["loc"][-1] in _NAMES)], "(unknown key)"]
    return ".".join(parts) or "body"


def read_case(given: CaseIn, where: str = "case") -> Case:
    """The case; raises InputError in one line when it says nothing or has findings that can't be."""
    case = Case.from_dict(given.model_dump(), where)
    check_findings(case.findings, where)
    return case


def read_entry(given: Any, kind: type[CaseIn], index: int) -> Case | Unanswered:
    """A case of a list, or why not."""
    try:
        return read_case(given if isinstance(given, kind) else kind.model_validate(given), f"case {index}")
    except ValidationError as error:
        faults = faults_of(error.errors(include_url=False, include_input=False, include_context=False))
        return Unanswered(422, f"case {index}: {faults[0].where}: {faults[0].fault}", faults)
    except InputError as error:
        return Unanswered(422, str(error))


def leave(entries: Sequence[Entry]) -> None:
    """Take what still waits out of the line."""
    for entry in entries:
        if isinstance(entry, Future):
            entry.cancel()


async def in_order(entries: Sequence[Entry], timeout: float, tick: float) -> AsyncIterator[list[Outcome]]:
    """What became ready since the last time, in the order of `entries`; an empty list when `tick` seconds went by.

    After `timeout` seconds the rest is answered with the reason, and what waits in line leaves it.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout
    pending = {i: asyncio.wrap_future(e) for i, e in enumerate(entries) if isinstance(e, Future)}
    at = 0
    try:
        while at < len(entries):
            ready: list[Outcome] = []
            while at < len(entries) and (at not in pending or pending[at].done()):
                ready.append(_outcome(entries[at], timeout))
                at += 1
            if not ready and loop.time() >= end:
                ready = [_outcome(entry, timeout) for entry in entries[at:]]
                at = len(entries)
            yield ready
            if at < len(entries):
                await asyncio.wait([pending[at]], timeout=max(0.0, min(tick, end - loop.time())))
    finally:
        for future in pending.values():
            future.cancel()
            if future.done() and not future.cancelled():
                future.exception()  # heard; else asyncio would log it


def _outcome(entry: Entry, timeout: float) -> Outcome:
    if isinstance(entry, Unanswered):
        return entry
    if entry.cancel() or entry.cancelled():
        return Unanswered(429, f"still waiting after {timeout:g} s; try again later, or with fewer cases")
    if not entry.done():
        return Unanswered(503, f"the model was not done after {timeout:g} s")
    try:
        answer = entry.result()
    except ModelFailure as error:
        return Unanswered(500, str(error))
    return Unanswered(500, "; ".join(answer.repairs)) if answer.status == "failed" else answer


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is stopped when the client goes away (then raises ClientGone)."""
    doing, gone = asyncio.create_task(work), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            raise ClientGone("the client went away")
        return doing.result()
    finally:
        doing.cancel()
        gone.cancel()
        await asyncio.gather(doing, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
