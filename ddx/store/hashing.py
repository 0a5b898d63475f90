"""One way to write a value as bytes, and the hashes that the log keeps."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Mapping
from typing import Any

from ddx.errors import InputError

__all__ = ["canonical", "new_salt", "row_hash", "salted_hash", "sha256"]


def canonical(value: Any) -> str:
    """JSON with sorted keys, without spaces, in ASCII: the same text on every machine and database.

    Raises InputError for what JSON has no word for (a set, NaN).

    >>> canonical({"b": 1.0, "a": "é"})
    '{"a":"\\\\u00e9","b":1.0}'
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"not storable as JSON: {error}") from None


def sha256(text: str) -> str:
    """SHA-256 of a text's UTF-8 bytes, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def new_salt() -> str:
    """128 random bits.

    A salt is stored in the row that it salts and goes when the row is erased. What is left of it in the log then
    says nothing about the case: a bare hash of a short text could be guessed.
    """
    return secrets.token_hex(16)


def salted_hash(salt: str, text: str) -> str:
    """SHA-256 of a salt, a line feed and a text."""
    return sha256(f"{salt}\n{text}")


def row_hash(values: Mapping[str, Any]) -> str:
    """SHA-256 of a row as it is stored: canonical JSON of its columns, but for those that are empty.

    Empty columns are left out so that a later migration can add a column without touching what the log says.
    """
    return sha256(canonical({name: value for name, value in values.items() if value is not None}))
