"""`ddx score --check`: read everything, score nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ddx.scoring.rows import RowError, read_case
from ddx.scoring.table import Table

__all__ = ["Check", "check_table", "recognised"]

_FIRST = 10
_KINDS = {"csv": "CSV", "xlsx": "Excel", "parquet": "Parquet", "jsonl": "JSON Lines", "fhir": "FHIR"}
_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}


@dataclass
class Check:
    """What reading every row came to: problems by kind, and the first of them in words without any case's text."""

    rows: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    first: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """The result for the screen."""
        failed = self.problems.total()
        if not failed:
            return [f"no problems: all {self.rows:,} rows can be scored"]
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in self.problems.most_common())
        more = [f"  and {failed - len(self.first):,} more"] if failed > len(self.first) else []
        head = f"{failed:,} of {self.rows:,} rows can't be scored ({kinds})"
        return [head, *(f"  {message}" for message in self.first), *more]


def check_table(table: Table, on_rows: Callable[[int], None] = lambda n: None) -> Check:
    """Read every row as scoring would. `on_rows` hears how many more are done."""
    check = Check()
    for record in table.records():
        check.rows += 1
        try:
            read_case(table, record)
        except RowError as error:
            check.problems[error.kind] += 1
            if len(check.first) < _FIRST:
                check.first.append(str(error))
        on_rows(1)
    return check


def recognised(table: Table) -> list[str]:
    """How the file is read: kind, encoding, separator or sheet; columns that are read, and that are carried along."""
    encoding = table.encoding and (table.encoding.removesuffix("-sig").upper() + (" with BOM" if table.bom else ""))
    separator = table.separator and f"separator {_SEPARATORS[table.separator]}"
    parts = [_KINDS[table.kind], encoding, separator, table.sheet and f"sheet {table.sheet!r}"]
    lines = [f"{table.path}: {', '.join(part for part in parts if part)}; {table.rows:,} rows"]
    read = []
    for name, at in table.columns.items():
        header = table.header[at].strip()
        read.append(name if header.casefold() == name else f"{name} (from {header!r})")
    if table.text_columns:
        read.append("joined into the text: " + ", ".join(table.header[at].strip() for at in table.text_columns))
    used = {*table.columns.values(), *table.text_columns}
    kept = [name.strip() or f"column {at + 1}" for at, name in enumerate(table.header) if at not in used]
    return [*lines, f"read: {', '.join(read)}", f"carried along: {', '.join(kept) or 'no other column'}", *table.notes]
