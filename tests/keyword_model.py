"""A small rule in place of the model, for what reading and writing do around it: same interface, exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from ddx.case import Case
from ddx.differential import Diagnosis, Differential
from ddx.vignette import render

INFO: dict[str, Any] = {"id": "keyword-rule", "versions": {}}
RULES = {
    "chest": [("Possible NSTEMI / STEMI", "I21", 1, 0.6), ("Pericarditis", "I30", 3, 0.2)],
    "wheez": [("Bronchospasm / acute asthma exacerbation", "J45", 3, 0.7)],
}


class KeywordModel:
    """Answers by keyword; `unreadable` gives no diagnosis, `breaks` raises as a faulty engine would."""

    def __init__(self) -> None:
        self.info: dict[str, Any] = dict(INFO)
        self.seen: list[Case] = []
        self.engine = SimpleNamespace(counts={})  # in this process: nothing to retry

    def predict(self, case: Case) -> Differential:
        return self.predict_many([case])[0]

    def predict_many(self, cases: Sequence[Case], on_done: Callable[[int], None] | None = None) -> list[Differential]:
        answers = [self._answer(case) for case in cases]
        self.seen += cases
        if on_done:
            on_done(len(cases))
        return answers

    def _answer(self, case: Case) -> Differential:
        text = render(case).lower()
        if "breaks" in text:
            raise RuntimeError(f"cannot answer {text}")
        if "unreadable" in text:
            return Differential(case.case_id, (), status="empty", model=self.info)
        rows = next((rows for word, rows in RULES.items() if word in text), [("Viral infection", None, None, 0.3)])
        diagnoses = tuple(
            Diagnosis(rank, name, confidence, key=code and name, icd10=code, severity=severity)
            for rank, (name, code, severity, confidence) in enumerate(rows, start=1)
        )
        return Differential(case.case_id, diagnoses, model=self.info)
