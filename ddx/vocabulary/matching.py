"""From a written diagnosis to a condition: exactly where possible, else by a cautious look at spelling."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rapidfuzz import fuzz, process

from ddx.vocabulary.conditions import Condition, Vocabulary
from ddx.vocabulary.normalising import normalise
from ddx.vocabulary.spelling import DISTINGUISHING, may_be_misspelt

__all__ = ["Match", "Matcher", "Method", "normalise"]

Method = Literal["name", "synonym", "icd10", "fuzzy", "unmatched"]

_THRESHOLD = 0.90
_MARGIN = 0.04
_SHORTEST_FUZZY = 5
_LONGEST_FUZZY = 120
_STRIPPED_SCORE = 0.95
_CACHE_SIZE = 1 << 16

_BRACKETS = (
    re.compile(r"(?P<rest>[^()\[\]]+)[(\[](?P<aside>[^()\[\]]*)[)\]]\W*"),
    re.compile(r"\W*[(\[](?P<aside>[^()\[\]]*)[)\]](?P<rest>[^()\[\]]+)"),
)
_QUALIFIERS = frozenset({"acute", "possible", "probable", "suspected", "likely"})
_NOT_ACUTE = frozenset({"chronic", "stable", "subacute"})
_CODE = re.compile(r"([A-Z]\d\d)\.?([0-9A-Z]{0,4})")


@dataclass(frozen=True, slots=True)
class Match:
    """What `text` was taken for, and how. `score` is 1 for an exact hit, 0 for none."""

    condition: Condition | None
    method: Method
    score: float
    text: str

    @property
    def identity(self) -> str:
        """Equal for two answers that are one: the condition's key, else "?" and the normalised text."""
        return "?" + normalise(self.text) if self.condition is None else self.condition.key


class Matcher:
    """Matches diagnoses to the conditions of a vocabulary. Safe to share, cached, and picklable.

    >>> from ddx.vocabulary.conditions import load_vocabulary
    >>> matcher = Matcher(load_vocabulary())
    >>> [matcher.match(text).identity for text in ("G.E.R.D.", "likely PE", "I26.9", "Hepatitis A")]
    ['gerd', 'pulmonary_embolism', 'pulmonary_embolism', '?hepatitis a']
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._exact: dict[str, tuple[Condition, Method]] = {}
        for condition in vocabulary:
            for label in condition.labels:
                method: Method = "synonym" if label in condition.synonyms else "name"
                self._exact.setdefault(normalise(label), (condition, method))
        self._spellings = [label for label in self._exact if len(label) >= _SHORTEST_FUZZY]
        self._joined = {label.replace(" ", ""): label for label in self._spellings}
        self._words = frozenset(word for label in self._exact for word in label.split())
        self._cached = lru_cache(maxsize=_CACHE_SIZE)(self._match)

    def __reduce__(self) -> tuple[type["Matcher"], tuple[Vocabulary]]:
        return Matcher, (self.vocabulary,)

    def match(self, text: str) -> Match:
        """The condition that `text` names.

        In this order: a name or synonym as normalised; the same without an aside in brackets or a
        leading "acute", "possible", "probable", "suspected", "likely"; an ICD-10 code at or below a
        condition's own; a misspelling (ratio of 0.90, 0.04 clear of every other condition, and no word
        changed that changes the meaning). Doubt is unmatched.
        """
        return self._cached(text)

    def _match(self, text: str) -> Match:
        plain = normalise(text)
        if hit := self._exact.get(plain):
            return Match(*hit, 1.0, text)
        if hit := self._exact_when_stripped(text):
            return Match(*hit, _STRIPPED_SCORE, text)
        if condition := self._by_code(text):
            return Match(condition, "icd10", 1.0, text)
        if found := self._by_spelling(plain):
            return Match(found[0], "fuzzy", found[1], text)
        return Match(None, "unmatched", 0.0, text)

    def _exact_when_stripped(self, text: str) -> tuple[Condition, Method] | None:
        for pattern in _BRACKETS:
            if parts := pattern.fullmatch(text):
                hit = self._without_qualifiers(normalise(parts["rest"]))
                return hit if hit and self._is_harmless(parts["aside"], hit[0]) else None
        return self._without_qualifiers(normalise(text))

    def _without_qualifiers(self, plain: str) -> tuple[Condition, Method] | None:
        words = plain.split()
        while True:
            if hit := self._exact.get(" ".join(words)):
                return hit
            if not words or words[0] not in _QUALIFIERS:
                return None
            if words[0] == "acute" and not _NOT_ACUTE.isdisjoint(words):
                return None
            del words[0]

    def _is_harmless(self, aside: str, condition: Condition) -> bool:
        """Whether an aside leaves the diagnosis as it is: names no other one, denies or divides nothing."""
        plain = normalise(aside)
        named = self._without_qualifiers(plain)
        other = named[0] if named else self._by_code(aside)
        if other is not None:
            return other is condition
        return DISTINGUISHING.isdisjoint(plain.split())

    def _by_code(self, text: str) -> Condition | None:
        """The one condition with the longest code that is a prefix of `text`, itself a code."""
        parts = _CODE.fullmatch(text.strip().upper())
        if parts is None:
            return None
        code = parts[1] + parts[2]
        held = [(c.icd10.replace(".", ""), c) for c in self.vocabulary if c.icd10]
        fitting = [(len(own), c) for own, c in held if code.startswith(own)]
        longest = max((length for length, _ in fitting), default=0)
        best = [c for length, c in fitting if length == longest]
        return best[0] if len(best) == 1 else None

    def _by_spelling(self, plain: str) -> tuple[Condition, float] | None:
        if not _SHORTEST_FUZZY <= len(plain.replace(" ", "")) <= _LONGEST_FUZZY:
            return None
        if label := self._joined.get(plain.replace(" ", "")):
            return self._exact[label][0], fuzz.ratio(plain, label) / 100
        near = self._near(plain)
        fitting = [
            (score, label)
            for label, score in near.items()
            if score >= 100 * _THRESHOLD and may_be_misspelt(plain, label, self._words)
        ]
        if not fitting:
            return None
        score, label = max(fitting)
        condition = self._exact[label][0]
        rival = max((s for other, s in near.items() if self._exact[other][0] is not condition), default=0.0)
        return (condition, score / 100) if score - rival >= 100 * _MARGIN else None

    def _near(self, plain: str) -> dict[str, float]:
        """The labels spelt like `plain`, in its order of words or in any, with their ratio out of 100."""
        near: dict[str, float] = {}
        cutoff = 100 * (_THRESHOLD - _MARGIN)
        for scorer in (fuzz.ratio, fuzz.token_sort_ratio):
            hits = process.extract(plain, self._spellings, scorer=scorer, score_cutoff=cutoff, limit=None)
            for label, score, _ in hits:
                near[label] = max(score, near.get(label, 0.0))
        return near
