"""Typed training configs: YAML plus `key=value` overrides; an unknown key is an error that names the nearest."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError, model_validator

from ddx.data.stages import Stage
from ddx.errors import InputError
from ddx.train.rl_config import RLConfig

Point = Stage | Literal["random"]


class TabularConfig(BaseModel):
    """The tabular classifier (`ddx.evaluation.tabular`): teacher of the warm start, and a line of every table."""

    model_config = ConfigDict(extra="forbid")

    method: Literal["tabular"] = "tabular"
    data: Path = Path("data/ddxplus")
    out: Path = Path("runs/tabular")
    epochs: int = Field(12, ge=4)
    hidden: int = Field(256, ge=8)
    seed: int = 0


class TeacherConfig(BaseModel):
    """The teacher of a warm start (`ddx.train.teacher`): naive Bayes and networks that correct it."""

    model_config = ConfigDict(extra="forbid")

    method: Literal["teacher"] = "teacher"
    data: Path = Path("data/ddxplus")
    membership: Path | None = Field(None, description="whose membership head it takes over; null: the shipped one's")
    out: Path = Path("runs/teacher")
    seed: int = 0
    cuts: int = Field(3, ge=0, description="random points of each interview, beside the four stages")
    networks: int = Field(2, ge=1, description="their logits are averaged")
    hidden: int = Field(256, ge=8)
    dropout: float = Field(0.3, ge=0, lt=1)
    epochs: int = Field(6, ge=1)
    batch: int = Field(1024, ge=1)
    learning_rate: PositiveFloat = 2e-3


class SFTConfig(BaseModel):
    """Supervised warm start with LoRA: a language model learns the format, the conditions and a teacher's
    confidence at every evidence stage (see `ddx.train.targets`)."""

    model_config = ConfigDict(extra="forbid")

    method: Literal["sft"] = "sft"
    base: str = "smollm2-135m"
    data: Path = Path("data/ddxplus")
    teacher: Path | None = Field(None, description="a tabular classifier; null: the shipped one")
    teaching: Path | None = Path("training/data")
    out: Path = Path("runs/sft")
    format: Literal["lines"] = "lines"
    k: int = Field(5, ge=1, le=10)
    seed: int = 0
    patients: int = Field(3000, ge=1, description="training patients drawn")
    more_of: dict[str, PositiveFloat] = Field(
        {}, description="weight in that draw by condition key; 1 where none is given"
    )
    adapter: Path | None = Field(None, description="go on from this adapter of the same base; null: a fresh one")
    warm_start: Path | None = Field(None, description="the config that makes `adapter` when it is not there yet")
    cuts: int = Field(2, ge=1, le=8, description="presentations of each patient (fewer where points coincide)")
    points: dict[Point, PositiveFloat] = Field(
        {"initial": 0.06, "quarter": 0.43, "half": 0.28, "full": 0.18, "random": 0.05}, min_length=1,
        description="where in the interview a presentation is taken: weights. The first finding teaches little",
    )  # fmt: skip
    lines: dict[PositiveInt, PositiveFloat] = Field(
        {1: 0.7, 2: 0.15, 5: 0.15},
        description="how many lines of an answer are taught: weights. The first says most and costs least",
    )
    dense: bool = Field(
        False, description="in terse texts at earlier points too, the first token of the answer, for seven tokens each"
    )
    narrative_share: float = Field(0.25, ge=0, le=1)
    teaching_epochs: float = Field(3.0, ge=0)
    soft_names: float = Field(0.5, ge=0, lt=1, description="weight of the teacher's whole posterior at each name")
    lora_r: int = Field(16, ge=1)
    lora_alpha: int = Field(32, ge=1)
    lora_first_layer: int = Field(8, ge=0, description="layers below stay as they are and need no backward pass")
    learning_rate: float = Field(1e-3, gt=0)
    warmup_share: float = Field(0.03, ge=0, lt=1)
    tokens_per_pack: int = Field(640, ge=64)
    packs_per_step: int = Field(2, ge=1)
    negatives: int = Field(3000, ge=0, description="random vocabulary tokens in each softmax; 0: the whole vocabulary")
    save_steps: int = Field(50, ge=1)
    bf16: bool = Field(True, description="base and autocast in bfloat16 where the machine has it; adapter in float32")
    compile: bool = True


class NanoConfig(BaseModel):
    """A small Llama with its own tokenizer, trained from nothing on texts of DDXPlus patients, each seen once."""

    model_config = ConfigDict(extra="forbid")

    method: Literal["nano"] = "nano"
    data: Path = Path("data/ddxplus")
    teacher: Path | None = Field(None, description="a tabular classifier; null: the shipped one")
    out: Path = Path("runs/nano")
    format: Literal["lines"] = "lines"
    k: int = Field(5, ge=1, le=10)
    seed: int = 0
    patients: int = Field(80000, ge=1, description="training patients drawn")
    cuts: int = Field(1, ge=1, le=8, description="presentations of each patient (fewer where points coincide)")
    points: dict[Point, PositiveFloat] = Field(
        {"initial": 0.15, "quarter": 0.25, "half": 0.25, "full": 0.25, "random": 0.1}, min_length=1,
        description="where in the interview a presentation is taken: weights",
    )  # fmt: skip
    narrative_share: float = Field(0.25, ge=0, le=1)
    single_share: float = Field(0.0, ge=0, le=1, description="texts that ask for one diagnosis instead of k")
    vocabulary: int = Field(3000, ge=300, le=65536, description="tokens of the tokenizer, the 256 bytes included")
    tokenizer_texts: int = Field(20000, ge=1, description="texts that the tokenizer is fitted on")
    layers: int = Field(6, ge=1)
    width: int = Field(256, ge=8)
    heads: int = Field(4, ge=1)
    answer_weight: PositiveFloat = Field(1.0, description="weight of an answer's token in the loss; 1 elsewhere")
    learning_rate: float = Field(2e-3, gt=0)
    warmup_share: float = Field(0.05, ge=0, lt=1)
    weight_decay: float = Field(0.1, ge=0)
    tokens_per_batch: int = Field(2048, ge=64, description="padding included")
    batches_per_step: int = Field(2, ge=1, description="shared by the processes under torchrun")
    save_steps: int = Field(100, ge=1)
    bf16: bool = Field(True, description="autocast to bfloat16 where the machine has it; the weights stay in float32")
    compile: bool = True

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} is not a multiple of twice the heads ({self.heads})")
        return self

    @property
    def inner(self) -> int:
        """Width inside the feed-forward layers: 8/3 of the width, rounded up to a multiple of 16."""
        return -(-8 * self.width // 48) * 16


Config = SFTConfig | TabularConfig | TeacherConfig | RLConfig | NanoConfig
_METHODS: dict[str, type[SFTConfig | TabularConfig | TeacherConfig | RLConfig | NanoConfig]] = {
    "sft": SFTConfig,
    "rl": RLConfig,
    "tabular": TabularConfig,
    "teacher": TeacherConfig,
    "nano": NanoConfig,
}


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """Read a config; its `method` (sft by default) says which. Raises InputError with one line for an unknown
    key, a wrong value or a missing file."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file; give a YAML config such as those in training/configs") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected `key: value` lines")
    for override in overrides:
        key, separator, value = override.partition("=")
        if not separator:
            raise InputError(f"override {override!r}: write it as key=value")
        try:
            values[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise InputError(f"override {override!r}: the value is not valid YAML") from None
    method = values.get("method", "sft")
    if method not in _METHODS:
        raise InputError(f"{path}: method: {method!r} is not one of {', '.join(_METHODS)}")
    try:
        return _METHODS[method](**values)
    except ValidationError as error:
        raise InputError(f"{path}: {_reason(error.errors()[0], _METHODS[method])}") from None


def _reason(error: Any, config: type[BaseModel]) -> str:
    key = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, config.model_fields, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(config.model_fields)}"
        return f"unknown key {key!r}{hint}"
    if not key:  # a rule between several keys: it says what it found
        return str(error["msg"]).removeprefix("Value error, ")
    return f"{key}: {error['msg'].lower()} (got {error['input']!r})"
