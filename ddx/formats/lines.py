"""The `lines` format: one diagnosis a line, its probability in whole percent at the end.

It is ours, not the paper's: it spends far fewer tokens than the tags do, which a small model feels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ddx.errors import InputError
from ddx.formats.line import NEWLINE, is_finished, read_line
from ddx.formats.parsed import Answer, Parsed
from ddx.formats.reading import after_think, normal, status_of, tidy

__all__ = ["LinesFormat"]

MAX_LINES = 200  # lines with text; no list is longer, so the rest of a runaway output is not read


@dataclass(frozen=True)
class LinesFormat:
    """At most `k` lines such as "Pulmonary embolism 62": name, space, probability in whole percent."""

    k: int = 5
    name: ClassVar[str] = "lines"

    def __post_init__(self) -> None:
        if self.k < 1:
            raise InputError(f"format lines: k is {self.k}; it must be at least 1")

    def instructions(self) -> str:
        """One sentence of fewer than 30 words: it stands in every prompt."""
        if self.k == 1:
            return "Give the most likely diagnosis on one line, with its probability in percent."
        return (
            f"List the {self.k} most likely diagnoses, best first, one per line, each with its probability in percent."
        )

    def render(self, answers: Sequence[tuple[str, float]]) -> str:
        """The lines for 1 to k (name, confidence in [0, 1]) pairs; confidences are rounded to whole percent.

        Raises InputError for what could not be read back as written: two names that are the same, a name
        with a tag, without a letter or too long, a confidence outside [0, 1].
        """
        text = ""
        for name, confidence in answers:
            if not 0 <= confidence <= 1:
                raise InputError(f"format lines: confidence {confidence} of {name!r}; it must lie in [0, 1]")
            text += f"{tidy(name)} {round(100 * confidence)}\n"
        parsed = self.parse(text)
        if parsed.status != "ok" or [a.text for a in parsed.answers] != [tidy(name) for name, _ in answers]:
            why = "; ".join(parsed.repairs) or parsed.status
            names = [name for name, _ in answers]
            raise InputError(f"format lines: {names} cannot be written so that it reads back ({why}); change the names")
        return text

    def parse(self, text: str, truncated: bool = False) -> Parsed:
        """Read a generation; `truncated` says that it stopped at its token limit. Never raises on a string.

        Lines are read until there are k answers; what follows is left out. When truncated, a last line
        without its line end is dropped unless a percent sign closes it ("Covid 19" may be on its way to
        "Covid 19 40").
        """
        reasoning, body = after_think(text)
        if body is None:
            return Parsed((), "truncated", (), reasoning)
        repairs: dict[str, None] = {}  # an ordered set: each repair is named once
        lines = NEWLINE.split(body)
        if truncated and lines[-1].strip() and not is_finished(lines[-1]):
            lines.pop()
            repairs["unfinished last line removed"] = None
        filled = [i for i, line in enumerate(lines) if line and not line.isspace()]
        if filled and filled[-1] - filled[0] >= len(filled):  # blank lines around the list are no fault
            repairs["blank line removed"] = None
        answers: dict[str, Answer] = {}
        unreadable = False
        for read, i in enumerate(filled):
            if len(answers) == self.k or read == MAX_LINES:
                repairs["text after the last answer removed"] = None
                break
            line = read_line(lines[i])
            repairs.update(dict.fromkeys(line.repairs))
            if line.answer is None:
                unreadable |= line.unreadable
                continue
            key = normal(line.answer.text)
            if key in answers:
                repairs[f"duplicate removed: {line.answer.text}"] = None
                continue
            answers[key] = Answer(line.answer.text, line.answer.confidence, i)
            unreadable |= line.answer.confidence is None
        found = tuple(answers.values())
        return Parsed(found, status_of(len(found), unreadable, truncated, repairs), tuple(repairs), reasoning)
