"""Any server that speaks OpenAI's chat completions: vLLM, llama.cpp, Ollama.

Many requests at a time, never more than `concurrency`. What can succeed on a second try is sent again, after a random
wait that doubles at most (Brooker 2015, "Exponential Backoff And Jitter": full jitter): dropped connections, timeouts,
429, 500, 502, 503, 504, and answers that are no chat completion. A completion that does not read as a differential is
an answer: decoding is greedy, so the same request would give it again, and it is never sent again.

Patient data goes to the server. An address that is not this machine's own must be https.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx

from ddx.engines.drafting import Draft
from ddx.engines.engine import Messages
from ddx.engines.line_ends import LineEnds
from ddx.errors import DdxError, InputError
from ddx.generation import ALTERNATIVES, Generation, Token

__all__ = ["KEY", "Patience", "ServerEngine"]

KEY = "DDX_SERVER_KEY"
PLAIN_HTTP = "DDX_ALLOW_PLAIN_HTTP"
CONCURRENCY = 32
MAX_CHARACTERS = 6000  # of one message: about the 1,536 tokens that the engines in this process keep

SILENT = 8  # requests given up in a row, and no other answered: the server is gone

_AGAIN = (429, 500, 502, 503, 504)
_HINTS = {
    401: f"it wants a key: set {KEY}",
    403: f"it wants another key: set {KEY}",
    404: "no such address or model: the URL ends in /v1, and may name the model, as in http://127.0.0.1:8000/v1#name",
}
# What a template could take for its own: <|im_end|>, </s>, <start_of_turn>, [INST].
_CONTROL = re.compile(r"([<\[])(?=[/|｜]?[A-Za-z_|｜][^<>\[\]]{0,40}[>\]])")
_SPECIAL = re.compile(r"<[|｜].*[|｜]>|</?\w+>")
T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds, and how often to try.

    `connect` for a connection, `read` for the next bytes, `total` for one try as a whole. The n-th wait between tries
    is drawn from 0 to min(`longest`, `first` · 2ⁿ⁻¹); a server's Retry-After comes on top, up to `longest`.
    """

    tries: int = 6
    connect: float = 5.0
    read: float = 180.0
    total: float = 180.0
    first: float = 0.5
    longest: float = 30.0


class _Again(Exception):
    """A try failed in a way that another may not. `kind` counts it, `after` is what the server asked to wait."""

    def __init__(self, kind: str, what: str, after: float = 0.0) -> None:
        self.kind, self.what, self.after = kind, what, after


class _Refused(Exception):
    """The server will not answer this request, however often it is sent."""


class ServerEngine:
    """A model behind a URL such as http://127.0.0.1:8000/v1, or …/v1#name where the server has several models.

    A request that fails `patience.tries` times, or is refused for its content, gives a generation with `error`; the
    others go on. After `concurrency` requests in a row that were given up, each has a single try, until one succeeds.
    When the last `concurrency` requests of a call were given up, or all of them, if SILENT or more, the server is taken
    to be gone: DdxError.
    `counts` has "requests" (all tries), "retries", "retries: <kind>", "given up" and "refused".

    Raises InputError when the server can't be reached at the start or wants a key, in one line.
    """

    name = "server"

    def __init__(self, url: str, concurrency: int = CONCURRENCY, patience: Patience | None = None) -> None:
        self.url, named, self._own_machine = _checked(url)
        self.concurrency, self.patience = concurrency, patience or Patience()
        self.counts: Counter[str] = Counter()
        self._random = random.Random()
        self._tls = httpx.create_ssl_context() if self.url.startswith("https") else False
        self._given_up_in_a_row = 0
        self.model, self.gives_probabilities = _finished(self._start(named))
        self.decoding: Mapping[str, Any] = {"engine": self.name, "served_model": self.model, "method": "greedy"}

    def line_draft(self, names: Sequence[str], lines: int) -> Draft | None:
        """None: the server decodes by itself."""
        return None

    def line_ends(self, names: Sequence[str]) -> LineEnds | None:
        """None: the server knows nothing of lines."""
        return None

    def generate(
        self,
        chats: Sequence[Messages],
        max_new_tokens: int,
        draft: Draft | None = None,
        ends: LineEnds | None = None,
        batch_size: int = 0,
        on_done: Callable[[int], None] | None = None,
    ) -> list[Generation]:
        """Greedy completions in the order of `chats`; the longest are asked for first. `draft` and `batch_size` are
        not used: the server batches what is asked at the same time."""
        return _finished(self._all(chats, max_new_tokens, on_done))

    async def _start(self, named: str) -> tuple[str, bool]:
        """The model's name, and whether answers come with token probabilities."""
        async with self._client() as client:
            try:
                model = named or await self._with_tries(lambda: self._only_model(client), 3)
                probe = self._body([{"role": "user", "content": "Hello"}], 1, model)
                first = await self._with_tries(lambda: self._once(client, probe), 3)
            except _Again as error:
                raise InputError(f"{self.url}: {error.what}; is the server running, and is this its address?") from None
            except _Refused as error:
                raise InputError(f"{self.url}: {error}") from None
        return model, any(token.alternatives for token in first.tokens)

    async def _only_model(self, client: httpx.AsyncClient) -> str:
        listed = await self._exchange(client, "GET", "/models")
        try:
            names = [str(entry["id"]) for entry in listed["data"]]
        except (KeyError, TypeError):
            raise InputError(f"{self.url}: it lists no models; does it serve OpenAI's chat completions?") from None
        if len(names) != 1:
            some = ", ".join(names[:5]) or "none"
            raise InputError(f"{self.url}: it has {len(names)} models ({some}); name one, as in {self.url}#name")
        return names[0]

    async def _all(
        self, chats: Sequence[Messages], limit: int, on_done: Callable[[int], None] | None
    ) -> list[Generation]:
        out: dict[int, Generation] = {}
        waiting = iter(sorted(range(len(chats)), key=lambda i: -sum(len(m["content"]) for m in chats[i])))

        async def worker(client: httpx.AsyncClient) -> None:
            for i in waiting:
                out[i] = await self._answer(client, self._body(chats[i], limit, self.model))
                if on_done:
                    on_done(1)

        async with self._client() as client:
            await asyncio.gather(*(worker(client) for _ in range(min(self.concurrency, len(chats)))))
        if self._given_up_in_a_row >= min(max(SILENT, len(chats)), max(SILENT, self.concurrency)):
            raise DdxError(
                f"{self.url}: {out[0].error}, {self._given_up_in_a_row} cases in a row; is it still running?"
            )
        return [out[i] for i in range(len(chats))]

    async def _answer(self, client: httpx.AsyncClient, body: bytes) -> Generation:
        began = time.perf_counter()
        tries = 1 if self._given_up_in_a_row >= self.concurrency else self.patience.tries
        try:
            found = await self._with_tries(lambda: self._once(client, body), tries)
        except _Again as error:
            self.counts["given up"] += 1
            self._given_up_in_a_row += 1
            why = f"{error.what}, {tries} {'try' if tries == 1 else 'tries'}"
        except _Refused as error:
            self.counts["refused"] += 1
            why = str(error)
        else:
            self._given_up_in_a_row = 0
            return found
        return Generation("", (), 0, False, time.perf_counter() - began, error=f"server: {why}")

    async def _with_tries(self, once: Callable[[], Coroutine[Any, Any, T]], tries: int) -> T:
        """The first success of at most so many tries; raises the last `_Again`."""
        for attempt in range(tries):
            try:
                return await once()
            except _Again as error:
                if attempt == tries - 1:
                    raise
                self.counts["retries"] += 1
                self.counts[f"retries: {error.kind}"] += 1
                longest = self.patience.longest
                jitter = self._random.uniform(0, min(longest, self.patience.first * 2**attempt))
                await asyncio.sleep(min(error.after, longest) + jitter)
        raise AssertionError("at least one try")

    async def _once(self, client: httpx.AsyncClient, body: bytes) -> Generation:
        began = time.perf_counter()
        answer = await self._exchange(client, "POST", "/chat/completions", body)
        try:
            return _generation(answer, time.perf_counter() - began)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            raise _Again("malformed", "its answer is no chat completion") from None

    async def _exchange(
        self, client: httpx.AsyncClient, method: str, path: str, body: bytes | None = None
    ) -> dict[str, Any]:
        """One request and its JSON. No message here holds any of the body, which is a patient's."""
        self.counts["requests"] += 1
        try:
            async with asyncio.timeout(self.patience.total):
                response = await client.request(method, self.url + path, content=body)
        except (TimeoutError, httpx.TimeoutException):
            raise _Again("timeout", "no answer in time") from None
        except httpx.TransportError as error:
            raise _Again("connection", f"no connection, or it was lost ({type(error).__name__})") from None
        status = response.status_code
        if status in _AGAIN:
            raise _Again(str(status), f"it answered {status}", _retry_after(response.headers.get("retry-after", "")))
        if status in _HINTS:
            raise InputError(f"{self.url}: it answered {status}; {_HINTS[status]}")
        if status != 200:
            raise _Refused(
                f"it refused a request ({status}); does it serve chat completions, with a context that holds the case, "
                f"and top_logprobs of {ALTERNATIVES}?"
            )
        try:
            found = response.json()
        except ValueError:
            raise _Again("malformed", "its answer is not JSON") from None
        if not isinstance(found, dict):
            raise _Again("malformed", "its answer is not a JSON object")
        return found

    def _body(self, chat: Messages, limit: int, model: str) -> bytes:
        return json.dumps(
            {
                "model": model,
                "messages": [{**message, "content": _shortened(_plain(message["content"]))} for message in chat],
                "max_tokens": limit,
                "temperature": 0,
                "logprobs": True,
                "top_logprobs": ALTERNATIVES,
            }
        ).encode()

    def _client(self) -> httpx.AsyncClient:
        headers = {"content-type": "application/json"}
        if key := os.environ.get(KEY):
            headers["authorization"] = f"Bearer {key}"
        p = self.patience
        return httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(p.read, connect=p.connect, pool=None),
            limits=httpx.Limits(max_connections=self.concurrency, max_keepalive_connections=self.concurrency),
            verify=self._tls,
            trust_env=not self._own_machine,  # no proxy between this machine and itself
        )


def _finished(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, from code that awaits nothing, inside a running loop too (a notebook has one)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def _checked(url: str) -> tuple[str, str, bool]:
    """(address without its end slash, name of the model or "", whether it is this machine)."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL:
        raise InputError(f"{url!r} is not a URL such as http://127.0.0.1:8000/v1") from None
    if parts.userinfo:
        raise InputError(f"a key does not belong in the URL, where logs show it: set {KEY}")
    if parts.scheme not in ("http", "https") or not parts.host or parts.query:
        raise InputError(f"{url!r} is not a URL such as http://127.0.0.1:8000/v1")
    own = _is_loopback(parts.host)
    if parts.scheme == "http" and not own and os.environ.get(PLAIN_HTTP) != "1":
        raise InputError(
            f"{url}: plain http sends patient data readable to everyone on the way; use https, or set {PLAIN_HTTP}=1 "
            "where the network itself is private"
        )
    path = parts.path.rstrip("/") or "/v1"
    return str(parts.copy_with(path=path, fragment=None)), parts.fragment, own


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _plain(text: str) -> str:
    """A text that holds no special token of a chat template: a space keeps "<|im_end|>" from being one.

    >>> _plain("BP <90, <|im_end|>")
    'BP <90, < |im_end|>'
    """
    return _CONTROL.sub(r"\1 ", text)


def _shortened(text: str) -> str:
    """At most MAX_CHARACTERS characters: beginning and end."""
    half = MAX_CHARACTERS // 2
    return text if len(text) <= MAX_CHARACTERS else f"{text[:half]}\n{text[-half:]}"


def _retry_after(value: str) -> float:
    """Seconds to wait, from a Retry-After header: a number or a date.

    >>> _retry_after("3"), _retry_after("soon"), _retry_after("Wed, 21 Oct 2015 07:28:00 GMT")
    (3.0, 0.0, 0.0)
    """
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value.strip()):
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _generation(answer: Mapping[str, Any], seconds: float) -> Generation:
    choice = answer["choices"][0]
    text = choice["message"].get("content") or ""
    entries = (choice.get("logprobs") or {}).get("content") or []
    tokens = tuple(
        Token(
            _token_text(entry["token"]), float(entry["logprob"]),
            tuple((_token_text(a["token"]), float(a["logprob"])) for a in entry.get("top_logprobs") or ()),
        )
        for entry in entries
    )  # fmt: skip
    usage = answer.get("usage") or {}
    written = int(usage.get("completion_tokens") or len(tokens))
    truncated = choice.get("finish_reason") == "length"
    return Generation(str(text), (0,) * written, int(usage.get("prompt_tokens") or 0), truncated, seconds, tokens)


def _token_text(token: str) -> str:
    """The text of a token, "" for one that ends the answer."""
    return "" if _SPECIAL.fullmatch(token) else token
