"""Where in a case's text a quote stands: by its words first, else by a close look at the letters."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz import fuzz

__all__ = ["CLOSE", "Quote", "Span", "locate"]

Span = tuple[int, int]  # of the text: from the first character to after the last one
CLOSE = 90  # of 100: what a quote that differs in a few letters must score to count as found
_WORD = re.compile(r"[^\W_]+")
_SHORTEST_CLOSE = 8  # letters; below, one other word scores as well ("fever", "never")


@dataclass(frozen=True, slots=True)
class Quote:
    """A quote as its source gives it, and the span of the text where it stands (None: not found).

    `score` is 1 where the words are the same, at least 0.9 where the letters are close, 0 where it was not found.
    """

    text: str
    span: Span | None = None
    score: float = 0.0


def locate(quotes: Iterable[str], text: str) -> tuple[Quote, ...]:
    """Each quote with the first place in `text` that has its words; capitals, blanks and punctuation don't count.

    Where no place has them, the best one by letters counts if it scores `CLOSE` (rapidfuzz's partial ratio).

    >>> found = locate(["Pain, in the chest", "for two hour", "no fever"], "He has pain in the chest for two hours.")
    >>> [(quote.span, round(quote.score, 2)) for quote in found]
    [((7, 24), 1.0), ((25, 37), 1.0), (None, 0.0)]
    """
    plain, places = _plain(text)
    return tuple(_located(quote, plain, places) for quote in quotes)


def _located(quote: str, plain: str, places: list[int]) -> Quote:
    words = " ".join(_WORD.findall(quote)).casefold()
    at = f" {plain} ".find(f" {words} ") if words else -1
    if at >= 0:
        return Quote(quote, (places[at], places[at + len(words) - 1] + 1), 1.0)
    if _SHORTEST_CLOSE <= len(words) <= len(plain):
        near = fuzz.partial_ratio_alignment(words, plain, score_cutoff=CLOSE)
        if near is not None:
            return Quote(quote, (places[near.dest_start], places[near.dest_end - 1] + 1), near.score / 100)
    return Quote(quote)


@lru_cache(maxsize=8)  # a case's text is asked for once a diagnosis
def _plain(text: str) -> tuple[str, list[int]]:
    """The words of a text in lower case between single blanks, and for each character its place in the text."""
    words: list[str] = []
    places: list[int] = []
    for match in _WORD.finditer(text):
        word = match[0].casefold()
        words.append(word)
        if len(word) == len(match[0]):
            places += range(match.start(), match.end())
        else:  # a letter such as ß, which becomes two
            places += [place for place, c in enumerate(match[0], match.start()) for _ in c.casefold()]
        places.append(match.end())  # of the blank behind it
    return " ".join(words), places
