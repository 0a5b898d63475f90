"""A case as clinical prose: the text that a model reads.

Findings are written in the order in which they were learned, so that the text of an early stage is the
beginning of the text of a later one. The wording is drawn from the project's paraphrases by a seed, and the
same seed always gives the same text.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from ddx.case import Case, Finding
from ddx.vocabulary.findings import FindingDef, Register, load_findings

_PRONOUNS = {
    "F": ("she", "her", "her", "herself"),
    "M": ("he", "his", "him", "himself"),
    None: ("they", "their", "them", "themself"),
}


@dataclass(frozen=True)
class Item:
    """One finding with all its values (several pain sites are one item)."""

    code: str
    present: bool
    values: tuple[str, ...] = ()


def group(findings: Sequence[Finding]) -> list[Item]:
    """Findings with the same code and polarity become one item, at the place of the first.

    >>> group([Finding("E_55", True, "V_29"), Finding("E_91"), Finding("E_55", True, "V_101")])
    [Item(code='E_55', present=True, values=('V_29', 'V_101')), Item(code='E_91', present=True, values=())]
    """
    known = load_findings()
    items: dict[tuple[str, bool], list[str]] = {}
    for finding in findings:
        absent = (
            finding.value is not None and finding.code in known and known[finding.code].is_absent_value(finding.value)
        )
        values = items.setdefault((finding.code, finding.present and not absent), [])
        if finding.value is not None and not absent:
            values.append(finding.value)
    return [Item(code, present, tuple(values)) for (code, present), values in items.items()]


def render(case: Case, register: Register | None = None, seed: int | None = None) -> str:
    """The text for a case: header, findings in order, then the free text as it stands.

    `seed` picks the wording; without it the first paraphrase of each finding is used. `register` is "terse"
    (a note) or "narrative" (sentences); a note is the default.

    >>> render(Case("x", 58, "M", (Finding("E_201"), Finding("E_91", present=False))))
    '58-year-old man. Cough; no fever.'
    """
    parts = [header(case)] if header(case) else []
    items = group(case.findings)
    if items:
        parts.append(" ".join(write_items(items, case, register or "terse", seed)))
    if case.text.strip():
        parts.append(case.text.strip())
    return " ".join(parts)


def header(case: Case) -> str:
    """Age and sex as a clinician opens a note; empty when neither is stated."""
    noun = {"F": "woman", "M": "man", None: "patient"}[case.sex]
    if case.age is None:
        return {"F": "Woman.", "M": "Man.", None: ""}[case.sex]
    if case.age < 16:
        noun = {"F": "girl", "M": "boy", None: "child"}[case.sex]
    if case.age < 2 and case.age != int(case.age):
        return f"{round(case.age * 12)}-month-old {noun}."
    return f"{int(case.age)}-year-old {noun}."


def write_items(items: Sequence[Item], case: Case, register: Register, seed: int | None) -> list[str]:
    """Sentences for items, in order; a sentence never depends on the items of a later one."""
    rng = None if seed is None else random.Random(seed)
    known = load_findings()
    phrases = []
    for item in items:
        definition = known.get(item.code)
        phrases.append(_unknown(item) if definition is None else _phrase(definition, item, register, rng))
    if register == "terse":
        return [_sentence("; ".join(phrases))]
    pronoun = _PRONOUNS[case.sex]
    filled = [_fill(p, pronoun) for p in phrases]
    subject = "The patient" if case.sex is None else pronoun[0].capitalize()
    sentences, at = [], 0
    while at < len(filled):
        size = 2 if rng is None else rng.choice((1, 2, 2, 3))
        sentences.append(_sentence(f"{subject} {' and '.join(_with_commas(filled[at : at + size]))}"))
        at += size
    return sentences


def _phrase(definition: FindingDef, item: Item, register: Register, rng: random.Random | None) -> str:
    if item.present and definition.type != "flag" and not item.values and definition.type != "yesno":
        return definition.name if register == "terse" else f"reports {definition.name}"
    wordings = definition.wordings(register, item.present, item.values)
    return wordings[0] if rng is None else rng.choice(wordings)


def _unknown(item: Item) -> str:
    words = item.code.replace("_", " ") + (f" {', '.join(item.values)}" if item.values else "")
    return words if item.present else f"no {words}"


def _fill(phrase: str, pronoun: tuple[str, str, str, str]) -> str:
    for name, word in zip(("he", "his", "him", "himself"), pronoun, strict=True):
        phrase = phrase.replace("{" + name + "}", word)
    return phrase


def _with_commas(phrases: list[str]) -> list[str]:
    return [", ".join(phrases[:-1]), phrases[-1]] if len(phrases) > 2 else phrases


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."
