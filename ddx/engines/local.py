"""The engine in this process: transformers, greedy decoding, in batches, with checked drafts.

The LoRA adapter is merged into the base in float32 at load. Decoding keeps one cache for the batch; a
rejected draft token stays in it as a hole that the attention mask hides, so rows need not advance in step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from ddx.engines.base_models import resolve
from ddx.engines.drafting import Draft
from ddx.errors import InputError

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Generation:
    """What one prompt gave. `seconds` is the time of its batch divided by the prompts in it."""

    text: str
    token_ids: tuple[int, ...]
    prompt_tokens: int
    truncated: bool
    seconds: float


class TransformersEngine:
    """A causal language model by folder or hub name, with an optional LoRA adapter."""

    def __init__(self, base: str, adapter: Path | None = None, max_prompt_tokens: int = 1536) -> None:
        folder = resolve(base)
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(folder)
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        except OSError as error:
            raise InputError(f"base model {base!r} cannot be loaded ({str(error).splitlines()[0]})") from None
        if adapter is not None:
            from peft import PeftModel

            model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.model = model.to(self.device).eval()
        self.max_prompt_tokens = max_prompt_tokens
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
        marks = [f"\ue000{i}\ue001" for i in range(len(chat))]
        shell = [{**m, "content": mark} for m, mark in zip(chat, marks, strict=True)]
        rest = self.tokenizer.apply_chat_template(shell, tokenize=False, add_generation_prompt=True)
        ids: list[int] = []
        for message, mark in zip(chat, marks, strict=True):
            before, _, rest = rest.partition(mark)
            ids += self.tokenizer(before, add_special_tokens=False)["input_ids"]
            ids += self._shortened(self.encode(message["content"]))
        return ids + self.tokenizer(rest, add_special_tokens=False)["input_ids"]

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
        order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
        out: list[Generation | None] = [None] * len(prompts)
        for start in range(0, len(order), batch_size):
            part = order[start : start + batch_size]
            began = time.perf_counter()
            rows = self._batch([prompts[i] for i in part], max_new_tokens, draft)
            each = (time.perf_counter() - began) / len(part)
            for i, ids in zip(part, rows, strict=True):
                ended = bool(ids) and ids[-1] == self.end
                text = self.tokenizer.decode(ids[:-1] if ended else ids, clean_up_tokenization_spaces=False)
                out[i] = Generation(text, tuple(ids), len(prompts[i]), not ended, each)
            if on_done:
                on_done(len(part))
        return [g for g in out if g is not None]

    @torch.inference_mode()
    def _batch(self, prompts: list[list[int]], limit: int, draft: Draft | None) -> list[list[int]]:
        size, width = len(prompts), max(map(len, prompts))
        ids = torch.zeros(size, width, dtype=torch.long)
        mask = torch.zeros(size, width, dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, width - len(prompt) :] = torch.tensor(prompt)
            mask[row, width - len(prompt) :] = 1
        cache = DynamicCache(config=self.model.config)
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        choice = self._forward(ids, mask, positions, cache, keep=1)
        generated: list[list[int]] = [[int(choice[row, 0])] for row in range(size)]
        while True:
            alive = [r for r in range(size) if generated[r][-1] != self.end and len(generated[r]) < limit]
            if not alive:
                return generated
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
                        token = int(choice[row, kept])
                        generated[row].append(token)
                        kept += 1
                        if token != guess or token == self.end:
                            break
                fresh[row, kept:] = 0  # rejected drafts and padding become holes
            mask = torch.cat([mask, fresh], 1)

    def _forward(
        self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: DynamicCache, keep: int
    ) -> torch.Tensor:
        """The model's greedy choice [rows, keep] after each of the last `keep` tokens."""
        logits = self.model(
            input_ids=ids.to(self.device),
            attention_mask=mask.to(self.device),
            position_ids=positions.to(self.device),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=keep,
        ).logits
        return logits.argmax(-1).cpu()

    def _shortened(self, ids: list[int]) -> list[int]:
        if len(ids) <= self.max_prompt_tokens:
            return ids
        half = self.max_prompt_tokens // 2
        return ids[:half] + ids[-half:]
