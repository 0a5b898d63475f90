"""What an engine is: chats in, generations out, in their order. Three of them, behind one small interface.

`transformers` runs in this process, `vllm` too; a URL is any server that speaks OpenAI's chat completions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ddx.engines.drafting import Draft
from ddx.engines.line_ends import LineEnds
from ddx.errors import InputError
from ddx.generation import Generation

__all__ = ["ENGINES", "Engine", "Messages", "load_engine"]

Messages = list[dict[str, str]]
ENGINES = ("transformers", "vllm")  # by name; a server goes by its URL


class Engine(Protocol):
    """Greedy completions of chats."""

    @property
    def name(self) -> str:
        """For the screen: "transformers", "vllm" or "server"."""

    @property
    def decoding(self) -> Mapping[str, Any]:
        """What an answer depends on besides the model, for the record of a run: no address, no path."""

    @property
    def gives_probabilities(self) -> bool:
        """Whether a generation has `tokens`, with the likeliest alternatives of each."""

    @property
    def counts(self) -> Mapping[str, int]:
        """What happened on the way, since the engine was made: requests and retries by kind; empty in process."""

    def line_draft(self, names: Sequence[str], lines: int) -> Draft | None:
        """A drafter for so many lines that begin with these names; None where the engine takes no drafts."""

    def line_ends(self, names: Sequence[str]) -> LineEnds | None:
        """The form of lines that begin with these names; None where the engine can't keep an answer to it."""

    def generate(
        self,
        chats: Sequence[Messages],
        max_new_tokens: int,
        draft: Draft | None = None,
        ends: LineEnds | None = None,
        batch_size: int = 24,
        on_done: Callable[[int], None] | None = None,
    ) -> list[Generation]:
        """One completion a chat, in the order of `chats`. `on_done` hears how many more are done.

        A chat that could not be answered, though others could, has a generation with `error`. `draft` and
        `batch_size` are hints: an engine that batches by itself ignores them. With `ends` a number ends its line.
        """


def load_engine(name: str, base: str, adapter: Path | None = None) -> Engine:
    """The engine of this name ("transformers", "vllm", or the URL of a server) for a base with its adapter.

    A server has its own model: it must be the same base and adapter, merged. Raises InputError for another name, and
    when the engine can't start, saying what to do.
    """
    if name == "transformers":
        from ddx.engines.local import TransformersEngine  # imports torch

        return TransformersEngine(base, adapter)
    if name == "vllm":
        from ddx.engines.vllm_engine import VllmEngine  # imports torch, and starts vLLM

        return VllmEngine(base, adapter)
    if name.startswith(("http://", "https://")):
        from ddx.engines.server import ServerEngine

        return ServerEngine(name)
    raise InputError(f"engine {name!r}: not one of {', '.join(ENGINES)}, nor a server's URL (http://127.0.0.1:8000/v1)")
