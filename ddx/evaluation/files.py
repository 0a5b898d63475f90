"""The files of an evaluation: the JSON, a report to read, tables, a row a case, and what the model wrote."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ddx.evaluation.completions import to_lines
from ddx.evaluation.evaluate import Evaluation
from ddx.evaluation.report import to_html
from ddx.evaluation.tables import to_markdown
from ddx.files import write_table, write_text


def write_evaluation(out: Path, evaluation: Evaluation, command: str = "") -> str:
    """Write OUT (.json) and, beside it, .html, .md, .cases.parquet and .completions.jsonl; returns the tables.

    The JSON carries the SHA-256 of the completions, for `ddx verify`, and the `command` that made it.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = to_lines(evaluation.records)
    write_text(out.with_suffix(".completions.jsonl"), lines)
    digest = hashlib.sha256(lines.encode("utf-8")).hexdigest()
    content = {**evaluation.result, "command": command, "completions_sha256": digest}
    write_text(out, json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n")
    write_table(out.with_suffix(".cases.parquet"), evaluation.cases)
    write_text(out.with_suffix(".html"), to_html(content))
    table = to_markdown(evaluation.result)
    write_text(out.with_suffix(".md"), table)
    return table
