"""The linear layers of the shipped model in one pass, packed for oneDNN against `torch.nn.Linear`, by rows.

python benchmarks/bench_packed.py
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from transformers import AutoConfig

from ddx.engines.base_models import SMOLLM2, resolve
from ddx.engines.packed import PackedLinear

ROUNDS = 8


def main() -> None:
    torch.manual_seed(0)
    plain = layers()
    packed = [PackedLinear(layer) for layer in plain]
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
    for rows in (1, 2, 5, 10, 48, 180, 1024):
        inputs = {size: torch.randn(rows, size) for size in {layer.in_features for layer in plain}}
        ratio, before, after = compared(plain, packed, inputs)
        print(f"{rows:5d} rows: plain {before * 1e3:7.1f} ms, packed {after * 1e3:7.1f} ms, {ratio:.2f} times as fast")


def layers() -> list[torch.nn.Linear]:
    """As many, and as large, as in the base model."""
    config = AutoConfig.from_pretrained(resolve(SMOLLM2))
    width, inner = config.hidden_size, config.intermediate_size
    kept = width * config.num_key_value_heads // config.num_attention_heads
    sizes = [
        (width, width),
        (width, kept),
        (width, kept),
        (width, width),
        (width, inner),
        (width, inner),
        (inner, width),
    ]
    sizes = [*sizes * config.num_hidden_layers, (width, config.vocab_size)]
    return [torch.nn.Linear(a, b, bias=False) for a, b in sizes]


@torch.inference_mode()
def compared(
    plain: list[torch.nn.Linear], packed: list[PackedLinear], inputs: dict[int, torch.Tensor]
) -> tuple[float, float, float]:
    """Ratio and both medians of seconds; the two take turns."""

    def run(chosen: list[torch.nn.Linear] | list[PackedLinear]) -> Callable[[], None]:
        def all_layers() -> None:
            for layer, like in zip(chosen, plain, strict=True):
                layer(inputs[like.in_features])

        return all_layers

    took: tuple[list[float], list[float]] = [], []
    for _ in range(ROUNDS):
        for seconds, act in zip(took, (run(plain), run(packed)), strict=True):
            began = time.perf_counter()
            act()
            seconds.append(time.perf_counter() - began)
    before, after = (sorted(seconds)[ROUNDS // 2] for seconds in took)
    return before / after, before, after


if __name__ == "__main__":
    main()
