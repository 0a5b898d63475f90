"""Whether to compute in bfloat16: where the machine has no instructions for it, it is emulated, and slow."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

from ddx.train.config import NanoConfig, SFTConfig
from ddx.train.processes import rank
from ddx.train.rl_config import RLConfig

__all__ = ["as_possible", "has_bfloat16"]

Config = TypeVar("Config", NanoConfig, SFTConfig, RLConfig)


def has_bfloat16(on_gpu: bool) -> bool:
    """Whether the GPU, or else the processor, multiplies bfloat16 matrices itself."""
    if on_gpu:
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return any("bf16" in name for name, there in torch.cpu.get_capabilities().items() if there is True)


def as_possible(config: Config, on_gpu: bool, say: Callable[[str], None]) -> Config:
    """The config with `bf16` as it can be had here; says so when float32 takes its place.

    On one core with AVX2 alone a product of 2,048 × 576 × 1,536 ran at 72 GFLOPS in float32, at 1 in emulated bfloat16.
    """
    if not config.bf16 or has_bfloat16(on_gpu):
        return config
    if rank() == 0:
        say("no bfloat16 instructions here: computing in float32")
    return config.model_copy(update={"bf16": False})
