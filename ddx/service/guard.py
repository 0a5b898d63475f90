"""What happens before and around every request: the token, the size of the body, and the one line in the log."""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ddx.service.answering import ClientGone
from ddx.service.settings import Settings

__all__ = ["Guard", "Refuse"]

_LOG = logging.getLogger("ddx.service")
_METHODS = {"GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"}
_HEADERS = {
    "cache-control": "no-store",  # a patient's data
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}

Refuse = Callable[[int, str, Mapping[str, str]], Response]


class Guard:
    """ASGI middleware. `refuse(status, reason, headers)` makes the answer to a request that goes no further.

    The log gets method, route, status, number of cases and seconds: no query, no body, no path that is unknown,
    and of an exception only its type and place, since its message could quote the case.
    """

    def __init__(self, app: ASGIApp, settings: Settings, refuse: Refuse) -> None:
        self.app, self.settings, self.refuse = app, settings, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 0

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._answer(scope, receive, sent)
        except ClientGone:
            status = 499  # nothing is sent; so the log of other servers calls it
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            _LOG.error("%s at %s:%s", type(error).__name__, Path(place.filename).name, place.lineno)
            if not status:
                await self.refuse(500, "the service failed; its log names the place", {})(scope, receive, sent)
        finally:
            _LOG.info("%s", _line(scope, status, time.perf_counter() - began))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._may_ask(Headers(scope=scope)):
            reason = "a token is needed: send the header Authorization: Bearer TOKEN"
            await self.refuse(401, reason, {"WWW-Authenticate": 'Bearer realm="ddx"'})(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self.settings.timeout):
                body = await _body(Headers(scope=scope), receive, self.settings.max_body)
        except TimeoutError:
            await self.refuse(408, "the request did not arrive in time", {"Connection": "close"})(scope, receive, send)
            return
        if body is None:
            reason = f"a request may have {self.settings.max_body:,} bytes at most; send fewer cases at a time"
            await self.refuse(413, reason, {"Connection": "close"})(scope, receive, send)
            return
        given = False

        async def replayed() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, replayed, send)

    def _may_ask(self, headers: Headers) -> bool:
        if self.settings.token is None:
            return True
        kind, _, token = headers.get("authorization", "").partition(" ")
        wanted = self.settings.token.get_secret_value().encode()
        # in constant time, whatever bytes came
        return hmac.compare_digest(token.strip().encode(), wanted) and kind.lower() == "bearer"


async def _body(headers: Headers, receive: Receive, limit: int) -> bytes | None:
    """The body; None when it is too long. Raises ClientGone when it breaks off."""
    length = headers.get("content-length", "")
    if length.isdecimal() and (len(length) > 18 or int(length) > limit):
        return None
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("the client went away")
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _line(scope: Scope, status: int, seconds: float) -> str:
    method = scope["method"] if scope["method"] in _METHODS else "(other method)"
    route = getattr(scope.get("route"), "path", "(unknown path)")
    cases = scope.get("state", {}).get("cases")
    said = "" if cases is None else f", {cases} case{'' if cases == 1 else 's'}"
    return f"{method} {route} {status}{said}, {seconds:.2f} s"
