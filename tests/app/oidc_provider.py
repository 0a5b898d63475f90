"""A small OpenID Connect provider on loopback, so that a login can be tested from the button to the signed cookie.

It knows one person, one client and one address to send people back to, and refuses everything else. Identity tokens are
signed with RS256, and its keys, tokens and pages are only as wide as the app's login needs.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "ddx-tests", "not-a-real-secret"


@dataclass
class Provider:
    """`person`: the claims about whoever signs in. `forge`: sign with a key that is not the published one. `codes` that
    were given out and not yet used, each with its nonce; `left`: queries of those who signed out."""

    url: str
    back: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    forge: bool = False
    codes: dict[str, str] = field(default_factory=dict)
    left: list[dict[str, str]] = field(default_factory=list)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, parameters={"kid": "one"}))
    other: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, parameters={"kid": "one"}))

    def secrets_toml(self) -> str:
        """What the app needs to know; {port} is the app's own."""
        return (
            '[auth]\nredirect_uri = "http://127.0.0.1:{port}/oauth2callback"\n'
            f'cookie_secret = "{secrets.token_hex(32)}"\nclient_id = "{CLIENT}"\nclient_secret = "{SECRET}"\n'
            f'server_metadata_url = "{self.url}/.well-known/openid-configuration"\n'
        )

    def metadata(self) -> dict[str, Any]:
        """The discovery document."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "end_session_endpoint": f"{self.url}/leave",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def identity(self, nonce: str) -> str:
        """A signed identity token."""
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce, **self.person}
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.other if self.forge else self.key)


@contextmanager
def provider() -> Iterator[Provider]:
    """The provider, running on a free port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    found = server.provider = Provider(f"http://127.0.0.1:{server.server_address[1]}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        provider: Provider = self.server.provider  # type: ignore[attr-defined]
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == "/.well-known/openid-configuration":
            self._json(provider.metadata())
        elif url.path == "/keys":
            self._json({"keys": [provider.key.as_dict(private=False, use="sig", alg="RS256")]})
        elif url.path == "/authorize":
            self._authorize(provider, query)
        elif url.path == "/leave":
            provider.left.append(query)
            self._redirect(query["post_logout_redirect_uri"])
        else:
            self._json({"error": "not found"}, 404)

    def do_POST(self) -> None:
        provider: Provider = self.server.provider  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        known = self.headers["Authorization"] == f"Basic {basic}" and form.get("redirect_uri") == provider.back
        nonce = provider.codes.pop(form.get("code", ""), None)
        if self.path != "/token" or form.get("grant_type") != "authorization_code" or not known or nonce is None:
            self._json({"error": "invalid_grant"}, 400)
            return
        token = {"access_token": secrets.token_hex(8), "token_type": "Bearer", "expires_in": 300}
        self._json({**token, "id_token": provider.identity(nonce)})

    def _authorize(self, provider: Provider, query: dict[str, str]) -> None:
        """A page on which the person says yes."""
        wanted = {"response_type": "code", "client_id": CLIENT, "redirect_uri": provider.back}
        if any(query.get(name) != value for name, value in wanted.items()) or "openid" not in query["scope"].split():
            self._json({"error": "invalid_request"}, 400)
            return
        code = secrets.token_hex(8)
        provider.codes[code] = query["nonce"]
        back = f"{provider.back}?{urlencode({'code': code, 'state': query['state']})}".replace("&", "&amp;")
        page = f'<!doctype html><title>Provider</title><a href="{back}">Continue as {provider.person["sub"]}</a>'
        self._send(page.encode(), "text/html; charset=utf-8")

    def _json(self, value: Any, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), "application/json", status)

    def _send(self, body: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _redirect(self, to: str) -> None:
        self.send_response(302)
        self.send_header("Location", to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""
