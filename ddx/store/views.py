"""What the store gives back: light rows of lists, whole reviews, and decided reviews for the site's own figures."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from ddx.review import Decision, Kept, Review
from ddx.store.rows import review_of
from ddx.store.schema import decisions, outputs, reviews

__all__ = ["DecisionRow", "Reviewed", "ReviewRow", "Stored", "decisions_of", "list_rows", "reviewed_rows", "stored"]


@dataclass(frozen=True)
class ReviewRow:
    """One line of a list of reviews. `sequence` orders them by last change and is what `before` takes.

    `case_id`, `age`, `sex` and `first` (the name on top of the clinician's list) are None in PHI mode.
    `added` counts the diagnoses kept that the clinician brought in. Times are ISO 8601, UTC.
    """

    review_id: str
    version: int
    sequence: int
    created_at: str
    changed_at: str
    reviewer: str
    decision: Decision
    case_id: str | None
    age: float | None
    sex: str | None
    first: str | None
    kept: int
    struck: int
    added: int


@dataclass(frozen=True)
class Stored:
    """A review as it is in the store, with the version that the next `save` must name."""

    review: Review
    version: int
    sequence: int
    created_at: str
    changed_at: str


@dataclass(frozen=True)
class DecisionRow:
    """One decision in a review's history; `decision` "open" is one taken back."""

    review_id: str
    version: int
    decided_at: str
    reviewer: str
    decision: Decision
    kept: int
    struck: int
    added: int


@dataclass(frozen=True)
class Reviewed:
    """One decided review: what the model said and what the clinician ended with.

    `stage` is the review's `meta["stage"]`, None for free text. `model`: the model's lines in its order, each with
    name, key (None when unmatched) and calibrated confidence in [0, 1] of the declared meaning `semantics`.
    `kept`: the clinician's final list. The clinician's view is not the pathology: figures drawn from this say how often
    clinicians agreed, not how often the model was right.
    """

    review_id: str
    decided_at: str
    reviewer: str
    decision: Decision
    stage: str | None
    age: float | None
    sex: str | None
    model_id: str | None
    semantics: str
    model: tuple[Kept, ...]
    kept: tuple[Kept, ...]

    @property
    def first_agrees(self) -> bool:
        """Whether the model and the clinician put the same diagnosis first."""
        return bool(self.model and self.kept) and _same(self.model[0], self.kept[0])

    def outcomes(self) -> tuple[tuple[float, bool], ...]:
        """For each line of the model: its confidence, and whether the clinician came to it.

        That is first on the clinician's list for `pathology`, anywhere on it for `membership`.
        """
        wanted = self.kept if self.semantics == "membership" else self.kept[:1]
        return tuple((line.confidence or 0.0, any(_same(line, kept) for kept in wanted)) for line in self.model)


def _same(one: Kept, other: Kept) -> bool:
    if one.key is not None and other.key is not None:
        return one.key == other.key
    return one.name.casefold() == other.name.casefold()


def list_rows(
    connection: Connection, wanted: Mapping[str, str | None], limit: int, before: int | None
) -> tuple[ReviewRow, ...]:
    """Reviews, newest change first, of those columns' values that are not None."""
    columns = [reviews.c[name] for name in ReviewRow.__dataclass_fields__]
    query = select(*columns).order_by(reviews.c.sequence.desc()).limit(limit)
    for name, value in wanted.items():
        if value is not None:
            query = query.where(reviews.c[name] == value)
    if before is not None:
        query = query.where(reviews.c.sequence < before)
    return tuple(ReviewRow(*row) for row in connection.execute(query))


def stored(connection: Connection, review_id: str) -> Stored | None:
    """A review with its output; None when there is none."""
    query = (
        select(reviews, outputs.c.content.label("differential"))
        .outerjoin(outputs, reviews.c.output_id == outputs.c.output_id)
        .where(reviews.c.review_id == review_id)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    return Stored(review_of(row.content, row.differential), row.version, row.sequence, row.created_at, row.changed_at)


def decisions_of(connection: Connection, review_id: str) -> tuple[DecisionRow, ...]:
    """A review's decisions, oldest first."""
    columns = [decisions.c[name] for name in DecisionRow.__dataclass_fields__]
    query = select(*columns).where(decisions.c.review_id == review_id).order_by(decisions.c.version)
    return tuple(DecisionRow(*row) for row in connection.execute(query))


def reviewed_rows(connection: Connection) -> Iterator[Reviewed]:
    """Every review that is decided now, oldest decision first."""
    query = (
        select(reviews, decisions.c.decided_at, outputs.c.content.label("differential"), outputs.c.model_id)
        .join(outputs, reviews.c.output_id == outputs.c.output_id)
        .join(decisions, decisions.c.review_id == reviews.c.review_id)
        .where(reviews.c.decision != "open")
        .order_by(decisions.c.decided_at, decisions.c.version)
    )
    # A review decided twice has two decisions; the later one stands.
    newest = {row.review_id: row for row in connection.execute(query)}
    for row in sorted(newest.values(), key=lambda row: row.decided_at):
        yield _reviewed(row)


def _reviewed(row: Any) -> Reviewed:
    content, differential = json.loads(row.content), json.loads(row.differential)
    stage = content["meta"].get("stage")
    return Reviewed(
        row.review_id,
        row.decided_at,
        row.reviewer,
        row.decision,
        None if stage is None else str(stage),
        row.age,
        row.sex,
        row.model_id,
        str(differential.get("semantics", "pathology")),
        tuple(
            Kept(line["name"], "model", line.get("key"), line.get("icd10"), line.get("confidence"))
            for line in differential["differential"]
        ),
        tuple(Kept(**kept) for kept in content["kept"]),
    )
