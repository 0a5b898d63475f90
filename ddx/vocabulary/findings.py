"""The findings: the project's own clinical wording for the 223 DDXPlus evidences, read from YAML tables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

import yaml

Register = Literal["terse", "narrative"]
_TABLES = ("symptoms_a", "symptoms_b", "valued", "antecedents_a", "antecedents_b")
# DDXPlus values that say "nothing of the kind": read as an absent finding.
_NO_VALUE = {"V_123", "V_11", "V_10"}


@dataclass(frozen=True)
class FindingDef:
    """One DDXPlus evidence and how it is worded.

    `type` is `flag` (present or absent), `sites`, `words`, `scale` (0 to 10), `yesno` or `region`.
    `parent` is the finding whose detail this is (pain, rash, swelling). `phrases[present][register]` holds
    at least three paraphrases; a scale has them per band in `bands`.
    """

    code: str
    name: str
    kind: Literal["symptom", "antecedent"]
    type: str
    parent: str | None
    values: dict[str, str]
    phrases: dict[bool, dict[str, tuple[str, ...]]]
    bands: tuple[tuple[int, dict[str, tuple[str, ...]]], ...]

    def is_absent_value(self, value: str) -> bool:
        """Whether a DDXPlus value means that the finding is absent (its default)."""
        return value in _NO_VALUE

    def wordings(self, register: Register, present: bool, values: tuple[str, ...] = ()) -> tuple[str, ...]:
        """All paraphrases of this finding, filled in with its values."""
        if self.type == "scale" and present:
            level = int(values[0]) if values else 0
            phrases = next(words for top, words in self.bands if level <= top)[register]
            return tuple(p.replace("{value}", str(level)) for p in phrases)
        joined = _join([self.values.get(v, v) for v in values])
        return tuple(p.replace("{value}", joined) for p in self.phrases[present][register])


@lru_cache(maxsize=1)
def load_findings() -> dict[str, FindingDef]:
    """All 223 findings by DDXPlus code."""
    found: dict[str, FindingDef] = {}
    for table in _TABLES:
        text = files("ddx.vocabulary").joinpath("tables", f"{table}.yaml").read_text(encoding="utf-8")
        rows: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        shared = rows.pop("values", {})
        for code, row in rows.items():
            found[code] = _definition(code, row, shared)
    return found


@lru_cache(maxsize=1)
def related_findings() -> dict[str, tuple[str, ...]]:
    """For each finding, the findings that DDXPlus lists for any condition that also lists it.

    These are what an interviewer who has heard the first would ask about; used to choose which absent
    findings a case states, without looking at the pathology.
    """
    text = files("ddx.vocabulary").joinpath("tables", "condition_findings.csv").read_text(encoding="utf-8")
    groups = [line.split(",")[1].split() for line in text.strip().splitlines()[1:]]
    related: dict[str, set[str]] = {}
    for group in groups:
        for code in group:
            related.setdefault(code, set()).update(group)
    return {code: tuple(sorted(others - {code})) for code, others in related.items()}


def _definition(code: str, row: dict[str, Any], shared: dict[str, dict[str, str]]) -> FindingDef:
    def phrases(part: dict[str, Any]) -> dict[str, tuple[str, ...]]:
        return {register: tuple(part[register]) for register in ("terse", "narrative")}

    absent = phrases(row["absent"]) if "absent" in row else {}
    return FindingDef(
        code=code,
        name=row["name"],
        kind=row["kind"],
        type=row.get("type", "flag"),
        parent=row.get("parent"),
        values=shared.get(row.get("values", ""), {}),
        phrases={True: phrases(row["present"]) if "present" in row else {}, False: absent},
        bands=tuple((int(b["max"]), phrases(b)) for b in row.get("bands", ())),
    )


def _join(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
