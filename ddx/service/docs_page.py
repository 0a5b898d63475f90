"""The page at /docs: plain HTML from the OpenAPI schema.

FastAPI's own pages load scripts from a content delivery network; this one loads nothing from anywhere.
"""

from __future__ import annotations

import html
from typing import Any

__all__ = ["docs_page"]

_STYLE = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"


def docs_page(schema: dict[str, Any]) -> str:
    """One section an operation: method, path, what it does, and what it answers."""
    info = schema["info"]
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{_text(info["title"])}</title>',
        f"<style>{_STYLE}</style><h1>{_text(info['title'])} {_text(info['version'])}</h1>",
        f'<p>{_text(info["description"])}</p><p>The whole schema: <a href="/openapi.json">/openapi.json</a></p>',
    ]
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            parts.append(f"<h2><code>{method.upper()} {_text(path)}</code></h2><p>{_text(operation['summary'])}</p>")
            parts.append(f"<p>{_text(operation.get('description', ''))}</p><ul>")
            for status, response in operation["responses"].items():
                parts.append(f"<li><code>{status}</code> {_text(response['description'])}</li>")
            parts.append("</ul>")
    return "".join(parts) + "</html>\n"


def _text(value: str) -> str:
    return html.escape(value)
