"""bfloat16 is used where the machine has it, and nowhere else."""

from __future__ import annotations

import pytest
import torch

from ddx.train.config import NanoConfig, SFTConfig
from ddx.train.precision import as_possible
from ddx.train.rl_config import RLConfig

CONFIGS = [NanoConfig(method="nano"), SFTConfig(method="sft"), RLConfig(start="runs/nano")]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.method)
@pytest.mark.parametrize(
    ("capabilities", "there"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False, "cpu_name": "some bf16 name"}, False),
        ({"avx512_bf16": True, "amx_bf16": False}, True),
        ({"amx_bf16": True}, True),
    ],
)
def test_a_processor_without_bfloat16_computes_in_float32(monkeypatch, config, capabilities, there):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    said: list[str] = []
    found = as_possible(config, False, said.append)
    assert config.bf16 and found.bf16 is there
    assert len(said) == (0 if there else 1)
    assert as_possible(found.model_copy(update={"bf16": False}), False, said.append).bf16 is False


def test_only_one_process_says_so(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    monkeypatch.setenv("RANK", "1")
    said: list[str] = []
    assert as_possible(CONFIGS[0], False, said.append).bf16 is False and not said
