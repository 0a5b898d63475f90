"""The engine in this process: transformers, greedy decoding, in batches, with checked drafts.

The LoRA adapter is merged into the base in float32 at load. Decoding keeps one cache for the batch; a
rejected draft token stays in it as a hole that the attention mask hides, so rows need not advance in step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import AutoModelForCausalLM
from transformers.cache_utils import Cache

from ddx.engines.attention import GROUPED, buffered_cache, joined_cache
from ddx.engines.base_models import resolve
from ddx.engines.chat import ChatTokens, Choice
from ddx.engines.drafting import Draft, like, line_drafter
from ddx.engines.engine import Messages
from ddx.engines.line_ends import LineEnds
from ddx.engines.memory import keep_freed_memory
from ddx.engines.packed import pack_linears
from ddx.errors import InputError
from ddx.generation import ALTERNATIVES, Generation

READ_TOKENS, READ_TOKENS_ELSEWHERE = 1024, 32768  # of prompts read together: on a CPU, on a GPU
CROWDED = 0.75  # share of rows still being written at which the others are thrown out of the cache
WORTH = 64  # tokens to be spared, for which what prompts begin with is computed apart
PADDED = 32  # padding of a row that costs less than another pass
DRAFTED = 48  # tokens of a step with drafts: beyond, checking them takes the time that it saves


class _Begun(NamedTuple):
    """Tokens that prompts begin with, a cache of one row with their keys and values, and what was answered to them."""

    tokens: tuple[int, ...]
    cache: Cache
    answer: tuple[int, ...] = ()


class TransformersEngine(ChatTokens):
    """A causal language model by folder or hub name, with an optional LoRA adapter."""

    name = "transformers"
    gives_probabilities = True
    counts: Mapping[str, int] = {}

    def __init__(self, base: str, adapter: Path | None = None, max_prompt_tokens: int = 1536) -> None:
        folder = resolve(base)
        try:
            super().__init__(folder, max_prompt_tokens)
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=GROUPED)
        except OSError as error:
            raise InputError(f"base model {base!r} cannot be loaded ({str(error).splitlines()[0]})") from None
        if adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        if self.device == "cpu":
            keep_freed_memory()
            pack_linears(model)
        self.model = model.to(self.device).eval()
        self._read_tokens = READ_TOKENS if self.device == "cpu" else READ_TOKENS_ELSEWHERE
        self._fixed: _Begun | None = None
        self._trunk: _Begun | None = None
        self.decoding = {"engine": self.name, "dtype": "float32", "device": self.device, "method": "greedy"}

    def line_draft(self, names: Sequence[str], lines: int) -> Draft | None:
        """See `ddx.engines.drafting.line_drafter`."""
        return line_drafter(self.encode, names, lines, self.end)

    def generate(
        self,
        chats: Sequence[Messages],
        max_new_tokens: int,
        draft: Draft | None = None,
        ends: LineEnds | None = None,
        batch_size: int = 24,
        on_done: Callable[[int], None] | None = None,
    ) -> list[Generation]:
        """Greedy completions, in the order of `chats`; batches hold prompts of similar length."""
        prompts = [self.prompt_ids(chat) for chat in chats]
        begun = self._begun(chats, prompts)
        if draft and begun and begun.answer and len(prompts) > 1:
            draft = like(begun.answer, draft, self.encode("a\n")[1])
        order = sorted(range(len(prompts)), key=lambda i: -_rest(prompts[i], begun))
        out: list[Generation | None] = [None] * len(prompts)
        for start in range(0, len(order), batch_size):
            part = order[start : start + batch_size]
            began = time.perf_counter()
            rows = self._batch([prompts[i] for i in part], begun, max_new_tokens, draft, ends)
            each = (time.perf_counter() - began) / len(part)
            for i, choices in zip(part, rows, strict=True):
                out[i] = self._generation(choices, len(prompts[i]), each)
            if on_done:
                on_done(len(part))
        return [g for g in out if g is not None]

    def _prefix(self, chats: Sequence[Messages], prompts: list[list[int]]) -> Cache | None:
        """Keys and values of what stands before the case, if it is the same in all prompts; kept for the next call."""
        fixed = tuple(t for part in self._parts(chats[0])[:-2] for t in part) if chats else ()
        if not fixed or any(tuple(prompt[: len(fixed)]) != fixed for prompt in prompts):
            return None
        if self._fixed is None or self._fixed.tokens != fixed:
            self._fixed = self._computed(fixed, None)
        return self._fixed.cache

    def _begun(self, chats: Sequence[Messages], prompts: list[list[int]]) -> _Begun | None:
        """What many prompts begin with: the fixed part, or the whole first prompt of this call or of one before.

        The variants of a case say what it says up to the place of their change; it is read once for all of them.
        """
        if self._prefix(chats, prompts) is None or self._fixed is None:
            return None
        fixed, first = self._fixed, tuple(prompts[0])
        spared = sum(_shared(first, prompt) - len(fixed.tokens) for prompt in prompts[1:])
        kept = sum(_shared(self._trunk.tokens, prompt) - len(fixed.tokens) for prompt in prompts) if self._trunk else 0
        if self._trunk is not None and kept >= max(spared, WORTH):
            return self._trunk
        self._trunk = self._computed(first, fixed) if spared >= WORTH else None
        return self._trunk or fixed

    @torch.inference_mode()
    def _computed(self, tokens: tuple[int, ...], start: _Begun | None) -> _Begun:
        """Keys and values of some tokens, which begin with those of `start`."""
        cache = buffered_cache(self.model.config.num_hidden_layers, start.cache if start else None)
        ids, before = torch.tensor([tokens]), len(start.tokens) if start else 0
        self._forward(ids[:, before:], torch.ones_like(ids), torch.arange(before, len(tokens))[None], cache, keep=1)
        return _Begun(tokens, cache)

    @torch.inference_mode()
    def _batch(
        self, prompts: list[list[int]], begun: _Begun | None, limit: int, draft: Draft | None, ends: LineEnds | None
    ) -> list[list[Choice]]:
        """Greedy choices after each prompt. `begun` holds beginnings that were computed before."""
        cache, mask, chosen = self._read(prompts, begun)
        if len(prompts) == 1 and begun:  # variants of it may be asked about next
            self._trunk = _Begun(tuple(prompts[0]), buffered_cache(self.model.config.num_hidden_layers, cache))
        held = list(range(len(prompts)))  # the prompt that each row of the cache belongs to
        while True:
            alive = [at for at, row in enumerate(held) if self._goes_on(chosen[row], limit)]
            if not alive:
                if len(prompts) == 1 and self._trunk:
                    self._trunk = self._trunk._replace(answer=tuple(choice.ids[0] for choice in chosen[0]))
                return chosen
            if len(alive) <= CROWDED * len(held):
                rows = torch.tensor(alive)
                cache.batch_select_indices(rows.to(self.device))
                mask, held = mask[rows], [held[at] for at in alive]
            mask = self._step(prompts, held, chosen, cache, mask, limit, draft, ends)

    def _goes_on(self, choices: list[Choice], limit: int) -> bool:
        return choices[-1].ids[0] != self.end and len(choices) < limit

    def _read(self, prompts: list[list[int]], start: _Begun | None) -> tuple[Cache, torch.Tensor, list[list[Choice]]]:
        """A cache with a row for each prompt, its mask [rows, slots], and the first choice of each.

        Prompts are read some at a time: those of a length pad each other little, and what a layer makes of them still
        fits in the processor's own cache. Slots: padding, what was computed before, padding, the rest of the prompt.
        """
        layers = self.model.config.num_hidden_layers
        caches, masks, chosen = [], [], []
        for part in _parts_of(prompts, self._read_tokens, start):
            begun = min(_shared(start.tokens, prompt) for prompt in part) if start else 0
            size, width = len(part), max(map(len, part)) - begun
            ids = torch.zeros(size, width, dtype=torch.long)
            fresh = torch.zeros(size, width, dtype=torch.long)
            for row, prompt in enumerate(part):
                ids[row, width - len(prompt) + begun :] = torch.tensor(prompt[begun:])
                fresh[row, width - len(prompt) + begun :] = 1
            caches.append(buffered_cache(layers, start.cache if start else None, size, begun))
            positions = (begun + fresh.cumsum(1) - 1).clamp(min=0)
            masks.append(torch.cat([torch.ones(size, begun, dtype=torch.long), fresh], 1))
            chosen += self._forward(ids, masks[-1], positions, caches[-1], keep=1)
        slots = max(mask.shape[1] for mask in masks)
        padded = [torch.nn.functional.pad(mask, (slots - mask.shape[1], 0)) for mask in masks]
        return joined_cache(caches), torch.cat(padded), chosen

    def _step(
        self, prompts: list[list[int]], held: list[int], chosen: list[list[Choice]], cache: Cache,
        mask: torch.Tensor, limit: int, draft: Draft | None, ends: LineEnds | None,
    ) -> torch.Tensor:  # fmt: skip
        """One pass over the rows of the cache: adds to `chosen` and gives the mask with the new slots."""
        going = [self._goes_on(chosen[row], limit) for row in held]
        written = [[c.ids[0] for c in chosen[row]] for row in held]
        drafts: list[list[int]] = [[] for _ in held]
        if draft:
            most = max(0, DRAFTED // len(held) - 1)
            for at, row in enumerate(held):
                if going[at]:
                    drafts[at] = draft(written[at])[: min(most, limit - len(chosen[row]) - 1)]
        size, wide = len(held), 1 + max(map(len, drafts))
        ids = torch.zeros(size, wide, dtype=torch.long)
        fresh = torch.zeros(size, wide, dtype=torch.long)
        positions = torch.zeros(size, wide, dtype=torch.long)
        for at, row in enumerate(held):
            tokens = [written[at][-1], *drafts[at]]
            ids[at, : len(tokens)] = torch.tensor(tokens)
            fresh[at, : len(tokens)] = 1
            begin = len(prompts[row]) + len(chosen[row]) - 1
            positions[at] = torch.arange(begin, begin + wide)
        form = ends and [
            [ends.allowed([*written[at], *drafts[at][:n]]) for n in range(1 + len(drafts[at]))] for at in range(size)
        ]
        choice = self._forward(ids, torch.cat([mask, fresh], 1), positions, cache, wide, form)
        for at, row in enumerate(held):
            kept = 0
            if going[at]:
                for guess in [*drafts[at], None]:
                    found = choice[at][kept]
                    chosen[row].append(found)
                    kept += 1
                    if found.ids[0] != guess or found.ids[0] == self.end:
                        break
            fresh[at, kept:] = 0  # rejected drafts and padding become holes
        return torch.cat([mask, fresh], 1)

    def _forward(
        self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Cache, keep: int,
        form: Sequence[Sequence[frozenset[int] | None]] | None = None,
    ) -> list[list[Choice]]:  # fmt: skip
        """The likeliest tokens [rows][keep] after each of the last `keep` tokens. `form`, for each row from its first
        token on: which of all tokens may be taken, None where any may."""
        logits = self.model(
            input_ids=ids.to(self.device),
            attention_mask=mask.to(self.device),
            position_ids=positions.to(self.device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=keep,
        ).logits.float()
        best, likeliest = logits.topk(min(ALTERNATIVES, logits.shape[-1]), dim=-1)
        total = logits.logsumexp(-1, keepdim=True)
        choices = [
            [Choice(*position) for position in zip(*row, strict=True)]
            for row in zip(likeliest.tolist(), (best - total).tolist(), strict=True)
        ]
        for row, allowed in enumerate(form or ()):
            for at, tokens in enumerate(allowed):
                if tokens is not None and choices[row][at].ids[0] not in tokens:
                    logprobs = logits[row, at] - total[row, at]
                    choices[row][at] = choices[row][at].led_by(*max((float(logprobs[t]), t) for t in tokens))
        return choices


def _shared(tokens: Sequence[int], prompt: Sequence[int]) -> int:
    """How many tokens a prompt has in common with the beginning of others, its own last one not counted.

    >>> _shared((5, 6, 7), (5, 6, 8, 9)), _shared((5, 6, 7), (5, 6, 7)), _shared((), (5,))
    (2, 2, 0)
    """
    most = min(len(tokens), len(prompt) - 1)
    return next((at for at in range(most) if tokens[at] != prompt[at]), most)


def _rest(prompt: Sequence[int], begun: _Begun | None) -> int:
    """Tokens that are still to be read."""
    return len(prompt) - (_shared(begun.tokens, prompt) if begun else 0)


def _parts_of(prompts: list[list[int]], tokens: int, begun: _Begun | None) -> list[list[list[int]]]:
    """Prompts in their order, as many together as make about so many tokens to read and pad each other little."""
    parts: list[list[list[int]]] = []
    longest = 0
    for prompt in prompts:
        rest = _rest(prompt, begun)
        if parts and longest - rest <= PADDED and max(longest, rest) * (len(parts[-1]) + 1) <= tokens:
            parts[-1].append(prompt)
            longest = max(longest, rest)
        else:
            parts.append([prompt])
            longest = rest
    return parts
