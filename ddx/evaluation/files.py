"""The files of an evaluation: the JSON, the same as tables, and what the model wrote for each case."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ddx.evaluation.completions import to_lines
from ddx.evaluation.markdown import to_markdown
from ddx.files import write_text


def write_evaluation(out: Path, result: Mapping[str, Any], records: Sequence[dict[str, Any]]) -> str:
    """Write OUT (.json) and, beside it, .md and .completions.jsonl; returns the tables.

    The JSON carries the SHA-256 of the completions, for `ddx verify`.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = to_lines(records)
    write_text(out.with_suffix(".completions.jsonl"), lines)
    digest = hashlib.sha256(lines.encode("utf-8")).hexdigest()
    content = {**result, "completions_sha256": digest}
    write_text(out, json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n")
    table = to_markdown(result)
    write_text(out.with_suffix(".md"), table)
    return table
