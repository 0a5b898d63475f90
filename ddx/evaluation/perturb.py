"""Changes to a case that should not change the answer, and one that should.

A twin is a case whose text is already written, so that what differs from the original is the named change and nothing
else: one seed words both, and a shuffled or removed finding takes its own words along. The same case, seed and name
always give the same twin. None: the change does not apply to this case.

- `repeat`: the same text again. Nothing may change, whatever other cases are answered beside it.
- `reorder`: findings in another order, the first complaint kept first. The same evidence, so the same list.
- `paraphrase`: other wordings of the same findings. The same list.
- `irrelevant`: a remark that no condition of the vocabulary depends on, at the end. The same list.
- `sex`: the other sex, where nothing stated depends on it (see `ONE_SEX`). Small changes at most.
- `typos`: about 2 % of the letters mistyped, never near a number. Small changes at most.
- `ablate`: the finding that speaks most for the patient's condition is gone. Its confidence must fall.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import log

from ddx.case import Case
from ddx.data.ddxplus import Patient
from ddx.vignette import Item, group, header, render, write_items

__all__ = ["ONE_SEX", "PERTURBATIONS", "Decisive", "ablate", "seeded"]

TYPO_RATE = 0.02
_TRIES = 20
# Findings that only women have in DDXPlus (0 of 52,161 men of the project's training split, 112 to 2,873 of 56,366
# women): hormone therapy, breastfeeding, early menarche, heavy periods, vaginal discharge, pregnancy. Any other finding
# with at least 50 patients, and every condition, is between 37 and 62 % female, the rates of the two sexes compared.
ONE_SEX = frozenset({"E_100", "E_11", "E_141", "E_145", "E_163", "E_167"})
# Sites that one sex has. DDXPlus gives them to both sexes, so its frequencies don't tell.
_SITES = frozenset(
    {"V_36", "V_94", "V_95", "V_96", "V_139", "V_140", "V_141", "V_146", "V_147", "V_155", "V_158", "V_168", "V_169",
     "V_186", "V_190"}
)  # fmt: skip
# Ours; true at any age, and about nothing that any of the 223 findings asks.
_REMARKS = (
    "Attached earlobes, as others in the family.",
    "Curly hair, as both parents.",
    "Dimple in the chin since birth.",
    "Green eyes.",
    "Hangnail on the right ring finger some time ago, healed.",
    "Left eyebrow a little higher than the right, always so.",
    "Paper cut on the right index finger some time ago, healed.",
    "Scratch on the right elbow some time ago, healed without a mark.",
    "Second toe longer than the big toe on both feet.",
    "Splinter taken out of the left thumb some time ago, healed.",
    "Torn nail of the left little finger some time ago, grown back.",
    "Widow's peak at the hairline, unchanged.",
)
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def seeded(name: str, case: Case, seed: int) -> random.Random:
    """The random numbers of one change to one case."""
    return random.Random(f"{name}|{case.case_id}|{seed}")


def repeat(case: Case, wording: int | None, rng: random.Random) -> Case | None:
    """The same text."""
    return _twin(case, render(case, seed=wording))


def reorder(case: Case, wording: int | None, rng: random.Random) -> Case | None:
    """Findings shuffled after the first; None with fewer than three."""
    first, *rest = _phrases(case, wording) or [""]
    if len(set(rest)) < 2:
        return None
    shuffled = rest
    while shuffled == rest:
        shuffled = rng.sample(rest, len(rest))
    return _twin(case, _written(case, [first, *shuffled]))


def paraphrase(case: Case, wording: int | None, rng: random.Random) -> Case | None:
    """Another wording seed; None where no other wording was found."""
    before = render(case, seed=wording)
    other = (render(case, seed=rng.getrandbits(31)) for _ in range(_TRIES))
    text = next((text for text in other if text != before), None)
    return None if text is None else _twin(case, text)


def irrelevant(case: Case, wording: int | None, rng: random.Random) -> Case | None:
    """One of the remarks after everything else."""
    return _twin(case, f"{render(case, seed=wording)} {rng.choice(_REMARKS)}")


def sex(case: Case, wording: int | None, rng: random.Random) -> Case | None:
    """The other sex; None where it is not stated, or a finding or site of one sex is (present or absent)."""
    bound = any(f.code in ONE_SEX or f.value in _SITES for f in case.findings)
    if case.sex is None or bound:
        return None
    return _twin(case, render(replace(case, sex="M" if case.sex == "F" else "F"), seed=wording))


def typos(case: Case, wording: int | None, rng: random.Random) -> Case | None:
    """2 % of the letters, and at least one: a neighbouring key instead or as well, a letter left out or doubled.

    Words that hold a digit are left alone.
    """
    text = list(render(case, seed=wording))
    words = [m for m in re.finditer(r"\S+", "".join(text)) if not re.search(r"\d", m.group())]
    letters = [i for m in words for i in range(*m.span()) if text[i].lower() in _NEIGHBOURS]
    if not letters:
        return None
    for i in rng.sample(letters, max(1, round(TYPO_RATE * len(letters)))):
        text[i] = _mistyped(text[i], rng)
    return _twin(case, "".join(text))


# Those that should not change the answer, in the order in which they are reported.
PERTURBATIONS: dict[str, Callable[[Case, int | None, random.Random], Case | None]] = {
    "repeat": repeat,
    "reorder": reorder,
    "paraphrase": paraphrase,
    "irrelevant": irrelevant,
    "sex": sex,
    "typos": typos,
}


class Decisive:
    """Which present finding speaks most for a condition, by its frequency among training patients.

    The log-likelihood ratio of a finding for a condition against all other patients, ln P(finding | condition) −
    ln P(finding | others), each rate smoothed by half a patient. Not the finding that the tabular classifier minds
    most: that would decide beforehand how the classifier fares in the comparison.
    """

    def __init__(self, patients: Sequence[Patient]) -> None:
        self._total = len(patients)
        self._with_condition = Counter(p.pathology for p in patients)
        self._with_finding = Counter(e for p in patients for e in set(p.evidences))
        self._with_both = Counter((p.pathology, e) for p in patients for e in set(p.evidences))

    def log_ratio(self, item: Item, pathology: str) -> float:
        """The log-likelihood ratio of a present item; of its most telling value, where it has several."""
        evidences = [f"{item.code}_@_{value}" for value in item.values] or [item.code]
        return max(self._log_ratio(evidence, pathology) for evidence in evidences)

    def of(self, case: Case, pathology: str) -> Item | None:
        """The decisive finding; None where no present finding speaks for the condition."""
        present = [item for item in group(case.findings) if item.present]
        best = max(present, key=lambda item: self.log_ratio(item, pathology), default=None)
        return best if best is not None and self.log_ratio(best, pathology) > 0 else None

    def _log_ratio(self, evidence: str, pathology: str) -> float:
        both, n = self._with_both[pathology, evidence], self._with_condition[pathology]
        others, m = self._with_finding[evidence] - both, self._total - n
        return log((both + 0.5) / (n + 1)) - log((others + 0.5) / (m + 1))


def ablate(case: Case, wording: int | None, item: Item) -> tuple[Case, Case] | None:
    """(the twin without the item, the same as findings for a classifier); None if nothing would be left to go by."""
    items, phrases = group(case.findings), _phrases(case, wording)
    kept = [phrase for one, phrase in zip(items, phrases, strict=True) if one != item]
    left = tuple(f for f in case.findings if not (f.code == item.code and group([f])[0].present == item.present))
    if not kept or not left:
        return None
    return _twin(case, _written(case, kept)), replace(case, findings=left)


def _phrases(case: Case, wording: int | None) -> list[str]:
    """The words of each item, in order: a note joins them by semicolons, which no wording contains."""
    (sentence,) = write_items(group(case.findings), case, "terse", wording) if case.findings else ("",)
    return sentence.removesuffix(".").split("; ") if sentence else []


def _written(case: Case, phrases: Sequence[str]) -> str:
    """The note that `render` would write with these words."""
    joined = "; ".join(phrases)
    return " ".join(part for part in (header(case), joined[0].upper() + joined[1:] + ".", case.text.strip()) if part)


def _twin(case: Case, text: str) -> Case:
    """A case that is read as this text, word for word."""
    return Case(case.case_id, text=text, meta=case.meta)


def _mistyped(letter: str, rng: random.Random) -> str:
    neighbour = rng.choice(_NEIGHBOURS[letter.lower()])
    typed = neighbour.upper() if letter.isupper() else neighbour
    return rng.choice((typed, "", letter * 2, typed + letter))


def _neighbours() -> dict[str, str]:
    """The letters around each letter of a QWERTY keyboard; the rows are half a key apart."""
    places = {(row, 2 * column + row): key for row, keys in enumerate(_KEYS) for column, key in enumerate(keys)}
    around = ((0, -2), (0, 2), (-1, -1), (-1, 1), (1, -1), (1, 1))
    return {key: "".join(places.get((row + r, at + c), "") for r, c in around) for (row, at), key in places.items()}


_NEIGHBOURS = _neighbours()
