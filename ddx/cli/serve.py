"""`ddx serve`: the model over HTTP, on this machine unless told otherwise."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from ddx.cli.loading import ENGINE_HELP, load_for_command
from ddx.errors import InputError


def serve(
    host: Annotated[str, typer.Option("--host", help="Another than loopback needs DDX_SERVE_TOKEN.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0 takes a free one.")] = 8765,
    model: Annotated[str | None, typer.Option("--model", "-m", help="A model folder, if not the shipped one.")] = None,
    engine: Annotated[str, typer.Option("--engine", help=ENGINE_HELP)] = "transformers",
    max_body: Annotated[int, typer.Option("--max-body", help="Bytes of a request.")] = 2**20,
    max_cases: Annotated[int, typer.Option("--max-cases", help="Cases of a request.")] = 64,
    max_text: Annotated[int, typer.Option("--max-text", help="Characters of a case's text.")] = 20_000,
    max_waiting: Annotated[int, typer.Option("--max-waiting", help="Cases in line, over all requests.")] = 256,
    batch: Annotated[int, typer.Option("--batch", help="Cases that the model answers together.")] = 8,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds for a request.")] = 120.0,
) -> None:
    """Serve the model over HTTP: POST a case or a batch, see /docs.

    With DDX_SERVE_TOKEN in the environment every request needs the header "Authorization: Bearer TOKEN".
    """
    try:
        from ddx.service.app import create_app
        from ddx.service.server import http_server, listen
    except ModuleNotFoundError as error:
        raise InputError(f"the service needs {error.name}: pip install 'ddx[serve]'") from None
    import logging

    from ddx.differential import NOTICE
    from ddx.service.settings import TOKEN_VARIABLE, read_settings
    from ddx.service.worker import Worker

    settings = read_settings(
        host=host, port=port, token=os.environ.get(TOKEN_VARIABLE) or None, max_body=max_body, max_cases=max_cases,
        max_text=max_text, max_waiting=max_waiting, batch=batch, timeout=timeout,
    )  # fmt: skip
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("ddx.service").setLevel(logging.INFO)
    with listen(host, port) as listening:
        loaded = load_for_command(model, engine)
        worker = Worker(loaded, settings.max_waiting, settings.batch)
        url = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
        typer.echo(f"ddx: {loaded.info['id']} at {url} (what to ask: {url}/docs). {NOTICE}", err=True)
        try:
            http_server(create_app(loaded, worker, settings)).run(sockets=[listening])
        finally:
            worker.close()
