"""The tagged elements of the `tags` format: one pass over the tags, no nesting allowed."""

import re
from dataclasses import dataclass, field
from functools import lru_cache

from ddx.formats.reading import clean_line, parse_confidence, readable_name, tidy

__all__ = ["Elements", "read_elements"]

MAX_TAGS = 2000  # no output has more; the rest of a runaway output is not read

_TAG = re.compile(r"<(/?)(answer|confidence|analysis)[ _]?(\d{0,3})\s{0,2}>", re.IGNORECASE | re.ASCII)


@dataclass
class Elements:
    """Names and confidences by slot, 1 to k; `unreadable` when an element was meant and could not be read."""

    answers: dict[int, str] = field(default_factory=dict)
    confidences: dict[int, float] = field(default_factory=dict)
    unreadable: bool = False
    repairs: list[str] = field(default_factory=list)


def read_elements(text: str, k: int, truncated: bool) -> Elements:
    """All `<answerN>` and `<confidenceN>` elements of `text`, without `<analysis>` blocks.

    An element counts when its own closing tag is the next tag. A slot that is given twice keeps its first
    readable element. When `truncated`, an element open at the end is dropped without being an error.
    """
    out = Elements()
    opened: re.Match[str] | None = None
    in_analysis = False
    end = 0  # of the last tag
    order = {"answer": 0, "confidence": 0}  # elements seen so far, for tags without numbers
    for count, tag in enumerate(_TAG.finditer(text)):
        if count == MAX_TAGS:
            out.repairs.append("text after the last answer removed")
            return out
        closing, kind = tag[1] == "/", tag[2].lower()
        between, end = text[end : tag.start()], tag.end()
        if tag[0] != f"<{tag[1]}{kind}{tag[3]}>":
            out.repairs.append("tag spelling mended")
        if in_analysis:
            in_analysis = not (closing and kind == "analysis")
            continue
        if opened is None and between and not between.isspace():
            out.repairs.append("text outside the tags removed")
        if closing and opened is not None and opened[2].lower() == kind:
            if opened[3] != tag[3]:
                out.repairs.append("closing tag mended")
            _take(out, opened, between, k, order)
            opened = None
            continue
        if opened is not None or (closing and kind != "analysis"):  # nested, never closed, or never opened
            out.unreadable = True
        opened = None
        if kind == "analysis":
            in_analysis = not closing
        elif not closing:
            opened = tag
    if opened is not None or in_analysis:
        if truncated:
            out.repairs.append("unfinished last element removed")
        else:
            out.unreadable = True
    elif text[end:].strip():
        out.repairs.append("unfinished last element removed" if truncated else "text outside the tags removed")
    return out


def _take(out: Elements, opened: re.Match[str], content: str, k: int, order: dict[str, int]) -> None:
    """Put one closed element into its slot."""
    kind = opened[2].lower()
    order[kind] += 1
    slot = int(opened[3]) if opened[3] else order[kind]
    if opened[3] != ("" if k == 1 else str(slot)):
        out.repairs.append("tag number mended")
    if slot > k:
        out.repairs.append("answers beyond k removed")
        return
    taken: dict[int, str] | dict[int, float] = out.answers if kind == "answer" else out.confidences
    if slot in taken:
        out.repairs.append("repeated element removed")
        return
    if slot == 0:
        out.unreadable = True
    elif kind == "answer":
        _take_name(out, slot, content)
    else:
        confidence = parse_confidence(content, "fraction")
        out.repairs += confidence.repairs
        if confidence.value is None:
            out.unreadable = True
        else:
            out.confidences[slot] = confidence.value
    if slot and slot < max(taken, default=0):
        out.repairs.append("elements put in order")


def _take_name(out: Elements, slot: int, content: str) -> None:
    if len(content) > 10_000:  # not worth tidying
        out.unreadable = True
        return
    name, repairs = _name(content)
    if name is None:
        out.unreadable = True
        return
    out.answers[slot] = name
    out.repairs += repairs


@lru_cache(maxsize=4096)
def _name(content: str) -> tuple[str | None, tuple[str, ...]]:
    """The name in an element's text, None when it holds none, and what was repaired."""
    line, repairs = clean_line(content)
    name = tidy(line)
    if not readable_name(name):
        return None, ()
    if line != content.strip():
        repairs.append("white space tidied")
    if name != line:
        repairs.append("punctuation removed")
    return name, tuple(repairs)
