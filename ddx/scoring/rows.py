"""One row of a table to a case, or to the reason why not.

Reasons name the row, the column and the value, so that the person can correct the file. A value is repeated
only when it is short: a long one may be a patient's story in the wrong column.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from ddx.case import Case, Finding, Sex, read_age, read_sex
from ddx.data.ddxplus import parse_evidences
from ddx.errors import InputError
from ddx.scoring.escaping import unescape
from ddx.scoring.readers import Record, Table
from ddx.vocabulary.findings import load_findings

__all__ = ["MAX_TEXT", "RowError", "check_findings", "read_case"]

MAX_TEXT = 20_000  # characters; some 3,000 words, more than the model's prompt holds
_SHOWN = 20  # characters of a value that a reason repeats


class RowError(InputError):
    """A row that can't be scored. `kind` is what it is counted under: age, sex, findings, text, columns, …"""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def read_case(table: Table, record: Record) -> Case:
    """The case in a row; raises RowError. A row without an id is called `row-<number>`."""
    where = f"row {record.number}"
    if record.problem:
        raise RowError("quotes", f"{where}: {record.problem}")
    width = len(table.header)
    if any(cell.strip() for cell in record.cells[width:]):
        raise RowError(
            "columns",
            f"{where}: {len(record.cells)} columns, not {width} as the header; quote such cells",
        )
    cells = _Cells(table, record)
    text = unescape(cells["text"])
    if len(text) > MAX_TEXT:
        raise RowError("text", f"{cells.where('text')}: {len(text):,} characters, the limit is {MAX_TEXT:,}")
    findings = _findings(cells)
    if not (text.strip() or findings):
        raise RowError("nothing to read", f"{where}: no text and no findings; give at least one of them")
    case_id = cells["case_id"].strip() or f"row-{record.number}"
    return Case(case_id, _age(cells), _sex(cells), findings, text)


def check_findings(findings: Sequence[Finding], where: str) -> None:
    """Raise InputError unless every finding is one of DDXPlus's 223, with a value it can have."""
    polarity: dict[str, bool] = {}
    for finding in findings:
        _check(finding, where)
        if finding.value is None and polarity.setdefault(finding.code, finding.present) != finding.present:
            raise InputError(f"{where}: finding {finding.code} is given both as present and as absent")


class _Cells:
    """The cells of a row by the names of their columns; "" where there is none."""

    def __init__(self, table: Table, record: Record) -> None:
        self._table, self._record = table, record

    def __getitem__(self, name: str) -> str:
        at = self._table.columns.get(name)
        return "" if at is None or at >= len(self._record.cells) else self._record.cells[at]

    @property
    def number(self) -> int:
        return self._record.number

    def where(self, name: str) -> str:
        at = self._table.columns.get(name)
        return f"row {self._record.number}, column {name if at is None else self._table.header[at].strip()}"


def _age(cells: _Cells) -> float | None:
    try:
        return read_age(cells["age"])
    except InputError as error:
        fault = "is outside 0 to 120 years" if "outside" in str(error) else "is not a number of years"
        raise RowError("age", f"{cells.where('age')}: {_shown(cells['age'])} {fault}") from None


def _sex(cells: _Cells) -> Sex | None:
    try:
        return read_sex(cells["sex"])
    except InputError:
        message = f"{cells.where('sex')}: {_shown(cells['sex'])} is not one of F, M, female, male"
        raise RowError("sex", message) from None


def _findings(cells: _Cells) -> tuple[Finding, ...]:
    name = "evidences" if cells["evidences"].strip() else "findings"
    where, text = cells.where(name), unescape(cells[name].strip())
    if len(text) > MAX_TEXT:
        raise RowError("findings", f"{where}: {len(text):,} characters, the limit is {MAX_TEXT:,}")
    try:
        if name == "evidences":
            codes = parse_evidences(text, f"row {cells.number}")
            findings = _with_initial([Finding.from_ddxplus(code) for code in codes], cells)
        else:
            findings = _listed(text, where)
        check_findings(findings, where)
    except InputError as error:
        raise RowError("findings", str(error)) from None
    return tuple(findings)


def _with_initial(findings: list[Finding], cells: _Cells) -> list[Finding]:
    """The first complaint in front, the rest in the order of the file."""
    code = cells["initial_evidence"].strip()
    if not code:
        return findings
    first = Finding.from_ddxplus(code)
    ahead = [f for f in findings if f.code == first.code]
    if not ahead:
        check_findings([first], cells.where("initial_evidence"))
    return (ahead or [first]) + [f for f in findings if f.code != first.code]


def _listed(text: str, where: str) -> list[Finding]:
    """The project's own column: codes split by ; , or spaces, or a JSON list. A leading "-" means absent."""
    items: Sequence[object]
    if text.startswith("["):
        try:
            items = json.loads(text)
        except (ValueError, RecursionError):
            items = _python_list(text, where)
    else:
        items = text.replace(";", " ").replace(",", " ").split()
    return list(Case.from_dict({"findings": items}, where).findings) if items else []


def _python_list(text: str, where: str) -> tuple[str, ...]:
    """A list as Python and DDXPlus write it, with single quotes."""
    try:
        return parse_evidences(text, where)
    except InputError:
        raise InputError(f'{where}: not a list of codes; write E_91;E_201 or ["E_91", "E_201"]') from None


def _check(finding: Finding, where: str) -> None:
    code, value = finding.code, finding.value
    definition = load_findings().get(code)
    if definition is None:
        raise InputError(f"{where}: {_shown(code)} is not a known finding; codes look like E_91, E_55_@_V_29")
    if not finding.present:
        if value is not None:
            raise InputError(f"{where}: an absent finding has no value; write -{code}")
        if not definition.phrases[False]:
            raise InputError(f"{where}: {code} is a scale and can't be absent; leave it out or give a number")
    elif definition.type == "flag" and value is not None:
        raise InputError(f"{where}: {code} has no values; write {code} alone")
    elif definition.type == "scale" and value not in {str(n) for n in range(11)}:
        raise InputError(f"{where}: {code} needs a number from 0 to 10, such as {code}_@_5")
    elif definition.type == "yesno" and value not in (None, "V_10", "V_12"):
        raise InputError(f"{where}: {code} takes V_12 (yes) or V_10 (no), not {_shown(value)}")
    elif definition.values and value not in definition.values and not definition.is_absent_value(value or ""):
        example = f"{code}_@_{next(iter(definition.values))}"
        said = "needs a value" if value is None else f"has no value {_shown(value)}"
        raise InputError(f"{where}: {code} {said}; write it as {example}")


def _shown(value: object) -> str:
    text = str(value).strip()
    if len(text) <= _SHOWN and len(text.split()) <= 2:
        return repr(text)
    return f"a value of {len(text)} characters"
