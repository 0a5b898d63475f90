"""Two things that decoding on a CPU spends its time on, done without copies: the cache and grouped heads.

transformers' `DynamicCache` copies all keys and values at every token, and its attention under a mask copies
them once more for each query head of a group. Results are the same up to rounding (a test compares them).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AttentionInterface
from transformers.cache_utils import Cache, DynamicLayer
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, AttentionMaskInterface

GROUPED = "ddx_grouped"
_ROOM = 128  # positions added when a buffer is full


class BufferedLayer(DynamicLayer):
    """Keys and values of one layer in a buffer with room to grow; `keys` and `values` are views of it."""

    _buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        old = self.get_seq_length()
        new = old + key_states.shape[-2]
        buffers = self._buffers
        if buffers is None or buffers[0].shape[-2] < new:
            shape = (*key_states.shape[:-2], new + _ROOM, key_states.shape[-1])
            grown = key_states.new_empty(shape), value_states.new_empty(shape)
            if buffers is not None:
                for buffer, before in zip(grown, buffers, strict=True):
                    buffer[..., :old, :] = before[..., :old, :]
            buffers = grown
        for buffer, states in zip(buffers, (key_states, value_states), strict=True):
            buffer[..., old:new, :] = states
        self._hold(*buffers, new)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows, in this order."""
        assert self._buffers is not None
        keys, values = self._buffers
        self._hold(keys[indices], values[indices], self.get_seq_length())

    def take(self, parts: Sequence[BufferedLayer]) -> None:
        """Take over the rows of all parts, aligned at their ends, with zeros before the shorter ones; empties them."""
        rows, width = sum(part.keys.shape[0] for part in parts), max(part.get_seq_length() for part in parts)
        first = parts[0].keys
        self.lazy_initialization(first, parts[0].values)
        shape = (rows, first.shape[1], width + _ROOM, first.shape[-1])
        keys, values = first.new_zeros(shape), first.new_zeros(shape)
        row = 0
        for part in parts:
            after, begin = row + part.keys.shape[0], width - part.get_seq_length()
            keys[row:after, :, begin:width] = part.keys
            values[row:after, :, begin:width] = part.values
            row = after
            part._buffers, part.keys, part.values = None, first.new_empty(0), first.new_empty(0)
        self._hold(keys, values, width)

    def _hold(self, keys: torch.Tensor, values: torch.Tensor, used: int) -> None:
        self._buffers = keys, values
        self.keys, self.values = keys[..., :used, :], values[..., :used, :]


def buffered_cache(layers: int, start: Cache | None = None, rows: int = 1, slots: int | None = None) -> Cache:
    """A cache for a model of so many layers: empty, or `rows` copies of a one-row cache `start`, or of its first
    `slots` positions."""
    cache = Cache(layers=[BufferedLayer() for _ in range(layers)])
    for layer, before in zip(cache.layers, start.layers if start else (), strict=False):
        begun = (states[..., :slots, :].expand(rows, -1, -1, -1) for states in (before.keys, before.values))
        layer.update(*begun)
    return cache


def joined_cache(parts: Sequence[Cache]) -> Cache:
    """One cache with the rows of all parts (see `BufferedLayer.take`); the parts are used up."""
    if len(parts) == 1:
        return parts[0]
    cache = buffered_cache(len(parts[0].layers))
    for layer, *layers in zip(cache.layers, *(part.layers for part in parts), strict=True):
        layer.take(layers)
    return cache


def grouped_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attention of query [B, H, Q, D] over key and value [B, H/g, S, D]: the g query heads of a group stand
    behind each other as g·Q queries, so that keys and values are used where they lie."""
    batch, heads, length, width = query.shape
    kept = key.shape[1]
    if attention_mask is None:  # without padding: causal, the queries are the last positions
        ones = torch.ones(length, key.shape[2], dtype=torch.bool, device=query.device)
        attention_mask = ones.tril(key.shape[2] - length)[None, None]
    grouped = query.reshape(batch, kept, heads // kept * length, width)
    mask = attention_mask.repeat(1, 1, heads // kept, 1)
    out = torch.nn.functional.scaled_dot_product_attention(grouped, key, value, attn_mask=mask, scale=scaling)
    return out.reshape(batch, heads, length, width).transpose(1, 2).contiguous(), None


AttentionInterface.register(GROUPED, grouped_attention)
AttentionMaskInterface.register(GROUPED, ALL_MASK_ATTENTION_FUNCTIONS["sdpa"])
