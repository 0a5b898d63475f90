"""The files of an evaluation: the JSON, a report to read, tables, a row a case, and what the model wrote."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ddx.evaluation.baselines import Record, beside
from ddx.evaluation.completions import to_lines
from ddx.evaluation.evaluate import Evaluation
from ddx.evaluation.report import to_html
from ddx.evaluation.tables import to_markdown
from ddx.files import write_table, write_text


def write_evaluation(out: Path, evaluation: Evaluation, command: str = "") -> str:
    """Write OUT (.json) and, beside it, .html, .md, .cases.parquet, .completions.jsonl and, where baselines were asked,
    .baselines.completions.jsonl; returns the tables.

    The JSON carries the SHA-256 of both files of completions, for `ddx verify`, and the `command` that made it.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    completions = out.with_suffix(".completions.jsonl")
    content = {**evaluation.result, "command": command, "completions_sha256": _write(completions, evaluation.records)}
    if evaluation.baseline_records:
        content["baselines_sha256"] = _write(beside(completions), evaluation.baseline_records)
    else:
        beside(completions).unlink(missing_ok=True)  # of another evaluation of the same name
    write_text(out, json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n")
    write_table(out.with_suffix(".cases.parquet"), evaluation.cases)
    write_text(out.with_suffix(".html"), to_html(content))
    table = to_markdown(evaluation.result)
    write_text(out.with_suffix(".md"), table)
    return table


def _write(path: Path, records: list[Record]) -> str:
    """Write records as JSONL; returns the SHA-256 of the file."""
    lines = to_lines(records)
    write_text(path, lines)
    return hashlib.sha256(lines.encode("utf-8")).hexdigest()
