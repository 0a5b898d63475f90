"""What a reinforcement-learning run starts from, and on what: model folder or base, adapter, processes, devices."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch

from ddx.engines.base_models import resolve
from ddx.errors import InputError
from ddx.provenance import base_of, read_model_card
from ddx.train.rl_config import RLConfig
from ddx.vocabulary import load_vocabulary


def check_possible(config: RLConfig) -> None:
    """Raise InputError for a recipe that can't run here, in one line that says what would."""
    gpu = torch.cuda.is_available()
    if config.device == "gpu" and not gpu:
        raise InputError("this recipe asks for a GPU (device: gpu) and there is none here; try device=cpu or --dry-run")
    if config.generation.startswith("vllm") and not gpu:
        raise InputError(
            f"generation: {config.generation} needs a CUDA build of vLLM and a GPU: on a CPU, vLLM can't take the "
            "weights of each step; set generation=transformers"
        )
    if importlib.util.find_spec(config.report_to) is None and config.report_to != "none":
        raise InputError(
            f"report_to: the package {config.report_to} is not installed; install it, or set report_to=none"
        )
    if config.generation == "vllm-server" and config.vllm_url is None:
        raise InputError("generation: vllm-server needs vllm_url, the address at which `trl vllm-serve` listens")


def start_card(config: RLConfig) -> dict[str, Any]:
    """The card of the start model, with K as the run will have it. Raises InputError for none, or K too large."""
    if config.start is None:
        card: dict[str, Any] = {"base": config.base, "format": config.format, "k": 3, "think": config.think}
    elif (config.start / "model.json").exists():
        card = dict(read_model_card(config.start))
    else:
        raise InputError(f"{config.start}: no model.json; `start` must be a model folder, such as that of a warm start")
    k = config.reward_options(card["k"]).k
    if k > (size := len(load_vocabulary())):
        raise InputError(f"k is {k}, but the vocabulary has {size} conditions; lower k")
    return {**card, "k": k}


def base_folder(config: RLConfig, card: dict[str, Any]) -> str:
    """The base of the start model as `from_pretrained` takes it."""
    return resolve(base_of(config.start, card) if config.start is not None else card["base"])


def start_adapter(config: RLConfig) -> Path | None:
    """The adapter of the start model, None when it has none."""
    adapter = config.start / "adapter" if config.start is not None else None
    return adapter if adapter is not None and adapter.exists() else None


def micro_batches(config: RLConfig, world: int) -> int:
    """Micro-batches of a step in each of `world` processes. Raises InputError when the step can't be shared so."""
    count, rest = divmod(config.completions_per_step, config.micro_batch * world)
    if rest or not count:
        raise InputError(
            f"completions_per_step {config.completions_per_step} is not a multiple of micro_batch {config.micro_batch} "
            f"times {world} processes"
        )
    return count
