"""The config of multi-answer reinforcement learning, and the arithmetic of its batches."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, model_validator

from ddx.data.stages import Stage
from ddx.differential import Semantics
from ddx.rewards import Objective, RewardOptions


class Hardware(BaseModel):
    """The machine that a recipe is made for: what `--dry-run` reckons with instead of this one."""

    model_config = ConfigDict(extra="forbid")

    processes: int = Field(1, ge=1, description="one a GPU")
    memory_gb: PositiveFloat = Field(80.0, description="of each")
    sharding: Literal["none", "zero2", "zero3", "fsdp"] = "none"


class RLConfig(BaseModel):
    """GRPO with LoRA by TRL, from a model folder that a warm start left (Puri et al. 2026, arXiv 2603.24844).

    A step generates `completions_per_step` completions, `group_size` for each prompt, and takes one optimiser step.
    """

    model_config = ConfigDict(extra="forbid")

    method: Literal["rl"] = "rl"
    start: Path | None = Field(None, description="a model folder (model.json), such as the run of a warm start")
    base: str | None = Field(None, description="instead of `start`: a base model as it is, told the format")
    format: Literal["lines", "tags"] = Field("lines", description="with `base`; a start model brings its own")
    think: bool = Field(True, description="with the tags: reasoning before the answer")
    warm_start: Path | None = Field(None, description="the config that makes `start` when it is not there yet")
    data: Path = Path("data/ddxplus")
    source: Path | None = Field(None, description="DDXPlus as published, to prepare `data` from when it is not there")
    out: Path = Path("runs/rl")
    seed: int = 0

    objective: Objective = "rlcr-multi"
    k: int | None = Field(
        None, ge=1, description="answers of a list; null: as the start model (a base: 3), 1 for *-single"
    )
    meaning: Semantics = "pathology"
    coverage_on: Literal["differential", "pathology"] = "differential"
    normalise: bool = False
    gold_weights: bool = False
    soft_brier: bool = False
    severity_weight: float = Field(1.0, ge=0)
    rank_gain: bool = False
    length_penalty: NonNegativeFloat = 0.0
    format_reward: NonNegativeFloat = 0.1

    steps: int = Field(150, ge=1)
    completions_per_step: int = Field(64, ge=2)
    group_size: int = Field(8, ge=2)
    micro_batch: int = Field(16, ge=1, description="completions in one forward and backward pass of a process")
    max_completion_tokens: int = Field(72, ge=4)
    stages: dict[Stage, PositiveFloat] = Field(
        {"initial": 0.25, "quarter": 0.25, "half": 0.25, "full": 0.25}, min_length=1,
        description="the mixture of evidence stages: weights",
    )  # fmt: skip
    curriculum: bool = Field(False, description="show full evidence first and the first finding alone last")
    learning_rate: PositiveFloat = 1e-5
    warmup_share: float = Field(0.05, ge=0, lt=1)
    beta: NonNegativeFloat = Field(0.0, description="weight of the KL term to the start; 0: none, as in Dr. GRPO")
    temperature: PositiveFloat = 1.0
    lora_r: int = Field(16, ge=1, description="of a fresh adapter; a start that has one goes on with its own")
    lora_alpha: int = Field(32, ge=1)
    full_finetune: bool = Field(False, description="train all weights instead of an adapter")

    planned_for: Hardware | None = None
    device: Literal["auto", "cpu", "gpu"] = "auto"
    generation: Literal["transformers", "vllm-colocate", "vllm-server"] = "transformers"
    vllm_url: str | None = None
    bf16: bool = Field(True, description="base and autocast in bfloat16 where the machine has it; adapter in float32")
    gradient_checkpointing: bool = False
    shared_prompts: bool = Field(
        True, description="with generation by transformers: compute each prompt once a step, not once a completion"
    )
    save_steps: int = Field(50, ge=1)
    samples_every: int = Field(10, ge=1, description="steps between sample completions in samples.jsonl")
    dev_cases: int = Field(400, ge=4, description="dev cases on which the best checkpoint is chosen")
    calibration_cases: int = Field(250, ge=0, description="patients a stage for the calibrator after training; 0: none")
    evaluate: str = Field(
        "standard", coerce_numbers_to_str=True, pattern=r"^(standard|release|none|[1-9]\d*)$",
        description="test sample after training: standard, release, a number of cases at each stage; none",
    )  # fmt: skip
    report_to: Literal["none", "tensorboard", "wandb"] = "tensorboard"

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.start is None) == (self.base is None):
            raise ValueError("give start (a model folder) or base (a base model), and not both")
        if self.completions_per_step % self.group_size:
            raise ValueError(
                f"completions_per_step {self.completions_per_step} is not a multiple of group_size {self.group_size}"
            )
        if self.completions_per_step % self.micro_batch:
            raise ValueError(
                f"completions_per_step {self.completions_per_step} is not a multiple of micro_batch {self.micro_batch}"
            )
        return self

    @property
    def prompts_per_step(self) -> int:
        """Different cases in one step."""
        return self.completions_per_step // self.group_size

    def reward_options(self, start_k: int) -> RewardOptions:
        """The reward, with K as written, else 1 for a single objective, else that of the start model."""
        k = self.k or (1 if self.objective.endswith("-single") else start_k)
        names = (
            "objective", "meaning", "coverage_on", "normalise", "gold_weights", "soft_brier", "severity_weight",
            "rank_gain", "length_penalty", "format_reward",
        )  # fmt: skip
        return RewardOptions(k=k, **{name: getattr(self, name) for name in names})
