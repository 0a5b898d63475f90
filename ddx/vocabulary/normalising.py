"""Text as it is compared: one rule for names, synonyms and the diagnoses a model writes."""

import re
import unicodedata

__all__ = ["normalise"]

_QUOTES = dict.fromkeys(map(ord, "\u2018\u2019\u201b\u02bc\u2032\u00b4`\uff07"), "'")
_LETTERS = str.maketrans({"\u0153": "oe", "\u00e6": "ae", "\u00f8": "o", "\u0142": "l", "\u0111": "d", "\u0131": "i"})
_ABBREVIATION = re.compile(r"(?<![^\W_])(?:[^\W\d_]\.)+(?:[^\W\d_](?![^\W_]))?")
_POSSESSIVE = re.compile(r"'s(?![^\W_])")
_NOT_A_WORD = re.compile(r"[\W_]+")


def _fold(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def normalise(text: str) -> str:
    """`text` in lower case, Latin accents folded to ASCII, punctuation as single spaces.

    Dots inside an abbreviation and apostrophes go; every word stays, "a" too. Letters without an
    ASCII form (other scripts) are kept, so that two such answers stay two answers.

    >>> normalise("G.E.R.D."), normalise("NSTEMI/STEMI"), normalise("Boerhaave's  syndrome")
    ('gerd', 'nstemi stemi', 'boerhaave syndrome')
    >>> normalise("Hepatitis A"), normalise("Guillain-Barr\\u00e9")
    ('hepatitis a', 'guillain barre')
    """
    text = _fold(_fold(text.translate(_QUOTES)).casefold()).translate(_QUOTES).translate(_LETTERS)
    text = _ABBREVIATION.sub(lambda match: match[0].replace(".", ""), text)
    text = _POSSESSIVE.sub("", text).replace("'", "")
    return _NOT_A_WORD.sub(" ", text).strip()
