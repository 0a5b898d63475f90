"""One line of the `lines` format: what is its name, what is its number, or is it no diagnosis at all."""

import re
from functools import lru_cache
from typing import NamedTuple

from ddx.formats.parsed import Answer
from ddx.formats.reading import MAX_NAME, clean_line, normal, parse_confidence, readable_name, tidy

__all__ = ["NEWLINE", "Line", "is_finished", "read_line"]

NEWLINE = re.compile(r"\r\n|\r|\n")
_MAX_RAW = 2000  # characters, before white space is collapsed

_I = re.IGNORECASE | re.ASCII
_UNIT_WORDS = r"(?:[%\uff05]|percent|per cent|pct)"
_LABEL = r"(?:probability|confidence|likelihood|chance)"
_MARK = re.compile(
    r"(?:[(#]?\d{1,2}[.):](?!\d) ?|[-*+\u2022\u2013\u2014\u25e6\u00b7] |[|\u2022*] ?"
    r"|(?:diagnosis|answer|rank|dx) ?#?\d{1,2} ?[:.)-] ?)",
    _I,
)
_LABEL_FIRST = re.compile(rf"{_LABEL} ?[:=]? ?", _I)
_LABEL_LAST = re.compile(rf" ?[,:;(|\u2013\u2014-] ?{_LABEL}$", _I)
_UNIT_LAST = re.compile(rf" ?{_UNIT_WORDS}$", _I)
_FINISHED = re.compile(rf"{_UNIT_WORDS}[)\]]?$", _I)
_MEANT_AS_NUMBER = re.compile(  # numbers, and what a model writes in a number's place
    r"[<>~\u2248\u2264\u2265\u00b1+\u2212\u2013-]{0,3} ?[.,]?\d[\d.,/e+\u2212\u2013-]*"
    rf"(?: ?{_UNIT_WORDS})?|[+-]?(?:nan|inf|infinity)%?|n/a|\?{{1,3}}",
    _I,
)
_PERCENT_INSIDE = re.compile(r"(?<![\d.,])\d{1,3}(?:[.,]\d{1,3})? ?[%\uff05]", re.ASCII)
_LONE_TAG = re.compile(r"</?[a-z]\w*/?>", _I)
_NOT_DIAGNOSES = {
    "answer", "answers", "confidence", "diagnoses", "diagnosis", "diagnosis confidence",
    "diagnosis probability", "differential", "differential diagnoses", "differential diagnosis",
    "most likely diagnoses", "most likely diagnosis", "probability", "sum", "total",
}  # fmt: skip
_CHATTY = ("based on ", "here ", "here's ", "i ", "note ", "okay", "sure", "the following ", "these ")


class Line(NamedTuple):
    """What one line gave: an answer, or none; `unreadable` when an answer was meant and could not be read."""

    answer: Answer | None
    unreadable: bool = False
    repairs: tuple[str, ...] = ()


_SKIPPED = Line(None, False, ("extra line skipped",))


def is_finished(line: str) -> bool:
    """Whether a line that was cut off is known to be complete: only a percent sign tells."""
    return bool(_FINISHED.search(line[-20:]))


def read_line(raw: str) -> Line:
    """Read one line that is not blank."""
    return _SKIPPED if len(raw) > _MAX_RAW else _read(raw)


@lru_cache(maxsize=1 << 15)  # a training run writes the same few thousand lines again and again
def _read(raw: str) -> Line:
    text, repairs = clean_line(raw)
    if text != raw and not repairs:
        repairs.append("white space tidied")
    if len(text) > MAX_NAME or _LONE_TAG.fullmatch(text):
        return _SKIPPED
    if not any(c.isalpha() for c in text):
        return Line(None, True) if any(c.isdigit() for c in text) else _SKIPPED
    text, heading, marked = _unmark(text, repairs)
    name, number, moved = _split(text)
    repairs += moved
    plain = tidy(name)
    if normal(plain) in _NOT_DIAGNOSES:
        return _SKIPPED
    if not number and (heading or _is_prose(text, marked)):
        return _SKIPPED
    if not any(c.isalpha() for c in plain) or not readable_name(plain) or _PERCENT_INSIDE.search(plain):
        return Line(None, True)
    if plain != name.strip():
        repairs.append("colon removed" if name.rstrip().endswith((":", "\uff1a")) else "punctuation removed")
    confidence = parse_confidence(number, "percent")
    return Line(Answer(plain, confidence.value), False, (*repairs, *confidence.repairs))


def _unmark(text: str, repairs: list[str]) -> tuple[str, bool, bool]:
    """(text without markdown, bullets and numbering; was it a heading; was it a list item)."""
    bare = text.replace("**", "").replace("__", "").replace("`", "")
    heading = bare.startswith(("# ", "## ", "### ", "#### "))
    bare = bare.lstrip("# ") if heading else bare.strip()
    marked = False
    for _ in range(3):  # "- 1. **Name**" carries two marks; more than three is not a list
        mark = _MARK.match(bare)
        if mark is None or not any(c.isalpha() for c in bare[mark.end() :]):
            break
        bare, marked = bare[mark.end() :], True
        repairs.append("numbering removed" if any(c.isdigit() for c in mark[0]) else "bullet removed")
    if heading or any(m in text for m in ("**", "__", "`")):
        repairs.append("markdown removed")
    if bare.endswith(("|", "*")):
        bare = bare.rstrip(" |*")
        repairs.append("markdown removed")
    return bare, heading, marked


def _is_prose(text: str, marked: bool) -> bool:
    """Whether a line without a number is talk around the list and not the name of a diagnosis."""
    if text.endswith((":", "\uff1a")) or text.count(" ") >= 10 or text.lower().startswith(_CHATTY):
        return True
    return not marked and text.endswith((".", "!", "?"))


def _split(text: str) -> tuple[str, str, list[str]]:
    """(name, number, repairs): the number is "" when there is none, else the last of the line."""
    repairs = []
    body = text.rstrip(" .,;!")
    if body.endswith((")", "]")):
        opening = body.rfind("(" if body.endswith(")") else "[")
        inside = body[opening + 1 : -1].strip()
        number = _LABEL_FIRST.sub("", inside, count=1) if opening > 0 else ""
        if _MEANT_AS_NUMBER.fullmatch(number):
            return body[:opening].rstrip(), number, ["brackets removed"]
    else:
        unit = _UNIT_LAST.search(body)
        end = unit.start() if unit else len(body)
        for separators in (" :=|\uff1a", ","):  # a comma may also be a decimal mark, so it comes last
            cut = max(body.rfind(c, 0, end) for c in separators)
            if cut < 0 or not _MEANT_AS_NUMBER.fullmatch(body[cut + 1 :]):
                continue
            name, number = body[: cut + 1].rstrip(), body[cut + 1 :]
            if name.endswith(("<", ">", "~", "\u2248", "\u2264", "\u2265")):  # "< 1%"
                name, number = name[:-1].rstrip(), name[-1] + number
            if label := _LABEL_LAST.search(name.rstrip(" :=")):
                name = name[: label.start()]
                repairs.append("label removed")
            if body != text:
                repairs.append("punctuation removed")
            return name, number, repairs
    if inside_percent := _PERCENT_INSIDE.search(text):
        before, after = text[: inside_percent.start()], text[inside_percent.end() :]
        if any(c.isalpha() for c in before):
            return before.rstrip(" ([<>~"), inside_percent[0], ["explanation removed"]
        return after.strip(), inside_percent[0], ["confidence moved"]
    return text, "", repairs
