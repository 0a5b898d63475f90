"""What every answer carries: the notice, the model's id, and one hash for all that the answer was made with."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from ddx.differential import NOTICE

__all__ = ["provenance", "provenance_hash", "stamp"]


def provenance(info: Mapping[str, Any]) -> dict[str, Any]:
    """A model's id, hashes and versions, as served: of a base that is a folder only the name, not where it lies."""
    shown = dict(info)
    if "base" in shown and PurePath(str(shown["base"])).is_absolute():
        shown["base"] = PurePath(str(shown["base"])).name
    return shown


def provenance_hash(shown: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON (sorted keys, no spaces, UTF-8) of what `provenance` gave.

    >>> provenance_hash({"id": "m"})[:16]
    '510d9374d13d5691'
    """
    content = json.dumps(shown, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def stamp(info: Mapping[str, Any]) -> dict[str, Any]:
    """The three keys of `ddx.service.schemas.Stamp`."""
    shown = provenance(info)
    return {"notice": NOTICE, "model_id": str(shown.get("id", "")), "provenance_sha256": provenance_hash(shown)}
