"""A review: what a clinician made of one case, beside what the model wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ddx.case import Case
from ddx.errors import InputError

Source = Literal["model", "clinician"]
Decision = Literal["open", "accepted", "overridden"]
DECISIONS: tuple[Decision, ...] = ("open", "accepted", "overridden")


@dataclass(frozen=True)
class Kept:
    """One line of the clinician's final differential, in their order.

    `source`: where the diagnosis came from. `confidence`: the model's calibrated confidence in [0, 1], None for a
    diagnosis that the clinician added. `key` and `icd10` are None for what the vocabulary has not.
    """

    name: str
    source: Source = "model"
    key: str | None = None
    icd10: str | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Struck:
    """A diagnosis of the model that the clinician took off the list, and why ("" where no reason was given)."""

    name: str
    reason: str = ""
    key: str | None = None
    icd10: str | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Review:
    """One case, one model output, one reviewer.

    `own`: the clinician's own differential, likeliest first, written before the model's was shown; None where the
    setting was off, () where the clinician wrote none. `differential`: the documented JSON form
    (`Differential.to_dict`) with the model's provenance; None until the model has answered. `kept` and `struck`
    are what the clinician made of it. `decision`: "open" until confirmed; "accepted" when the model's list stands as it
    was, in order; "overridden" otherwise, with a `reason`.
    """

    review_id: str
    case: Case
    reviewer: str = ""
    own: tuple[str, ...] | None = None
    differential: Mapping[str, Any] | None = None
    kept: tuple[Kept, ...] = ()
    struck: tuple[Struck, ...] = ()
    decision: Decision = "open"
    reason: str = ""
    notes: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.decision not in DECISIONS:
            raise InputError(
                f"review {self.review_id}: decision {self.decision!r} is not one of {', '.join(DECISIONS)}"
            )
        if self.decision == "overridden" and not self.reason.strip():
            raise InputError(f"review {self.review_id}: an override needs a reason")
        if self.decision != "open" and self.differential is None:
            raise InputError(f"review {self.review_id}: there is no model output to decide on yet")

    def to_dict(self) -> dict[str, Any]:
        """JSON-like, with the case as `Case.from_dict` reads it."""
        return {
            "review_id": self.review_id,
            "case": self.case.to_dict(),
            "reviewer": self.reviewer,
            "own": None if self.own is None else list(self.own),
            "differential": None if self.differential is None else dict(self.differential),
            "kept": [asdict(k) for k in self.kept],
            "struck": [asdict(s) for s in self.struck],
            "decision": self.decision,
            "reason": self.reason,
            "notes": self.notes,
            "meta": dict(self.meta),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Review:
        """What `to_dict` wrote; raises InputError on anything else."""
        try:
            own = data["own"]
            return cls(
                data["review_id"], Case.from_dict(data["case"], f"review {data['review_id']}"), data["reviewer"],
                None if own is None else tuple(own), data["differential"],
                tuple(Kept(**k) for k in data["kept"]), tuple(Struck(**s) for s in data["struck"]),
                data["decision"], data["reason"], data["notes"], data["meta"],
            )  # fmt: skip
        except (KeyError, TypeError) as error:
            raise InputError(f"not a stored review ({type(error).__name__}: {error})") from None


def kept_from(differential: Mapping[str, Any]) -> tuple[Kept, ...]:
    """The model's list as it stands, to start a review from."""
    rows: Sequence[Mapping[str, Any]] = differential["differential"]
    return tuple(Kept(r["name"], "model", r["key"], r["icd10"], r["confidence"]) for r in rows)


def as_it_stood(differential: Mapping[str, Any], kept: Sequence[Kept]) -> bool:
    """Whether the clinician kept the model's list whole and in its order."""
    return tuple(kept) == kept_from(differential)
