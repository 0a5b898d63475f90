"""A differential: the ranked list of diagnoses that one generation gave for a case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ddx.errors import InputError

Semantics = Literal["pathology", "membership"]
Status = Literal["ok", "repaired", "partial", "truncated", "empty", "failed"]

NOTICE = "Decision support for research use; not a medical device."


def percent(p: float) -> str:
    """A probability as a whole percent; never 0 % or 100 % for what is neither.

    >>> percent(0.6234), percent(0.002), percent(0.998), percent(0.0)
    ('62 %', '<1 %', '>99 %', '0 %')
    """
    if 0 < p < 0.01:
        return "<1 %"
    return ">99 %" if 0.99 < p < 1 else f"{100 * p:.0f} %"


@dataclass(frozen=True)
class Diagnosis:
    """One line of a differential.

    `confidence` is calibrated, `stated` is what the model wrote (None when it wrote none), both in [0, 1].
    `key` is the condition's key in the vocabulary, None when unmatched (then icd10 and severity are None too).
    `interval` (low, high) holds the confidence, where the calibrator gives one (Venn-Abers), else None.
    """

    rank: int
    name: str
    confidence: float
    key: str | None = None
    icd10: str | None = None
    severity: int | None = None
    text: str = ""
    stated: float | None = None
    match: str = "unmatched"
    match_score: float = 0.0
    interval: tuple[float, float] | None = None

    @property
    def must_not_miss(self) -> bool:
        """Severity 1 or 2 on DDXPlus's scale (1 most severe)."""
        return self.severity is not None and self.severity <= 2


@dataclass(frozen=True)
class Differential:
    """At most K diagnoses in descending confidence, with how the output was read.

    With `pathology` semantics the confidences sum to at most 1 and `other` is the rest ("something else");
    with `membership` there is no sum rule and `other` is None. `rescaled`: the confidences, as stated or as calibrated,
    summed to more than 1 and were divided by their sum.
    """

    case_id: str
    diagnoses: tuple[Diagnosis, ...]
    semantics: Semantics = "pathology"
    status: Status = "ok"
    repairs: tuple[str, ...] = ()
    rescaled: bool = False
    raw_text: str = ""
    tokens: int = 0
    prompt_tokens: int = 0
    seconds: float = 0.0
    model: Mapping[str, Any] = field(default_factory=dict)

    @property
    def other(self) -> float | None:
        """P(something else) = 1 − Σ confidences; None for `membership`."""
        if self.semantics == "membership":
            return None
        return max(0.0, 1.0 - sum(d.confidence for d in self.diagnoses))

    @property
    def valid(self) -> bool:
        """Whether the output could be read in full (status ok or repaired)."""
        return self.status in ("ok", "repaired")

    def to_dict(self, digits: int = 4) -> dict[str, Any]:
        """The documented JSON form. For `pathology`, Σ confidence + other = 1 after rounding too.

        "interval" stands only with diagnoses that have one.
        """
        rows: list[dict[str, Any]] = [
            {
                "rank": d.rank,
                "name": d.name,
                "icd10": d.icd10,
                "confidence": round(d.confidence, digits),
                "severity": d.severity,
                "must_not_miss": d.must_not_miss,
                "key": d.key,
                "written": d.text,
                "stated": d.stated,
                "match": d.match,
                "match_score": round(d.match_score, 3),
                **({} if d.interval is None else {"interval": [round(bound, digits) for bound in d.interval]}),
            }
            for d in self.diagnoses
        ]
        other = None if self.semantics == "membership" else round(1.0 - sum(r["confidence"] for r in rows), digits)
        if other is not None and other < 0:  # rounding alone can push the sum past 1 by a few units of the last digit
            rows[0]["confidence"] = round(rows[0]["confidence"] + other, digits)
            other = 0.0
        return {
            "case_id": self.case_id,
            "differential": rows,
            "other": other,
            "semantics": self.semantics,
            "status": self.status,
            "repairs": list(self.repairs),
            "rescaled": self.rescaled,
            "tokens": {"prompt": self.prompt_tokens, "completion": self.tokens},
            "model": dict(self.model),
            "notice": NOTICE,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Differential:
        """What `to_dict` wrote, as rounded there; the raw output and the time are not in it. Raises InputError for
        anything else.

        >>> d = Differential("c", (Diagnosis(1, "Gout", 0.25, stated=0.3),), model={"id": "m"})
        >>> Differential.from_dict(d.to_dict()) == d
        True
        """
        try:
            rows = tuple(
                Diagnosis(
                    row["rank"], row["name"], row["confidence"], row["key"], row["icd10"], row["severity"],
                    row["written"], row["stated"], row["match"], row["match_score"],
                    tuple(row["interval"]) if "interval" in row else None,
                )
                for row in data["differential"]
            )  # fmt: skip
            return cls(
                data["case_id"], rows, data["semantics"], data["status"], tuple(data["repairs"]), data["rescaled"],
                tokens=data["tokens"]["completion"], prompt_tokens=data["tokens"]["prompt"], model=data["model"],
            )  # fmt: skip
        except (KeyError, TypeError) as error:
            raise InputError(f"not a differential in its JSON form ({type(error).__name__}: {error})") from None
