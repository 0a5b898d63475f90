"""The token side of an engine in this process: a chat as token ids, and token ids as a generation.

One way for all of them: what a case says is tokenised apart from the template, so that it can't forge a special
token in any engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from transformers import AutoTokenizer

from ddx.engines.engine import Messages
from ddx.engines.line_ends import LineEnds, line_ends
from ddx.generation import Generation, Token

__all__ = ["Choice", "ChatTokens"]


class Choice(NamedTuple):
    """The likeliest tokens at one position, best first, behind the one that is taken: mostly the best itself."""

    ids: list[int]
    logprobs: list[float]

    def led_by(self, logprob: float, token: int) -> Choice:
        """The same tokens behind another one, which is taken.

        >>> Choice([7, 8, 9], [-0.1, -3.0, -4.0]).led_by(-3.0, 8)
        Choice(ids=[8, 7, 9], logprobs=[-3.0, -0.1, -4.0])
        >>> Choice([7, 8, 9], [-0.1, -3.0, -4.0]).led_by(-9.0, 5)
        Choice(ids=[5, 7, 8], logprobs=[-9.0, -0.1, -3.0])
        """
        rest = [(i, p) for i, p in zip(self.ids, self.logprobs, strict=True) if i != token][: len(self.ids) - 1]
        return Choice([token, *(i for i, _ in rest)], [logprob, *(p for _, p in rest)])


class ChatTokens:
    """The tokenizer of a model folder; `end` is the token that ends an answer.

    A case longer than `max_prompt_tokens` keeps its beginning and its end.
    """

    def __init__(self, folder: str, max_prompt_tokens: int) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.max_prompt_tokens = max_prompt_tokens
        self._texts: dict[int, str] = {}
        end = self.tokenizer.convert_tokens_to_ids("<|im_end|>")
        chatml = isinstance(end, int) and end != self.tokenizer.unk_token_id
        self.end: int = end if chatml else self.tokenizer.eos_token_id

    def encode(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens. Text can't forge a special token."""
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]

    def line_ends(self, names: Sequence[str]) -> LineEnds | None:
        """See `ddx.engines.line_ends`."""
        return line_ends(self.encode, names, self.end)

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

    def _shortened(self, ids: list[int]) -> list[int]:
        if len(ids) <= self.max_prompt_tokens:
            return ids
        half = self.max_prompt_tokens // 2
        return ids[:half] + ids[-half:]

    def _generation(self, choices: Sequence[Choice], prompt_tokens: int, seconds: float) -> Generation:
        ids = [choice.ids[0] for choice in choices]
        ended = bool(ids) and ids[-1] == self.end
        text = self.tokenizer.decode(ids[:-1] if ended else ids, clean_up_tokenization_spaces=False)
        tokens = tuple(self._token(choice) for choice in choices)
        return Generation(text, tuple(ids), prompt_tokens, not ended, seconds, tokens)

    def _token(self, choice: Choice) -> Token:
        texts = [self._text_of(token) for token in choice.ids]
        return Token(texts[0], choice.logprobs[0], tuple(zip(texts, choice.logprobs, strict=True)))

    def _text_of(self, token: int) -> str:
        """Text of a token standing alone; "" for the end of the answer."""
        if token not in self._texts:
            text = self.tokenizer.decode([token], clean_up_tokenization_spaces=False)
            self._texts[token] = "" if token == self.end else text
        return self._texts[token]
