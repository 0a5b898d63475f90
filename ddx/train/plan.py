"""`ddx train --dry-run`: what a recipe will do and need, from its arithmetic, without loading any weights."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from ddx.errors import InputError
from ddx.train.processes import processes
from ddx.train.rl_config import RLConfig
from ddx.train.rl_start import base_folder, micro_batches, start_card

_GB = 1e9
_PROMPT_TOKENS = 160  # a DDXPlus patient with all findings, instructions included; the mean is nearer 120


@dataclass(frozen=True)
class Shape:
    """Sizes of a decoder, from its `config.json`."""

    layers: int
    width: int
    inner: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    tied: bool

    @property
    def parameters(self) -> int:
        """Weights of a Llama-like decoder, norms left out."""
        attention = self.width * self.head_dim * (2 * self.heads + 2 * self.kv_heads)
        embedding = self.vocabulary * self.width * (1 if self.tied else 2)
        return self.layers * (attention + 3 * self.width * self.inner) + embedding

    def lora(self, r: int) -> int:
        """Weights of an adapter of rank r on all linear maps of the layers."""
        q, kv = self.heads * self.head_dim, self.kv_heads * self.head_dim
        ends = [(self.width, q), (self.width, kv), (self.width, kv), (q, self.width)]
        ends += [(self.width, self.inner)] * 2 + [(self.inner, self.width)]
        return self.layers * r * sum(a + b for a, b in ends)


# Published sizes of the bases that recipes name, so that a dry run need not download them.
_KNOWN = {
    "Qwen/Qwen3-8B": Shape(36, 4096, 12288, 32, 8, 128, 151936, False),
    "Qwen/Qwen3-4B": Shape(36, 2560, 9728, 32, 8, 128, 151936, True),
    "m42-health/Llama3-Med42-8B": Shape(32, 4096, 14336, 32, 8, 128, 128256, False),
}


def shape_of(folder: str) -> Shape:
    """The sizes of a base, from its `config.json` or the published ones. Raises InputError when neither is at hand."""
    if folder in _KNOWN:
        return _KNOWN[folder]
    path = Path(folder) / "config.json"
    try:
        c = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise InputError(
            f"base model {folder!r} is not on this machine; fetch it first (a dry run downloads nothing)"
        ) from None
    heads = c["num_attention_heads"]
    return Shape(
        c["num_hidden_layers"], c["hidden_size"], c["intermediate_size"], heads,
        c.get("num_key_value_heads") or heads, c.get("head_dim") or c["hidden_size"] // heads,
        c["vocab_size"], bool(c.get("tie_word_embeddings", False)),
    )  # fmt: skip


def plan(config: RLConfig) -> list[str]:
    """The plan in words, a line each.

    Raises InputError when K is larger than the vocabulary, sizes do not divide, or the run can't fit into memory.
    """
    card = start_card(config)
    shape = shape_of(base_folder(config, card))
    hardware = config.planned_for
    world = hardware.processes if hardware else processes()
    accumulate = micro_batches(config, world)
    trained = shape.parameters if config.full_finetune else shape.lora(config.lora_r)
    width = 2 if config.bf16 and not config.full_finetune else 4
    sharding = hardware.sharding if hardware else "none"
    weights = shape.parameters * width / _GB / (world if sharding in ("zero3", "fsdp") else 1)
    # gradients and two Adam moments in float32; an adapter's own weights too
    states = trained * (12 if config.full_finetune else 16) / _GB / (world if sharding != "none" else 1)
    prompt = _PROMPT_TOKENS + config.max_completion_tokens
    kept = 2 if config.gradient_checkpointing else 34  # bytes a token, layer and unit of width (Korthikanti 2022)
    activations = config.micro_batch * prompt * (shape.layers * shape.width * kept + shape.vocabulary * 6) / _GB
    rows = config.completions_per_step // world if config.generation == "transformers" else 0
    cache = 2 * shape.layers * shape.kv_heads * shape.head_dim * width * rows * prompt / _GB
    engine = 0.3 * (hardware.memory_gb if hardware else 0.0) if config.generation == "vllm-colocate" else 0.0
    need = weights + states + max(activations, cache) + engine
    room, where = (hardware.memory_gb, "as planned for") if hardware else _memory()
    lines = [
        f"objective {config.objective}, K = {card['k']}, confidence means {config.meaning}, seed {config.seed}",
        f"base: {shape.parameters / 1e6:,.1f} M parameters, {trained / 1e6:,.2f} M of them trained"
        + ("" if not config.full_finetune else " (all)"),
        f"a step: {config.prompts_per_step} prompts x {config.group_size} = {config.completions_per_step} completions, "
        f"in {accumulate} micro-batches of {config.micro_batch} on {world} process(es)",
        f"the run: {config.steps:,} steps, {config.steps * config.prompts_per_step:,} cases, "
        f"{config.steps * config.completions_per_step:,} completions of at most {config.max_completion_tokens} tokens "
        f"(at most {config.steps * config.completions_per_step * config.max_completion_tokens / 1e6:,.1f} M)",
        f"memory a process, about: weights {weights:.2f} GB, gradients and optimiser {states:.2f} GB, "
        f"the larger of activations {activations:.2f} GB and key-value cache {cache:.2f} GB"
        + (f", vLLM {engine:.0f} GB" if engine else "")
        + f": {need:.1f} GB of {room:.1f} GB ({where}, sharding {sharding})",
        f"checkpoints: every {config.save_steps} steps, {trained * 12 / _GB:.2f} GB each",
    ]
    if need > room:
        raise InputError(
            f"this run needs about {need:.1f} GB a process and there are {room:.1f} GB ({where}); "
            "lower micro_batch or completions_per_step, or set gradient_checkpointing=true"
        )
    return lines


def _memory() -> tuple[float, str]:
    if torch.cuda.is_available():
        return torch.cuda.get_device_properties(0).total_memory / _GB, torch.cuda.get_device_name(0)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GB / processes(), "this machine's memory"
