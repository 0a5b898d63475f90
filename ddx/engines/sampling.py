"""First lines drawn at random: what a model says when it is asked again and again for one answer.

A prompt is computed once and its keys and values are handed to all samples of the case, which are decoded together.
Cases are taken one by one, without padding, and every sample has random numbers of its own, fixed by the seed of its
case: what is drawn depends neither on the other cases nor on how many samples there are (up to near-ties of floats).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import torch
from transformers.cache_utils import Cache

from ddx.engines.attention import buffered_cache
from ddx.engines.local import Messages, TransformersEngine
from ddx.generation import Generation

__all__ = ["LONGEST", "SHORTEST", "sample_lines"]

LONGEST = 24  # tokens of a line; a longer one is cut off
SHORTEST = 4  # tokens of a line: a name, a space, a digit, the line end


def sample_lines(
    engine: TransformersEngine,
    chats: Sequence[Messages],
    seeds: Sequence[int],
    budgets: Sequence[int],
    on_done: Callable[[int], None] | None = None,
) -> list[list[Generation]]:
    """The first lines of independent answers at temperature 1 (top_p 1), for each chat as many as its budget holds.

    A sample stops behind its line end, which is in its text, or at the end of the answer. Samples are counted in the
    order of their random numbers until the next one no longer fits in `budget` tokens; the first one always counts,
    and there are at most budget // SHORTEST. So a case whose lines are long gets fewer of them.
    """
    prompts = [engine.prompt_ids(chat) for chat in chats]
    prefix = engine._prefix(chats, prompts)
    out: list[list[Generation]] = []
    for prompt, seed, budget in zip(prompts, seeds, budgets, strict=True):
        began = time.perf_counter()
        chances = torch.Generator().manual_seed(seed)
        draws = torch.rand(max(1, budget // SHORTEST), LONGEST, generator=chances, dtype=torch.float64)
        lines = _lines(engine, prompt, prefix, draws, budget)
        each = (time.perf_counter() - began) / len(lines)
        out.append([_generation(engine, line, len(prompt), each) for line in lines])
        if on_done:
            on_done(1)
    return out


@torch.inference_mode()
def _lines(
    engine: TransformersEngine, prompt: list[int], prefix: Cache | None, draws: torch.Tensor, budget: int
) -> list[list[int]]:
    """Tokens of the lines that fit in the budget. draws [rows, steps]: random numbers in [0, 1), one a token."""
    rows, steps = draws.shape
    layers, begun = engine.model.config.num_hidden_layers, prefix.get_seq_length() if prefix else 0
    read = buffered_cache(layers, prefix, 1)
    logits = _next(engine, [prompt[begun:]], read).expand(rows, -1)
    cache = buffered_cache(layers, read, rows)
    lines: list[list[int]] = [[] for _ in range(rows)]
    running = set(range(rows))
    for step in range(steps):
        chosen = _pick(logits, draws[:, step])
        for row in sorted(running):
            lines[row].append(chosen[row])
            if chosen[row] == engine.end or "\n" in engine._text_of(chosen[row]):
                running.discard(row)
        if not running.intersection(range(_fitting(lines, budget))):
            break
        logits = _next(engine, [[token] for token in chosen], cache)
    return lines[: _fitting(lines, budget)]


def _fitting(lines: Sequence[Sequence[int]], budget: int) -> int:
    """How many of the lines, in order, fit in so many tokens; at least one."""
    used = 0
    for count, line in enumerate(lines):
        used += len(line)
        if used > budget:
            return max(1, count)
    return len(lines)


def _next(engine: TransformersEngine, ids: list[list[int]], cache: Cache) -> torch.Tensor:
    """Logits [rows, V] behind these tokens, which follow what the cache holds."""
    begun, width = cache.get_seq_length(), len(ids[0])
    logits: torch.Tensor = engine.model(
        input_ids=torch.tensor(ids, device=engine.device),
        attention_mask=torch.ones(len(ids), begun + width, dtype=torch.long, device=engine.device),
        position_ids=torch.arange(begun, begun + width, device=engine.device).expand(len(ids), -1),
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits[:, -1]
    return logits


def _pick(logits: torch.Tensor, draws: torch.Tensor) -> list[int]:
    """One token a row from softmax(logits [rows, V]): where its cumulative probability passes the row's draw."""
    cumulative = logits.double().softmax(-1).cumsum(-1)
    passed = torch.searchsorted(cumulative, draws[:, None].to(logits.device) * cumulative[:, -1:], right=True)
    return passed[:, 0].clamp(max=logits.shape[-1] - 1).tolist()


def _generation(engine: TransformersEngine, line: list[int], prompt_tokens: int, seconds: float) -> Generation:
    ended = line[-1] == engine.end
    text = engine.tokenizer.decode(line[:-1] if ended else line, clean_up_tokenization_spaces=False)
    return Generation(text, tuple(line), prompt_tokens, not (ended or "\n" in text), seconds)
