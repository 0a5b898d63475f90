"""What both formats share: where the answer starts, how a number is read, how a name is tidied.

Every pattern here has bounded repeats or runs on a string of bounded length, so that reading is linear.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

from ddx.differential import Status
from ddx.vocabulary import normalise

__all__ = [
    "MAX_NAME", "Confidence", "after_think", "clean_line", "normal", "parse_confidence", "readable_name",
    "status_of", "tidy",
]  # fmt: skip

MAX_NAME = 120  # characters; anything longer is prose, not a diagnosis
_MAX_NUMBER = 32  # characters; the longest repr of a float has 24

_THINK = re.compile(r"<\s{0,2}(/?)\s{0,2}think\s{0,2}>", re.IGNORECASE | re.ASCII)
_NUMBER = re.compile(
    r"(?P<bound>[<>~\u2248\u2264\u2265])?[ ]?"
    r"(?P<whole>\d{0,9})(?:(?P<point>[.,])(?P<decimals>\d{1,20}))?(?P<exponent>e[+-]?\d{1,3})?"
    r"[ ]?(?P<unit>%|\uff05|percent|per cent|pct)?",
    re.IGNORECASE | re.ASCII,
)
_RATIO = re.compile(r"(\d{1,6}(?:\.\d{1,6})?) ?(?:/|out of) ?(\d{1,6}(?:\.\d{1,6})?)", re.IGNORECASE | re.ASCII)
_CANONICAL = {
    "percent": re.compile(r"0|[1-9]\d?|100", re.ASCII),
    "fraction": re.compile(r"[01]|0\.\d{1,20}|1\.0{1,20}", re.ASCII),
}
_QUOTES = '"\u201c\u201d\u201e\u00ab\u00bb'
_TRAILING = _QUOTES + " *_.,;:!?|=~-\u2013\u2014\uff1a"
_LEADING = _QUOTES + " *_.,;:!?|=~-\u2013\u2014\uff1a"


class Confidence(NamedTuple):
    """A confidence in [0, 1], or None when unreadable, and what had to be done to read it."""

    value: float | None
    repairs: tuple[str, ...] = ()


def after_think(text: str) -> tuple[str, str | None]:
    """(reasoning, answer part) of a generation; the answer part is None when a `<think>` is never closed.

    Only what follows the last `</think>` is the answer part: the case's own text, or a draft answer, can
    stand in the reasoning. The opening tag may be missing, since chat templates often put it in the prompt.

    >>> after_think("<think>a</think>b</think>c"), after_think("c"), after_think("a <think> b")
    (('a</think>b', 'c'), ('', 'c'), ('a <think> b', None))
    """
    last_open = last_close = None
    for match in _THINK.finditer(text):
        if match[1]:
            last_close = match
        else:
            last_open = match
    if last_open and (last_close is None or last_open.start() > last_close.start()):
        return _without_opening(text), None
    if last_close is None:
        return "", text
    return _without_opening(text[: last_close.start()]), text[last_close.end() :]


def _without_opening(reasoning: str) -> str:
    reasoning = reasoning.strip()
    opening = _THINK.match(reasoning)
    return reasoning[opening.end() :].strip() if opening and not opening[1] else reasoning


@lru_cache(maxsize=4096)
def parse_confidence(text: str, bare: Literal["percent", "fraction"]) -> Confidence:
    """The one place where a written confidence becomes a number in [0, 1].

    `bare` says what a number without a unit means: `percent` (format `lines`) or `fraction` (format `tags`).

    | written                | percent            | fraction           |
    |------------------------|--------------------|--------------------|
    | 70                     | 0.7                | 0.7, repaired      |
    | 1                      | 0.01               | 1.0                |
    | 0.7, 1.0               | 0.7, 1.0, repaired | 0.7, 1.0           |
    | .7, 1e-1, 0,7          | 0.7, 0.1, 0.7, repaired in both         |
    | 62.5                   | 0.625, repaired    | 0.625, repaired    |
    | 70%, 70 percent, 0.7%  | 0.7, 0.7, 0.007, repaired in both       |
    | 7/10, 7 out of 10      | 0.7, repaired in both                   |
    | <1%, ~70%              | the number itself, repaired in both     |
    | nan, inf, -5, 101, "", 20-30% | None in both                     |

    So under `percent` a bare number at or below 1 is a fraction only if it has a decimal mark or an exponent.
    A decimal comma counts unless three digits follow a number other than 0 ("1,000" is unreadable).
    """
    text = text.strip()
    if not text or len(text) > _MAX_NUMBER:
        return Confidence(None)
    if ratio := _RATIO.fullmatch(text):
        top, bottom = float(ratio[1]), float(ratio[2])
        return Confidence(top / bottom, ("ratio read",)) if bottom > 0 and top <= bottom else Confidence(None)
    match = _NUMBER.fullmatch(text)
    if match is None or not (match["whole"] or match["decimals"]):
        return Confidence(None)
    whole, decimals, exponent = match["whole"] or "0", match["decimals"], match["exponent"]
    if match["point"] == "," and len(decimals) > 2 and whole != "0":
        return Confidence(None)
    power = int(exponent[1:]) if exponent else 0
    number = float(f"{whole}.{decimals or 0}e{power}")
    hundredth = float(f"{whole}.{decimals or 0}e{power - 2}")  # "0.7%" is 0.007, and 0.7 / 100 is not quite
    repairs = ["bound read as its number"] if match["bound"] else []
    if match["point"] == ",":
        repairs.append("decimal comma read")
    if match["unit"]:
        repairs.append("percent sign removed")
        value = hundredth
    elif bare == "percent" and (decimals or exponent) and number <= 1:
        repairs.append("fraction read as percent")
        value = number
    elif bare == "fraction" and number <= 1:
        value = number
    else:
        value = hundredth
        if bare == "fraction":
            repairs.append("percent read as fraction")
    if not 0 <= value <= 1:
        return Confidence(None)
    if not repairs and not _CANONICAL[bare].fullmatch(text):
        repairs.append("number tidied")
    return Confidence(value, tuple(repairs))


def clean_line(text: str) -> tuple[str, list[str]]:
    """`text` on one line, white space collapsed, control and invisible characters gone; the repairs."""
    repairs = []
    if not text.isprintable():
        spaced = "".join(" " if c.isspace() else c for c in text)
        text = "".join(c for c in spaced if unicodedata.category(c)[0] != "C")
        if text != spaced:
            repairs.append("control characters removed")
    return " ".join(text.split()), repairs


def tidy(name: str) -> str:
    """A name on one line without the quotes and punctuation around it (brackets, slashes, apostrophes stay).

    >>> tidy('  "Acute  otitis media". ')
    'Acute otitis media'
    """
    return " ".join(name.split()).rstrip(_TRAILING).lstrip(_LEADING)


@lru_cache(maxsize=4096)
def normal(name: str) -> str:
    """The vocabulary's `normalise`, remembered: outputs repeat the same few hundred names."""
    return normalise(name)


def readable_name(name: str) -> bool:
    """Whether a tidied name can be an answer: short, no tag or piece of one, something left to match."""
    return 0 < len(name) <= MAX_NAME and "<" not in name and ">" not in name and bool(normal(name))


def status_of(answers: int, unreadable: bool, truncated: bool, repairs: Iterable[str]) -> Status:
    """The status of an output: `partial` comes before `truncated`, which comes before `repaired`."""
    if not answers:
        return "truncated" if truncated else "empty"
    if unreadable:
        return "partial"
    if truncated:
        return "truncated"
    return "repaired" if any(repairs) else "ok"
