"""Typed training configs: YAML plus `key=value` overrides; an unknown key is an error that names the nearest."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ddx.errors import InputError


class SFTConfig(BaseModel):
    """Supervised warm start with LoRA: a language model learns the format, the conditions and a teacher's
    confidence at every evidence stage (see `ddx.train.targets`)."""

    model_config = ConfigDict(extra="forbid")

    method: Literal["sft"] = "sft"
    base: str = "smollm2-135m"
    data: Path = Path("data/ddxplus")
    teaching: Path | None = Path("training/data")
    out: Path = Path("runs/sft")
    format: Literal["lines"] = "lines"
    k: int = Field(5, ge=1, le=10)
    seed: int = 0
    patients: int = Field(3000, ge=1, description="training patients drawn")
    cuts: int = Field(5, ge=1, le=8, description="presentations of each patient: the four stages and random points")
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
    compile: bool = True


def load_config(path: Path, overrides: Sequence[str] = ()) -> SFTConfig:
    """Read a config. Raises InputError with one line for an unknown key, a wrong value or a missing file."""
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not valid YAML ({str(error).splitlines()[0]})") from None
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected `key: value` lines")
    for override in overrides:
        key, separator, value = override.partition("=")
        if not separator:
            raise InputError(f"override {override!r}: write it as key=value")
        values[key] = yaml.safe_load(value)
    try:
        return SFTConfig(**values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(key, SFTConfig.model_fields, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known keys: {', '.join(SFTConfig.model_fields)}"
            raise InputError(f"{path}: unknown key {key!r}{hint}") from None
        raise InputError(f"{path}: {key}: {first['msg'].lower()} (got {first['input']!r})") from None
