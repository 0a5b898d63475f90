"""What a run came to: counts, confidences, tokens and time, for the screen and for the file beside the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ddx.differential import NOTICE
from ddx.scoring.journal import Entry

__all__ = ["BINS", "Summary", "histogram_line", "sidecar"]

BINS = 20  # of the first diagnosis's confidence, each 0.05 wide; 1 falls in the last
_MESSAGES = 5  # reasons kept for the screen; all of them stand in the table
_BARS = "▁▂▃▄▅▆▇█"


@dataclass
class Summary:
    """Counts of a run. `statuses` counts answered rows by status, `failed` the others by kind of fault.

    `asked` counts the rows that went to the model (the others share the answer of an earlier identical row), and
    `prompt_tokens` and `completion_tokens` are theirs. `confidences` [BINS] counts first diagnoses. `seconds` are
    those of all parts of a run that was gone on with `resumptions` times. After a stop `finished` is False, there
    is no table yet, and only `rows` (those that are kept), `seconds` and `resumptions` are known.
    """

    rows: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    messages: list[str] = field(default_factory=list)
    seconds: float = 0.0
    resumptions: int = 0
    asked: int = 0
    rescaled: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    confidences: list[int] = field(default_factory=lambda: [0] * BINS)
    finished: bool = True

    def add(self, entry: Entry) -> None:
        """Count one row."""
        self.rows += 1
        answer = entry.differential
        if answer is None:
            self.failed[entry.fault or "unknown"] += 1
            if len(self.messages) < _MESSAGES:
                self.messages.append(entry.status.removeprefix("error: "))
            return
        self.statuses[answer.status if answer.diagnoses else "empty"] += 1
        self.rescaled += answer.rescaled
        if answer.diagnoses:
            self.confidences[max(0, min(BINS - 1, int(answer.diagnoses[0].confidence * BINS)))] += 1
        if entry.same_as is None:
            self.asked += 1
            self.prompt_tokens += answer.prompt_tokens
            self.completion_tokens += answer.tokens

    @property
    def answered(self) -> int:
        """Rows with at least one diagnosis."""
        return self.statuses.total() - self.statuses["empty"]

    @property
    def seconds_per_case(self) -> float | None:
        """Seconds for one case that went through the model; None when none did."""
        return self.seconds / self.asked if self.asked else None

    def line(self) -> str:
        """The summary in one line."""
        parts = ", ".join(f"{name} {count}" for name, count in self.statuses.most_common())
        text = f"{self.rows} row{'s' if self.rows != 1 else ''}: {self.answered} answered"
        text += f" ({parts})" if parts else ""
        if self.failed:
            faults = ", ".join(f"{name} {count}" for name, count in self.failed.most_common())
            text += f"; {self.failed.total()} failed ({faults})"
        each = self.seconds_per_case
        return text + f"; {self.seconds:.1f} s" + (f", {each:.2f} s a case" if each is not None else "")

    def to_dict(self) -> dict[str, Any]:
        """Counts for the file beside the table: no text of any case."""
        each = self.seconds_per_case
        return {
            "rows": self.rows,
            "answered": self.answered,
            "statuses": {name: self.statuses[name] for name in sorted({*self.statuses, "ok", "repaired"})},
            "failed": self.failed.total(),
            "failed_by_kind": dict(sorted(self.failed.items())),
            "asked": self.asked,
            "shared": self.statuses.total() - self.asked,
            "rescaled": self.rescaled,
            "confidence_of_first": {"from": 0.0, "to": 1.0, "bins": BINS, "counts": self.confidences},
            "tokens": {"prompt": self.prompt_tokens, "completion": self.completion_tokens},
            "seconds": round(self.seconds, 3),
            "seconds_per_case": None if each is None else round(each, 4),
            "resumptions": self.resumptions,
        }


def histogram_line(counts: list[int]) -> str:
    """Counts as bars, the highest full, zero blank.

    >>> histogram_line([0, 1, 8, 4])
    ' ▁█▄'
    """
    top = max(counts, default=0)
    return "".join(" " if not n else _BARS[-(-n * len(_BARS) // top) - 1] for n in counts)


def sidecar(run: Mapping[str, Any], source: str, output: str, summary: Summary) -> dict[str, Any]:
    """The content of `<out>.summary.json`: what the run was (see `ddx.scoring.runner.provenance`), and its counts."""
    files = {"input": {"file": source, **run["input"]}, "output": output}
    return {**files, **{k: v for k, v in run.items() if k not in files}, **summary.to_dict(), "notice": NOTICE}
