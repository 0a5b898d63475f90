"""What an engine gives for one prompt. No torch here: any engine fills it, and anyone reads it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ALTERNATIVES", "Generation", "Token"]

ALTERNATIVES = 10  # likeliest tokens kept at each position: all ten digits where a number begins


@dataclass(frozen=True)
class Token:
    """One generated token: its text, its log-probability in nats, and the likeliest tokens of its position
    (itself among them when it was chosen greedily) as (text, log-probability), best first."""

    text: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Generation:
    """One completion. `seconds` is the time of its batch divided by the prompts in it, or of its own request;
    `tokens` says how sure the model was of each token, and is empty where that is not known.

    A server tells how many tokens it wrote and not which: then `token_ids` holds that many zeros. `error` says in a
    few words, without the case's own, why there is no completion; then `text` is "" and so is the rest.
    """

    text: str
    token_ids: tuple[int, ...]
    prompt_tokens: int
    truncated: bool
    seconds: float
    tokens: tuple[Token, ...] = ()
    error: str | None = None
