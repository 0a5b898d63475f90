"""The parts of a case's text, and what each does to each diagnosis.

A part is a sentence, or a clause of a long one. The whole text is answered once and once more without each part, so
that a case costs one generation more than it has parts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ddx.case import Case
from ddx.explain.effects import Change, Evidence, effects_of

if TYPE_CHECKING:
    from ddx.model import Model

__all__ = ["MOST", "evidence_spans", "span_changes", "split", "without"]

Span = tuple[int, int]
LONG = 12  # words; a sentence with more is split at its commas and semicolons
MOST = 64  # parts of a text; beyond, the shortest neighbours are put together
_SENTENCE_END = re.compile(r"(?:[.!?]+[\"')\]\u201d\u2019]*(?=\s)|\n)")
_CLAUSE_END = re.compile(r"[,;](?=\s)")
# A full stop after these ends no sentence; nor does one after a single capital ("C. difficile").
_ABBREVIATION = re.compile(r"(?:^|[\s(])(?:[A-Z]|[ap]\.m|[Dd]r|Mrs?|Ms|Prof|St|vs|approx|e\.g|i\.e|etc)$")


def evidence_spans(model: Model, case: Case, keys: Sequence[str] | None = None) -> Evidence:
    """The weight of each part of the text for each diagnosis, in nats; all answered in one batch.

    `keys` are the diagnoses to weigh, None: those the model lists for the whole case. There are no effects where the
    case has no text, or a single part and nothing beside it: then nothing can be left out.
    """
    return effects_of(model, case, span_changes(case), keys)


def span_changes(case: Case, most: int = MOST) -> list[Change]:
    """The case without each part of its text in turn; with more parts than `most`, short neighbours go together."""
    found = []
    for span in split(case.text, most):
        rest = without(case.text, span)
        if rest or case.findings:
            found.append(Change(replace(case, text=rest), case.text[slice(*span)], span=span))
    return found


def split(text: str, most: int = MOST) -> list[Span]:
    """The parts of a text in order, without the blanks around them: sentences, and the clauses of long ones.

    With more than `most` of them, the two neighbours that are the shortest together become one, again and again.

    >>> text = "He has a cough. Since Monday he has had fever up to 39.2, chills at night, and pain when breathing in."
    >>> [text[slice(*span)] for span in split(text)]       # doctest: +NORMALIZE_WHITESPACE
    ['He has a cough.', 'Since Monday he has had fever up to 39.2,', 'chills at night,',
     'and pain when breathing in.']
    """
    parts: list[Span] = []
    for start, end in _pieces(text, 0, len(text), _SENTENCE_END):
        long = len(text[start:end].split()) > LONG
        parts += _pieces(text, start, end, _CLAUSE_END) if long else [(start, end)]
    while len(parts) > most:
        at = min(range(len(parts) - 1), key=lambda i: parts[i + 1][1] - parts[i][0])
        parts[at : at + 2] = [(parts[at][0], parts[at + 1][1])]
    return parts


def without(text: str, span: Span) -> str:
    """The text without one part, mended at the cut: a sentence keeps its end and begins with a capital.

    >>> without("In May, he had a cough, and a fever. He is well.", (23, 36))
    'In May, he had a cough. He is well.'
    >>> without("In May, he had a cough.", (0, 7))
    'He had a cough.'
    """
    start, end = span
    before, after = text[:start].rstrip(), text[end:].lstrip()
    closing = text[end - 1] if text[start:end].endswith((".", "!", "?")) else ""
    if before.endswith((",", ";")) and (closing or not after):
        before = before[:-1] + closing
    if after and (not before or before.endswith((".", "!", "?"))):
        after = after[0].upper() + after[1:]
    return f"{before} {after}".strip()


def _pieces(text: str, start: int, end: int, boundary: re.Pattern[str]) -> list[Span]:
    """[start, end) cut behind each boundary; pieces without a letter or digit join the one before."""
    cuts = [m.end() for m in boundary.finditer(text, start, end) if not _abbreviated(text, m)]
    pieces: list[Span] = []
    for left, right in zip([start, *cuts], [*cuts, end], strict=True):
        words = text[left:right]
        if not words.strip():
            continue
        piece = (left + len(words) - len(words.lstrip()), right - len(words) + len(words.rstrip()))
        if pieces and not any(map(str.isalnum, words)):
            piece = (pieces.pop()[0], piece[1])
        pieces.append(piece)
    return pieces


def _abbreviated(text: str, end: re.Match[str]) -> bool:
    return end[0] == "." and _ABBREVIATION.search(text[max(0, end.start() - 8) : end.start()]) is not None
