"""What a session remembers: the review it is at."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import streamlit as st

from app.parts.engine import Answer
from ddx.case import Case
from ddx.differential import Differential
from ddx.explain.ask_next import Answers, Question
from ddx.explain.effects import Evidence
from ddx.review import Kept, Review, Struck, as_it_stood, kept_from

_KEY = "open_review"


@dataclass
class Open:
    """A review on the screen.

    `answer` is the model's, while it is waited for. `version` is what the store knows. `problem` says why the last
    change could not be saved. `seconds`: how long the model took. `evidence` and `questions` are kept once made.
    """

    review: Review
    prompt: str = ""
    version: int = 0
    answer: Answer | None = None
    differential: Differential | None = None
    seconds: float = 0.0
    problem: str = ""
    evidence: Evidence | None = None
    questions: list[Question] | None = None
    answers: dict[str, Answers] = field(default_factory=dict)

    @property
    def decided(self) -> bool:
        """Whether the clinician has confirmed a list."""
        return self.review.decision != "open"

    def change(self, **changes: Any) -> None:
        """Change the review."""
        self.review = replace(self.review, **changes)

    def show(self, differential: Differential, seconds: float) -> None:
        """The model's answer: the list to start from."""
        form = differential.to_dict()
        self.differential, self.seconds, self.answer = differential, seconds, None
        self.change(differential=form, kept=kept_from(form))

    @property
    def untouched(self) -> bool:
        """Whether the list is the model's own."""
        form = self.review.differential
        return form is not None and not self.review.struck and as_it_stood(form, self.review.kept)

    def move(self, at: int, by: int) -> None:
        """Put a line of the list elsewhere."""
        kept = list(self.review.kept)
        to = min(max(at + by, 0), len(kept) - 1)
        kept.insert(to, kept.pop(at))
        self.change(kept=tuple(kept))

    def strike(self, at: int) -> None:
        """Take a line off the list: one of the model's is kept among those struck, one that was added is gone."""
        line, rest = self.review.kept[at], (*self.review.kept[:at], *self.review.kept[at + 1 :])
        struck = self.review.struck
        if line.source == "model":
            struck = (*struck, Struck(line.name, "", line.key, line.icd10, line.confidence))
        self.change(kept=rest, struck=struck)

    def bring_back(self, at: int) -> None:
        """Put what was struck at the end of the list again."""
        line, struck = self.review.struck[at], self.review.struck
        back = Kept(line.name, "model", line.key, line.icd10, line.confidence)
        self.change(kept=(*self.review.kept, back), struck=(*struck[:at], *struck[at + 1 :]))

    def give_reason(self, at: int, reason: str) -> None:
        """Why a diagnosis was struck."""
        struck = list(self.review.struck)
        struck[at] = replace(struck[at], reason=reason)
        self.change(struck=tuple(struck))

    def add(self, line: Kept) -> None:
        """Put a diagnosis of the clinician's at the end, if it is not on the list."""
        if not any((line.key, line.name) == (k.key, k.name) for k in self.review.kept):
            self.change(kept=(*self.review.kept, line))


def begin(case: Case, reviewer: str, meta: Mapping[str, Any]) -> Open:
    """A new review of a case, the one that this session is at from now on."""
    opened = Open(Review(uuid.uuid4().hex, case, reviewer, meta=dict(meta)))
    st.session_state[_KEY] = opened
    return opened


def resume(opened: Open) -> None:
    """Make a stored review the one that this session is at."""
    st.session_state[_KEY] = opened


def forget() -> None:
    """Leave the review; what was saved stays in the store."""
    st.session_state.pop(_KEY, None)


def current(case: Case | None) -> Open | None:
    """The review of exactly this case; one of another case is left."""
    opened: Open | None = st.session_state.get(_KEY)
    if opened is not None and opened.review.case != case:
        forget()
        return None
    return opened


def result_json(opened: Open) -> str:
    """The model's answer as the JSON that `ddx predict --json` writes."""
    return json.dumps(opened.review.differential, indent=2, ensure_ascii=False)
