"""The `tags` format of the paper (Puri et al. 2026, arXiv 2603.24844): reasoning, then tagged answers.

`<think>…</think>`, then `<answer1>…</answer1><confidence1>0.62</confidence1>` and so on to k, pair by pair or
all answers before all confidences. With k = 1 the tags carry no number (the RLCR format, arXiv 2507.16806).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ddx.errors import InputError
from ddx.formats.elements import Elements, read_elements
from ddx.formats.parsed import Answer, Parsed
from ddx.formats.reading import after_think, normal, status_of, tidy

__all__ = ["TagsFormat"]


@dataclass(frozen=True)
class TagsFormat:
    """Exactly `k` tagged answers, each with a confidence from 0 to 1; `think` asks for reasoning first."""

    k: int = 3
    think: bool = True
    name: ClassVar[str] = "tags"

    def __post_init__(self) -> None:
        if not 1 <= self.k <= 99:
            raise InputError(f"format tags: k is {self.k}; it must be from 1 to 99")

    def _slot(self, number: int) -> str:
        return "" if self.k == 1 else str(number)

    def instructions(self) -> str:
        """The whole of the format, for the prompt."""
        start = "First reason step by step between <think> and </think>. Then give" if self.think else "Give"
        shape = "".join(
            f"\n<answer{s}>diagnosis</answer{s}><confidence{s}>probability</confidence{s}>"
            for s in map(self._slot, range(1, self.k + 1))
        )
        if self.k == 1:
            what = "the most likely diagnosis, with the probability from 0 to 1 that it is correct"
            rules = "Write only the name of the diagnosis between the answer tags"
        else:
            what = (
                f"the {self.k} most likely diagnoses, best first, all different,"
                " each with the probability from 0 to 1 that it is correct"
            )
            rules = "Write only the name of one diagnosis between a pair of answer tags"
        return (
            f"{start} {what}, in exactly this form:{shape}\n"
            f"{rules}, only a number such as 0.62 between the confidence tags, and nothing else"
            f"{' after </think>' if self.think else ''}."
        )

    def render(self, answers: Sequence[tuple[str, float]], reasoning: str = "") -> str:
        """The text for exactly k (name, confidence in [0, 1]) pairs; confidences are rounded to two decimals.

        Raises InputError for what could not be read back as written, as `LinesFormat.render` does.
        """
        text = f"<think>\n{reasoning}\n</think>\n" if self.think else ""
        if not self.think and reasoning:
            raise InputError("format tags: reasoning given, but think is off; leave one out")
        for number, (name, confidence) in enumerate(answers, start=1):
            if not 0 <= confidence <= 1:
                raise InputError(f"format tags: confidence {confidence} of {name!r}; it must lie in [0, 1]")
            s = self._slot(number)
            text += f"<answer{s}>{tidy(name)}</answer{s}><confidence{s}>{confidence:.2f}</confidence{s}>\n"
        parsed = self.parse(text)
        if parsed.status != "ok" or [a.text for a in parsed.answers] != [tidy(name) for name, _ in answers]:
            why = "; ".join(parsed.repairs) or parsed.status
            names = [name for name, _ in answers]
            raise InputError(f"format tags: {names} cannot be written so that it reads back ({why}); change the names")
        return text

    def parse(self, text: str, truncated: bool = False) -> Parsed:
        """Read a generation; `truncated` says that it stopped at its token limit. Never raises on a string.

        Fewer than k distinct answers is `partial` (or `truncated`, when the end is all that is missing).
        With `think`, a truncated text that closes no `<think>` is reasoning to its end: chat templates open
        the tag in the prompt, where the parser can't see it.
        """
        reasoning, body = after_think(text)
        if body is None:
            return Parsed((), "truncated", (), reasoning)
        repairs: dict[str, None] = {}
        if self.think and body == text:
            if truncated:
                return Parsed((), "truncated", (), text.strip())
            repairs["no reasoning block"] = None
        elements = read_elements(body, self.k, truncated)
        repairs.update(dict.fromkeys(elements.repairs))
        answers: dict[str, Answer] = {}
        for number in sorted(elements.answers):
            name = elements.answers[number]
            key = normal(name)
            if key in answers:
                repairs[f"duplicate removed: {name}"] = None
            else:
                answers[key] = Answer(name, elements.confidences.get(number))
        found = tuple(answers.values())
        lacking = elements.unreadable or self._lacking(elements, len(found), truncated)
        return Parsed(found, status_of(len(found), lacking, truncated, repairs), tuple(repairs), reasoning)

    def _lacking(self, elements: Elements, found: int, truncated: bool) -> bool:
        """Whether answers or confidences are missing for another reason than the cut at the end."""
        given = elements.answers
        if any(number not in given for number in elements.confidences):
            return True
        missing = [number for number in given if number not in elements.confidences]
        if not truncated:
            return bool(missing) or found < self.k
        gap = len(given) < max(given, default=0) or found < len(given)
        return gap or (bool(missing) and min(missing) < max(elements.confidences, default=0))
