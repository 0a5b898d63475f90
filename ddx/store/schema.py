"""The tables as they are now. What changed them is in `migrations/`.

Times are text, UTC in ISO 8601 with microseconds ("2026-01-31T12:00:00.000000Z"), because a row's hash must be the same
on every database; for the same reason there are no booleans and no JSON columns.
"""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, MetaData, Table, Text

__all__ = ["CHECKED", "decisions", "log", "metadata", "outputs", "reviews", "row_name", "settings"]

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
    }
)

# Current state of a review. `content` is `Review.to_dict` without the differential, which lies in `outputs`.
# In PHI mode content, case_id, age, sex and first are empty and the two hashes stand in their place.
reviews = Table(
    "reviews",
    metadata,
    Column("review_id", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),  # of the log entry about its last change: the order of lists
    Column("created_at", Text, nullable=False),
    Column("changed_at", Text, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("case_id", Text),
    Column("age", Float),
    Column("sex", Text),
    Column("first", Text),
    Column("output_id", Text),
    Column("kept", Integer, nullable=False),
    Column("struck", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    Column("content", Text),
    Column("content_sha256", Text),
    Column("case_sha256", Text),
    Column("salt", Text, nullable=False),
    Index("ix_reviews_sequence", "sequence", unique=True),
    Index("ix_reviews_case_id", "case_id"),
)

# What the model gave, never changed. `content` is the documented JSON form of a differential.
outputs = Table(
    "outputs",
    metadata,
    Column("output_id", Text, primary_key=True),
    Column("review_id", Text, ForeignKey("reviews.review_id"), nullable=False),
    Column("created_at", Text, nullable=False),
    Column("model_id", Text),
    Column("model_sha256", Text),
    Column("prompt_sha256", Text),
    Column("seconds", Float),
    Column("content", Text),
    Column("content_sha256", Text),
    Column("salt", Text, nullable=False),
    Index("ix_outputs_review_id", "review_id"),
)

# Every decision that was taken, and every time that one was taken back, never changed.
decisions = Table(
    "decisions",
    metadata,
    Column("decision_id", Text, primary_key=True),  # REVIEW_ID@VERSION
    Column("review_id", Text, ForeignKey("reviews.review_id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("decided_at", Text, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("output_id", Text),
    Column("kept", Integer, nullable=False),
    Column("struck", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    Column("content", Text),
    Column("content_sha256", Text),
    Column("salt", Text, nullable=False),
    Index("ix_decisions_review_id", "review_id"),
)

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

# Who did what to which rows, and the hash of each row afterwards (null: it is gone). Never a word of a case.
log = Table(
    "log",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("rows", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("ix_log_subject", "subject"),
)

# The tables whose rows the log vouches for, each with the column that names a row.
CHECKED = {reviews: "review_id", outputs: "output_id", decisions: "decision_id", settings: "name"}


def row_name(table: Table, key: str) -> str:
    """How the log names a row: "reviews/r1"."""
    return f"{table.name}/{key}"
