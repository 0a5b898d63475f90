"""The JSON of the service: what it takes, and what it answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ddx.case import MAX_AGE
from ddx.differential import Semantics, Status

__all__ = [
    "Answer",
    "Answers",
    "CaseIn",
    "CaseLine",
    "CaseOut",
    "DifferentialOut",
    "EndLine",
    "Fault",
    "Health",
    "Line",
    "ModelOut",
    "ProgressLine",
    "Refusal",
    "Stamp",
    "StartLine",
]

_CODE = r"E_[0-9]{1,4}"
_VALUE = r"(V_[0-9]{1,4}|[0-9]{1,2})"
_STRICT = ConfigDict(strict=True, extra="forbid")


class FindingIn(BaseModel):
    """A finding in parts: a DDXPlus code, whether it is present, and its value if it has one."""

    model_config = _STRICT
    code: str = Field(pattern=f"^{_CODE}$", examples=["E_54"])
    present: bool = True
    value: str | None = Field(None, pattern=f"^{_VALUE}$", examples=["V_161"])


ListedFinding = Annotated[
    str,
    Field(
        pattern=f"^(-|no:)?{_CODE}(_@_{_VALUE})?$",
        description='A DDXPlus code, with its value if it has one; a leading "-" means absent.',
        examples=["E_54_@_V_161"],
    ),
]


class CaseIn(BaseModel):
    """One patient presentation, with text, findings or both. What is not stated is left out."""

    model_config = _STRICT
    case_id: str = Field("", max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$", description="Logged; no names, please.")
    age: float | None = Field(None, ge=0, le=MAX_AGE, allow_inf_nan=False, description="Years; a fraction for infants.")
    sex: Literal["F", "M", "female", "male"] | None = None
    text: str = Field("", description="Free text, used as it stands.")
    findings: list[ListedFinding | FindingIn] = Field([], max_length=1000)


class Stamp(BaseModel):
    """What every answer carries; `GET /v1/model` tells what the hash stands for."""

    notice: str
    model_id: str
    provenance_sha256: str


class Fault(BaseModel):
    """One thing that is wrong with a request."""

    where: str = Field(description="Keys and positions, such as cases.3.age; keys that are not known are not repeated.")
    fault: str


class Refusal(Stamp):
    """Why a request was not answered. The case is never repeated."""

    error: str
    faults: list[Fault] = []


class DiagnosisOut(BaseModel):
    """One line of a differential. More keys may come."""

    model_config = ConfigDict(extra="allow")
    rank: int
    name: str
    icd10: str | None
    confidence: float = Field(ge=0, le=1)
    severity: int | None
    must_not_miss: bool
    key: str | None
    written: str
    stated: float | None
    match: str
    match_score: float
    interval: tuple[float, float] | None = Field(
        None,
        exclude_if=lambda bounds: bounds is None,
        description="Low and high, around the confidence; only where the calibrator gives one (Venn-Abers).",
    )


class DifferentialOut(BaseModel):
    """The JSON of `ddx predict --json`, but for the model, of which every answer carries id and hash."""

    model_config = ConfigDict(extra="allow")
    case_id: str
    differential: list[DiagnosisOut]
    other: float | None = Field(description="P(something else); null where confidences have no sum rule.")
    semantics: Semantics
    status: Status
    repairs: list[str]
    rescaled: bool
    tokens: dict[str, int]


class Answer(Stamp, DifferentialOut):
    """The differential of one case."""

    seconds: float


class CaseOut(BaseModel):
    """A case of a list: its differential, or the reason why there is none."""

    index: int = Field(description="Position in the request, from 0.")
    case_id: str
    differential: DifferentialOut | None
    reason: str | None
    faults: list[Fault] = []


class Answers(Stamp):
    """As many answers as cases, in their order."""

    answers: list[CaseOut]
    answered: int
    seconds: float


class StartLine(Stamp):
    """The first line of a stream."""

    event: Literal["start"] = "start"
    cases: int


class CaseLine(Stamp, CaseOut):
    """A case, as soon as it and all before it are ready."""

    event: Literal["case"] = "case"


class ProgressLine(BaseModel):
    """How far it is; also when nothing happened for a while."""

    event: Literal["progress"] = "progress"
    done: int
    cases: int
    waiting: int = Field(description="Cases in line, those of other requests included.")
    seconds: float


class EndLine(Stamp):
    """The last line. A stream without it was cut off."""

    event: Literal["end"] = "end"
    cases: int
    answered: int
    seconds: float


Line = Annotated[StartLine | CaseLine | ProgressLine | EndLine, Field(discriminator="event")]


class Health(Stamp):
    """Whether the service takes cases, and how busy it is."""

    ready: bool
    waiting: int
    max_waiting: int
    uptime_seconds: float
    versions: dict[str, str]
    hashes: dict[str, str]


class ModelOut(Stamp):
    """What answers here, and what it is for."""

    intended_use: str
    provenance: dict[str, Any] = Field(description="provenance_sha256 is the SHA-256 of this, see docs/service.md.")
    conditions: int = Field(description="Size of the vocabulary.")
    k: int = Field(description="Diagnoses on a list, at most.")
    format: str
    semantics: Semantics
    calibrator: dict[str, Any]
    limits: dict[str, float]
