"""Where the service listens, and the server that speaks HTTP there."""

from __future__ import annotations

import logging
import os
import socket

import uvicorn
from fastapi import FastAPI

from ddx.errors import InputError

__all__ = ["http_server", "listen"]


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises InputError with one line when it can't be had."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        # below 0 for a name that is not known; above, Python adds the address to the reason
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise InputError(f"{host}, port {port}: {reason}; give another --host or --port") from None


def http_server(app: FastAPI) -> uvicorn.Server:
    """The server, without a log of its own for requests: paths and queries are not ours to keep.

    When it is stopped, requests that are under way have five seconds.
    """
    config = uvicorn.Config(
        app, http="h11", ws="none", log_config=None, access_log=False, server_header=False, proxy_headers=False,
        timeout_graceful_shutdown=5,
    )  # fmt: skip
    logging.getLogger("uvicorn.access").disabled = True  # `access_log` only takes its handlers away
    return uvicorn.Server(config)
