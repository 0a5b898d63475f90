"""A review as rows of the tables, and back. What PHI mode leaves out is decided here, and only here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ddx.case import Case
from ddx.errors import InputError
from ddx.review import Review
from ddx.store.hashing import canonical, new_salt, salted_hash, sha256

__all__ = ["case_hash", "check", "check_names", "decision_row", "output_row", "review_of", "review_row", "same_output"]

MAX_NAME = 200


def check(review: Review, actor: str) -> None:
    """Raises InputError unless the names that stand in columns of their own are printable and of sensible length."""
    if not review.review_id.strip():
        raise InputError("a review needs an id before it can be stored")
    check_names(
        {"review id": review.review_id, "reviewer": review.reviewer, "actor": actor, "case id": review.case.case_id}
    )


def check_names(names: Mapping[str, str]) -> None:
    """What a name is of → the name. Raises InputError unless each is printable and of sensible length."""
    for what, name in names.items():
        if not name.isprintable() or len(name) > MAX_NAME:
            raise InputError(f"the {what} must be at most {MAX_NAME} printable characters on one line")


def review_row(review: Review, salt: str, output_id: str | None, phi: bool) -> dict[str, Any]:
    """The row of a review, but for its version, sequence and times."""
    content = review.to_dict()
    del content["differential"]  # it lies in `outputs`, once
    case = review.case
    row: dict[str, Any] = {
        "review_id": review.review_id,
        "reviewer": review.reviewer,
        "decision": review.decision,
        "output_id": output_id,
        **_counts(review),
        **_content(canonical(content), salt, phi),
        "salt": salt,
    }
    if phi:
        return row | {"case_sha256": case_hash(salt, case)}
    age = None if case.age is None else float(case.age)
    first = review.kept[0].name if review.kept else None
    return row | {"case_id": case.case_id or None, "age": age, "sex": case.sex, "first": first}


def output_row(review: Review, output_id: str, at: str, seconds: float | None, phi: bool) -> dict[str, Any]:
    """The row of a review's differential. The model's id and hashes say nothing of the case; they always stand."""
    differential = review.differential or {}
    model = differential.get("model") or {}
    salt = new_salt()
    return {
        "output_id": output_id,
        "review_id": review.review_id,
        "created_at": at,
        "model_id": str(model["id"]) if "id" in model else None,
        "model_sha256": sha256(canonical(model)) if model else None,
        "prompt_sha256": model.get("prompt_sha256"),
        "seconds": None if seconds is None else float(seconds),
        **_content(canonical(differential), salt, phi),
        "salt": salt,
    }


def same_output(row: Any, differential: Mapping[str, Any]) -> bool:
    """Whether a stored output is this differential."""
    content = canonical(differential)
    return content == row.content if row.content is not None else salted_hash(row.salt, content) == row.content_sha256


def decision_row(review: Review, version: int, output_id: str | None, at: str, phi: bool) -> dict[str, Any]:
    """The row of a decision: what it rested on, as it was then."""
    whole = review.to_dict()
    content = {name: whole[name] for name in ("own", "kept", "struck", "reason")}
    salt = new_salt()
    return {
        "decision_id": f"{review.review_id}@{version}",
        "review_id": review.review_id,
        "version": version,
        "decided_at": at,
        "reviewer": review.reviewer,
        "decision": review.decision,
        "output_id": output_id,
        **_counts(review),
        **_content(canonical(content), salt, phi),
        "salt": salt,
    }


def review_of(content: str, differential: str | None) -> Review:
    """A review from the content of its row and of its output's."""
    return Review.from_dict(
        {**json.loads(content), "differential": None if differential is None else json.loads(differential)}
    )


def case_hash(salt: str, case: Case) -> str:
    """What PHI mode keeps of a case: enough to tell whether a case at hand is the one that was reviewed."""
    as_read = Case.from_dict(case.to_dict())  # an age of 58 is one of 58.0
    return salted_hash(salt, canonical(as_read.to_dict()))


def _counts(review: Review) -> dict[str, int]:
    added = sum(kept.source == "clinician" for kept in review.kept)
    return {"kept": len(review.kept), "struck": len(review.struck), "added": added}


def _content(content: str, salt: str, phi: bool) -> dict[str, str]:
    return {"content_sha256": salted_hash(salt, content)} if phi else {"content": content}
