"""Reviews to store, words to look for, and a hand that changes a database behind the store's back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import psycopg
from sqlalchemy import make_url

from ddx.case import Case, Finding
from ddx.review import Review, kept_from

# In the case, the notes, the reason, the own list and the model's: none may stand where nothing should be stored.
SECRETS = ("zebracough", "quaggafever", "okapirash", "dodoitch", "Moasyndrome", "MRN-555-019")
MODEL = {"id": "tests/model", "prompt_sha256": "ab" * 32, "base_sha256": "cd" * 32}
LIST: dict[str, Any] = {
    "case_id": "MRN-555-019",
    "differential": [
        {"name": "Pericarditis", "key": "pericarditis", "icd10": "I30", "confidence": 0.6},
        {"name": "Moasyndrome", "key": None, "icd10": None, "confidence": 0.2},
    ],
    "other": 0.2,
    "semantics": "pathology",
    "model": MODEL,
}
CASE = Case("MRN-555-019", 43.5, "F", (Finding("E_91"), Finding("E_53", False)), "zebracough since Monday")


def review(review_id: str = "r1", decision: str = "open", reviewer: str = "dr a", **changes: Any) -> Review:
    """A review with everything in it, accepted, overridden or open."""
    values: dict[str, Any] = {
        "own": ("dodoitch",), "differential": LIST, "kept": kept_from(LIST), "notes": "quaggafever",
        "reason": "okapirash" if decision == "overridden" else "", "meta": {"stage": "full"},
    }  # fmt: skip
    return Review(review_id, changes.pop("case", CASE), reviewer, decision=decision, **values | changes)  # type: ignore[arg-type]


def tamper(where: str, *statements: str) -> None:
    """Run SQL on a store as someone with full rights would: the triggers go first, and come back afterwards."""
    if "://" in where:
        url = make_url(where)
        host = str(url.query["host"])
        with psycopg.connect(host=host, user=url.username, dbname=url.database) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                connection.execute(statement)  # type: ignore[call-overload]
        return
    with closing(sqlite3.connect(where)) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, sql in triggers:
            connection.execute(sql)
        connection.commit()
