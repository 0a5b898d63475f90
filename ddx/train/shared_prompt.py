"""GRPO steps in which each prompt is computed once: the completions of a group share theirs.

TRL repeats a prompt for every completion of its group, when it generates and again when it trains, and off a GPU its
chunked head scores the prompt's tokens too. Here the distinct prompts go through the model once, their keys and values
are handed to the rows of their groups, and only the completions' tokens are scored. Gradients flow through the shared
keys and values. The numbers are those of TRL up to rounding (a test compares them); everything else is TRL's trainer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import Cache, DynamicCache
from trl import GRPOTrainer

from ddx.engines.attention import buffered_cache

__all__ = ["SharedPromptTrainer", "completion_log_probs", "sample"]


class SharedPromptTrainer(GRPOTrainer):
    """TRL's trainer with two of its steps done on shared prompts: text only, generation by transformers."""

    def _generate_single_turn(
        self, prompt_ids: list[list[int]], *args: Any, **kwargs: Any
    ) -> tuple[list[list[int]], None]:
        model, limit = self.accelerator.unwrap_model(self.model_wrapped), self.max_completion_length
        if limit is None:
            raise ValueError("max_completion_length must be set")
        with self.accelerator.autocast():
            return sample(model, prompt_ids, limit, self.temperature, self.eos_token_ids), None

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, None]:
        with self.accelerator.autocast():
            found = completion_log_probs(model, input_ids, attention_mask, logits_to_keep, self.temperature)
        return found[0], found[1] if compute_entropy else None, None


def completion_log_probs(
    model: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, keep: int, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """(log-probabilities, entropies), both [rows, keep] in nats, of the last `keep` tokens of each row at this
    temperature. Prompts are padded on the left; the entropies carry no gradient."""
    prompts, completions = input_ids[:, :-keep], input_ids[:, -keep:]
    width = prompts.shape[1]
    distinct, which = torch.unique(torch.cat([prompts, attention_mask[:, :-keep]], 1), dim=0, return_inverse=True)
    cache = DynamicCache()
    logits = _forward(model, distinct[:, :width], distinct[:, width:], cache, keep=1)[which]
    if keep > 1:
        cache.batch_select_indices(which)
        # a truncated row is masked as a whole; its tokens must still see something, and its loss is left out
        seen = torch.cat([attention_mask[:, :-keep], torch.ones_like(completions[:, 1:])], 1)
        logits = torch.cat([logits, _forward(model, completions[:, :-1], seen, cache, keep=keep - 1)], 1)
    logits = logits.float() / temperature
    total = logits.logsumexp(-1)
    found = logits.gather(-1, completions[..., None])[..., 0] - total
    with torch.no_grad():
        entropy = torch.stack(
            [t - (row.softmax(-1) * row).sum(-1) for row, t in zip(logits.detach(), total.detach(), strict=True)]
        )
    return found, entropy


@torch.no_grad()
def sample(
    model: Any, prompts: Sequence[Sequence[int]], limit: int, temperature: float, ends: Sequence[int]
) -> list[list[int]]:
    """A completion of at most `limit` tokens for each prompt, drawn from the model at this temperature; each goes as
    far as its first end token, which is kept. A prompt that occurs again and again is read once."""
    distinct = list(dict.fromkeys(map(tuple, prompts)))
    device = next(model.parameters()).device
    which = torch.tensor([distinct.index(tuple(prompt)) for prompt in prompts], device=device)
    width = max(map(len, distinct))
    ids = torch.tensor([[0] * (width - len(p)) + list(p) for p in distinct], device=device)
    mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in distinct], device=device)
    read = DynamicCache()
    logits = _forward(model, ids, mask, read, keep=1)[which]
    read.batch_select_indices(which)
    cache = _roomy(read)
    mask = mask[which]
    stop = torch.tensor(list(ends), device=device)
    drawn: list[torch.Tensor] = []
    done = torch.zeros(len(which), dtype=torch.bool, device=device)
    while True:
        chances = (logits[:, -1].float() / temperature).softmax(-1)
        drawn.append(torch.multinomial(chances, 1)[:, 0])
        done |= torch.isin(drawn[-1], stop)
        if bool(done.all()) or len(drawn) == limit:
            break
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], 1)
        logits = _forward(model, drawn[-1][:, None], mask, cache, keep=1)
    rows = torch.stack(drawn, 1).tolist()
    return [_to_first_end(row, set(ends)) for row in rows]


def _forward(model: Any, ids: torch.Tensor, mask: torch.Tensor, cache: Cache, keep: int) -> torch.Tensor:
    """Logits [rows, keep, V] behind the last `keep` of these tokens, which follow what the cache holds."""
    positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -ids.shape[1] :]
    logits: torch.Tensor = model(
        input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True,
        logits_to_keep=keep,
    ).logits  # fmt: skip
    return logits


def _roomy(cache: Cache) -> Cache:
    """The same keys and values with room to grow, so that a token does not cost a copy of all."""
    grown = buffered_cache(len(cache.layers))
    for layer, before in zip(grown.layers, cache.layers, strict=True):
        layer.update(before.keys, before.values)
    return grown


def _to_first_end(row: list[int], ends: set[int]) -> list[int]:
    for place, token in enumerate(row):
        if token in ends:
            return row[: place + 1]
    return row
