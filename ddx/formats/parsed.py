"""What a format reads out of one generation."""

from dataclasses import dataclass, field

from ddx.differential import Status

__all__ = ["Answer", "Parsed"]


@dataclass(frozen=True)
class Answer:
    """One diagnosis as the model wrote it. `confidence` is in [0, 1]; None when missing or unreadable.

    `line` is the place of its line in the text (from 0), where a line is one diagnosis; else None.
    """

    text: str
    confidence: float | None
    line: int | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Parsed:
    """The answers of one generation, best first as written, at most k and no two of the same normalised text.

    status: `ok` (just what `render` writes), `repaired` (read in full after `repairs`), `partial` (an answer
    or a confidence is missing or unreadable), `truncated` (cut off, nothing else wrong), `empty` (no answer).
    `reasoning` is the text before the last `</think>`; it never yields an answer.
    """

    answers: tuple[Answer, ...]
    status: Status
    repairs: tuple[str, ...] = ()
    reasoning: str = ""
