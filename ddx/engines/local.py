"""The engine in this process: transformers, greedy decoding, in batches, with checked drafts.

The LoRA adapter is merged into the base in float32 at load. Decoding keeps one cache for the batch; a
rejected draft token stays in it as a hole that the attention mask hides, so rows need not advance in step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.cache_utils import Cache

from ddx.engines.attention import GROUPED, buffered_cache
from ddx.engines.base_models import resolve
from ddx.engines.drafting import Draft
from ddx.errors import InputError
from ddx.generation import ALTERNATIVES, Generation, Token

Messages = list[dict[str, str]]
DRAFTED_ROWS = 4  # above, a step is bound by arithmetic, and checking drafts costs more than it saves


class _Choice(NamedTuple):
    """The likeliest tokens at one position, best first; the first one is taken."""

    ids: list[int]
    logprobs: list[float]


class TransformersEngine:
    """A causal language model by folder or hub name, with an optional LoRA adapter."""

    def __init__(self, base: str, adapter: Path | None = None, max_prompt_tokens: int = 1536) -> None:
        folder = resolve(base)
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder)
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation=GROUPED)
        except OSError as error:
            raise InputError(f"base model {base!r} cannot be loaded ({str(error).splitlines()[0]})") from None
        if adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = model.to(self.device).eval()
        self.max_prompt_tokens = max_prompt_tokens
        self._fixed: tuple[tuple[int, ...], Cache] | None = None
        self._texts: dict[int, str] = {}
        end = self.tokenizer.convert_tokens_to_ids("<|im_end|>")
        self.end = end if isinstance(end, int) and end != self.tokenizer.unk_token_id else self.tokenizer.eos_token_id

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens. Text can't forge a special token."""
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]

    def prompt_ids(self, chat: Messages) -> list[int]:
        """Token ids of a chat with its generation prompt.

        The content is tokenised apart from the template, so that `<|im_end|>` in a case stays text. A case too
        long for the prompt keeps its beginning and its end.
        """
        return [token for part in self._parts(chat) for token in part]

    def _parts(self, chat: Messages) -> list[list[int]]:
        """Template and content in turn: the last content, the case, is the last part but one."""
        marks = [f"\ue000{i}\ue001" for i in range(len(chat))]
        shell = [{**m, "content": mark} for m, mark in zip(chat, marks, strict=True)]
        rest = self.tokenizer.apply_chat_template(shell, tokenize=False, add_generation_prompt=True)
        parts: list[list[int]] = []
        for message, mark in zip(chat, marks, strict=True):
            before, _, rest = rest.partition(mark)
            parts.append(self.tokenizer(before, add_special_tokens=False)["input_ids"])
            parts.append(self._shortened(self.encode(message["content"])))
        return [*parts, self.tokenizer(rest, add_special_tokens=False)["input_ids"]]

    def generate(
        self,
        chats: Sequence[Messages],
        max_new_tokens: int,
        draft: Draft | None = None,
        batch_size: int = 24,
        on_done: Callable[[int], None] | None = None,
    ) -> list[Generation]:
        """Greedy completions, in the order of `chats`; batches hold prompts of similar length."""
        prompts = [self.prompt_ids(chat) for chat in chats]
        prefix = self._prefix(chats, prompts)
        order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
        out: list[Generation | None] = [None] * len(prompts)
        for start in range(0, len(order), batch_size):
            part = order[start : start + batch_size]
            began = time.perf_counter()
            rows = self._batch([prompts[i] for i in part], prefix, max_new_tokens, draft)
            each = (time.perf_counter() - began) / len(part)
            for i, choices in zip(part, rows, strict=True):
                ids = [choice.ids[0] for choice in choices]
                ended = bool(ids) and ids[-1] == self.end
                text = self.tokenizer.decode(ids[:-1] if ended else ids, clean_up_tokenization_spaces=False)
                tokens = tuple(self._token(choice) for choice in choices)
                out[i] = Generation(text, tuple(ids), len(prompts[i]), not ended, each, tokens)
            if on_done:
                on_done(len(part))
        return [g for g in out if g is not None]

    def _token(self, choice: _Choice) -> Token:
        texts = [self._text_of(token) for token in choice.ids]
        return Token(texts[0], choice.logprobs[0], tuple(zip(texts, choice.logprobs, strict=True)))

    def _text_of(self, token: int) -> str:
        """Text of a token standing alone; "" for the end of the answer."""
        if token not in self._texts:
            text = self.tokenizer.decode([token], clean_up_tokenization_spaces=False)
            self._texts[token] = "" if token == self.end else text
        return self._texts[token]

    def _prefix(self, chats: Sequence[Messages], prompts: list[list[int]]) -> Cache | None:
        """Keys and values of what stands before the case, if it is the same in all prompts; kept for the next call."""
        fixed = tuple(t for part in self._parts(chats[0])[:-2] for t in part) if chats else ()
        if not fixed or any(tuple(prompt[: len(fixed)]) != fixed for prompt in prompts):
            return None
        if self._fixed is None or self._fixed[0] != fixed:
            cache = buffered_cache(self.model.config.num_hidden_layers)
            ids = torch.tensor([fixed])
            with torch.inference_mode():
                self._forward(ids, torch.ones_like(ids), torch.arange(len(fixed))[None], cache, keep=1)
            self._fixed = fixed, cache
        return self._fixed[1]

    @torch.inference_mode()
    def _batch(
        self, prompts: list[list[int]], prefix: Cache | None, limit: int, draft: Draft | None
    ) -> list[list[_Choice]]:
        """Greedy choices after each prompt. `prefix` holds the beginning of all of them, computed before.

        Slots of the cache: the prefix, padding, the rest of the prompt, then what each step adds.
        """
        size, begun = len(prompts), prefix.get_seq_length() if prefix else 0
        if size > DRAFTED_ROWS:
            draft = None
        width = max(map(len, prompts)) - begun
        ids = torch.zeros(size, width, dtype=torch.long)
        fresh = torch.zeros(size, width, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) + begun :] = torch.tensor(prompt[begun:])
            fresh[row, width - len(prompt) + begun :] = 1
        cache = buffered_cache(self.model.config.num_hidden_layers, prefix, size)
        positions = (begun + fresh.cumsum(1) - 1).clamp(min=0)
        mask = torch.cat([torch.ones(size, begun, dtype=torch.long), fresh], 1)
        choice = self._forward(ids, mask, positions, cache, keep=1)
        chosen = [[choice[row][0]] for row in range(size)]
        generated = [[row[0].ids[0]] for row in chosen]
        while True:
            alive = [r for r in range(size) if generated[r][-1] != self.end and len(generated[r]) < limit]
            if not alive:
                return chosen
            drafts = [
                (draft(generated[r])[: limit - len(generated[r]) - 1] if draft and r in alive else [])
                for r in range(size)
            ]
            wide = 1 + max(map(len, drafts))
            ids = torch.zeros(size, wide, dtype=torch.long)
            fresh = torch.zeros(size, wide, dtype=torch.long)
            positions = torch.zeros(size, wide, dtype=torch.long)
            for row in range(size):
                tokens = [generated[row][-1], *drafts[row]]
                ids[row, : len(tokens)] = torch.tensor(tokens)
                fresh[row, : len(tokens)] = 1
                at = len(prompts[row]) + len(generated[row]) - 1
                positions[row] = torch.arange(at, at + wide)
            choice = self._forward(ids, torch.cat([mask, fresh], 1), positions, cache, keep=wide)
            for row in range(size):
                kept = 0
                if row in alive:
                    for guess in [*drafts[row], None]:
                        token = choice[row][kept].ids[0]
                        chosen[row].append(choice[row][kept])
                        generated[row].append(token)
                        kept += 1
                        if token != guess or token == self.end:
                            break
                fresh[row, kept:] = 0  # rejected drafts and padding become holes
            mask = torch.cat([mask, fresh], 1)

    def _forward(
        self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Cache, keep: int
    ) -> list[list[_Choice]]:
        """The likeliest tokens [rows][keep] after each of the last `keep` tokens."""
        logits = self.model(
            input_ids=ids.to(self.device),
            attention_mask=mask.to(self.device),
            position_ids=positions.to(self.device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=keep,
        ).logits.float()
        best, likeliest = logits.topk(min(ALTERNATIVES, logits.shape[-1]), dim=-1)
        best = best - logits.logsumexp(-1, keepdim=True)
        return [
            [_Choice(*position) for position in zip(*row, strict=True)]
            for row in zip(likeliest.tolist(), best.tolist(), strict=True)
        ]

    def _shortened(self, ids: list[int]) -> list[int]:
        if len(ids) <= self.max_prompt_tokens:
            return ids
        half = self.max_prompt_tokens // 2
        return ids[:half] + ids[-half:]
