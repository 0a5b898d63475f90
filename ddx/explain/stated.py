"""Which findings a case states, so that nothing is asked twice: coded ones, and those that its text has words for.

A finding counts as stated in a text when one of the project's wordings for it stands there, present or absent alike
("no fever" answers the question, too), whole words, whatever the letters' case and accents, a plural s or not. No
guess is made from words that mean nearly the same: "temperature 39.2" does not state fever, nor "short of breath"
significant shortness of breath. So a question may come up that the text has answered in words of its own; the reverse,
a question left out because its words stood there of something else ("mother has asthma"), is rarer, and possible.
"""

from __future__ import annotations

from functools import lru_cache

from ddx.case import Case
from ddx.vocabulary.findings import FindingDef, load_findings
from ddx.vocabulary.normalising import normalise

__all__ = ["stated_findings", "stated_in_text"]

# Words that open a wording and say nothing of the finding itself.
_OPENING = frozenset({
    "a", "an", "the", "no", "not", "any", "never", "is", "are", "was", "has", "have", "had", "been", "be", "to", "of",
    "does", "do", "did", "denies", "reports", "describes", "complains", "without", "with", "known", "from", "his",
    "her", "their", "feels", "feeling", "presenting", "presents", "noticed",
})  # fmt: skip
_SHORTEST = 4  # letters of a wording that is looked for: shorter ones (LOC, PD) are other things as often


def stated_findings(case: Case) -> frozenset[str]:
    """Codes of the findings that a case states, present or absent: coded, or in its text.

    What hangs together is stated together: a detail states its parent, and an absent parent its details.
    """
    known = load_findings()
    found = {f.code for f in case.findings} | stated_in_text(case.text)
    found |= {parent for code in found if code in known and (parent := known[code].parent)}
    absent = {f.code for f in case.findings if not f.present}
    return frozenset(found | {code for code, definition in known.items() if definition.parent in absent})


def stated_in_text(text: str) -> set[str]:
    """Codes of the findings that a text has words for.

    >>> found = stated_in_text("No fever. Nauseated since noon; a current smoker.")
    >>> sorted(load_findings()[code].name for code in found)
    ['current smoking', 'fever', 'nausea']
    """
    words = [_singular(word) for word in normalise(text).split()]
    wordings, longest = _wordings()
    found: set[str] = set()
    for start in range(len(words)):
        for end in range(start + 1, min(start + longest, len(words)) + 1):
            found |= wordings.get(" ".join(words[start:end]), frozenset())
    return found


@lru_cache(maxsize=1)
def _wordings() -> tuple[dict[str, frozenset[str]], int]:
    """What is looked for, and whose it is; and the number of words of the longest."""
    found: dict[str, set[str]] = {}
    for code, definition in load_findings().items():
        for wording in _phrases(definition):
            words = normalise(wording).split()
            while words and words[0] in _OPENING:
                words = words[1:]
            phrase = " ".join(map(_singular, words))
            if len(phrase) >= _SHORTEST:
                found.setdefault(phrase, set()).add(code)
    return {p: frozenset(codes) for p, codes in found.items()}, max(len(p.split()) for p in found)


def _phrases(definition: FindingDef) -> list[str]:
    """The wordings that need no value; a pronoun in one ("off {his} food") is left out with the wording."""
    every = [p for forms in definition.phrases.values() for phrases in forms.values() for p in phrases]
    return [definition.name, *(p for p in every if "{" not in p)]


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
