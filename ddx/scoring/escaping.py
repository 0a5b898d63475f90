"""Cells that a spreadsheet would run as a formula, and the apostrophe that stops it."""

from __future__ import annotations

import re

__all__ = ["escape", "unescape"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d+)*[.,]?|[.,]\d+)([eE][+-]?\d+)?%?", re.ASCII)


def escape(cell: str) -> str:
    """The cell with an apostrophe in front if it starts like a formula and is not a plain number.

    >>> escape("=1+1"), escape("-E_91"), escape("-5"), escape("cough")
    ("'=1+1", "'-E_91", '-5', 'cough')
    """
    return f"'{cell}" if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell) else cell


def unescape(cell: str) -> str:
    """The cell without that apostrophe; any other apostrophe stays.

    >>> unescape("'-E_91"), unescape("'tis")
    ('-E_91', "'tis")
    """
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell
