"""One row of a table to a case, or to the reason why not.

Reasons name the row, the column and the value, so that the person can correct the file. A value is repeated
only when it is short: a long one may be a patient's story in the wrong column.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo
from pydantic_core import PydanticCustomError

from ddx.case import Case, Finding, Sex, read_age, read_sex
from ddx.data.ddxplus import parse_evidences
from ddx.errors import InputError
from ddx.scoring.encodings import encodable
from ddx.scoring.escaping import unescape
from ddx.scoring.mapping import KNOWN_COLUMNS
from ddx.scoring.table import Kind, Nested, Record, Table, Unread
from ddx.vocabulary.findings import load_findings

__all__ = ["MAX_TEXT", "Row", "RowError", "check_findings", "read_case"]

MAX_TEXT = 20_000  # characters; some 3,000 words, more than the model's prompt holds
_SHOWN = 20  # characters of a value that a reason repeats
_DATE = re.compile(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}([ T].*)?")
_WHOLE: dict[Kind, str] = {"csv": "quotes", "jsonl": "JSON", "fhir": "FHIR"}  # what a fault of a whole row counts as


class RowError(InputError):
    """A row that can't be scored. `kind` is what it is counted under: age, sex, findings, text, columns, …"""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def read_case(table: Table, record: Record) -> Case:
    """The case in a row; raises RowError with all that is wrong. A row without an id is called `row-<number>`."""
    where = f"row {record.number}"
    if record.problem:
        raise RowError(_WHOLE.get(table.kind, "row"), f"{where}: {record.problem}")
    width = len(table.header)
    if any(cell.strip() for cell in record.cells[width:]):
        raise RowError(
            "columns",
            f"{where}: {len(record.cells)} columns, not {width} as the header; quote such cells",
        )
    named = {name: f"{where}, column {table.header[at].strip()}" for name, at in table.columns.items()}
    try:
        row = Row.model_validate(_cells(table, record), context=named)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        kind = str(faults[0]["loc"][0])
        reasons = [fault["msg"] for fault in faults]
        message = "; ".join([reasons[0], *(reason.removeprefix(f"{where}, ") for reason in reasons[1:])])
        raise RowError("findings" if kind in ("evidences", "initial_evidence") else kind, message) from None
    findings = row.findings
    if row.evidences:
        try:
            findings = _with_initial(row.evidences, row.initial_evidence, named.get("initial_evidence", where))
            check_findings(findings, named["evidences"])
        except InputError as error:
            raise RowError("findings", str(error)) from None
    if not (row.text.strip() or findings):
        raise RowError("nothing to read", f"{where}: no text and no findings; give at least one of them")
    return Case(row.case_id or f"row-{record.number}", row.age, row.sex, findings, row.text)


def check_findings(findings: Sequence[Finding], where: str) -> None:
    """Raise InputError unless every finding is one of DDXPlus's 223, with a value it can have."""
    polarity: dict[str, bool] = {}
    for finding in findings:
        _check(finding, where)
        if finding.value is None and polarity.setdefault(finding.code, finding.present) != finding.present:
            raise InputError(f"{where}: finding {finding.code} is given both as present and as absent")


def _cells(table: Table, record: Record) -> dict[str, str]:
    """The cells that a case is read from, by their known names; "" where there is none."""
    found = dict.fromkeys(KNOWN_COLUMNS, "")
    for name, at in table.columns.items():
        cell = record.cells[at] if at < len(record.cells) else ""
        found[name] = table.mapping.values.get(name, {}).get(cell.strip(), cell)
    if table.text_columns and not isinstance(found["text"], Unread):
        parts = [found["text"]]
        for at in table.text_columns:
            cell, header = record.cells[at] if at < len(record.cells) else "", table.header[at].strip()
            if isinstance(cell, Unread):
                raise RowError("text", f"row {record.number}, column {header}: {cell.why}")
            if cell.strip():
                parts.append(f"{header}: {unescape(cell).strip()}")
        found["text"] = "\n".join(filter(None, parts)) if len(parts) > 1 else parts[0]
    return found


def _read_by(read: Callable[[str, str], Any], nested: bool = False) -> BeforeValidator:
    """Reads a column by `read(cell, where)`, whose InputError is the reason; `nested`: lists and objects as well."""

    def validate(cell: str, info: ValidationInfo) -> Any:
        where = (info.context or {}).get(info.field_name, str(info.field_name))
        try:
            if isinstance(cell, Unread) and not (nested and isinstance(cell, Nested)):
                raise InputError(f"{where}: {cell.why}")
            if encodable(cell) != cell:
                raise InputError(f"{where}: half a character (a lone surrogate), which no text can hold")
            return read(cell, where)
        except InputError as error:
            raise PydanticCustomError("column", "{reason}", {"reason": str(error)}) from None

    return BeforeValidator(validate)


def _identity(cell: str, where: str) -> str:
    return cell.strip()


def _age(cell: str, where: str) -> float | None:
    try:
        return read_age(cell)
    except InputError as error:
        if _DATE.fullmatch(cell.strip()):  # a date of birth is not repeated
            raise InputError(f"{where}: a date, not an age in years") from None
        fault = "is outside 0 to 120 years" if "outside" in str(error) else "is not a number of years"
        raise InputError(f"{where}: {_shown(cell)} {fault}") from None


def _sex(cell: str, where: str) -> Sex | None:
    try:
        return read_sex(cell)
    except InputError:
        raise InputError(f"{where}: {_shown(cell)} is not one of F, M, female, male") from None


def _text(cell: str, where: str) -> str:
    return unescape(_short_enough(cell, where))


def _listed(cell: str, where: str) -> tuple[Finding, ...]:
    """The project's own column: codes split by ; , or spaces, or a JSON list. A leading "-" means absent."""
    text = unescape(_short_enough(cell.strip(), where))
    items: Sequence[object]
    if text.startswith("["):
        try:
            items = json.loads(text)
        except (ValueError, RecursionError):
            items = _codes(text, where)
    else:
        items = text.replace(";", " ").replace(",", " ").split()
    findings = Case.from_dict({"findings": items}, where).findings if items else ()
    check_findings(findings, where)
    return findings


def _evidences(cell: str, where: str) -> tuple[Finding, ...]:
    """DDXPlus's own column: all listed evidences are present."""
    codes = _codes(unescape(_short_enough(cell.strip(), where)), where)
    return tuple(Finding.from_ddxplus(code) for code in codes)


def _codes(text: str, where: str) -> tuple[str, ...]:
    """A list as Python and DDXPlus write it, with single quotes, or codes split by ; , or spaces."""
    try:
        return parse_evidences(text, where)
    except InputError:
        raise InputError(f'{where}: not a list of codes; write E_91;E_201 or ["E_91", "E_201"]') from None


def _with_initial(findings: tuple[Finding, ...], code: str, where: str) -> tuple[Finding, ...]:
    """The first complaint in front, the rest in the order of the file."""
    if not code:
        return findings
    first = Finding.from_ddxplus(code)
    ahead = [f for f in findings if f.code == first.code]
    if not ahead:
        check_findings([first], where)
    return (*(ahead or [first]), *(f for f in findings if f.code != first.code))


def _short_enough(cell: str, where: str) -> str:
    if len(cell) > MAX_TEXT:
        raise InputError(f"{where}: {len(cell):,} characters, the limit is {MAX_TEXT:,}")
    return cell


class Row(BaseModel):
    """What the columns of a row may hold: text cells in, each read by the function that stands with it.

    The validation's context names the columns in reasons: `{"age": "row 2, column Alter"}`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    case_id: Annotated[str, _read_by(_identity)] = ""
    age: Annotated[float | None, _read_by(_age)] = None
    sex: Annotated[Sex | None, _read_by(_sex)] = None
    text: Annotated[str, _read_by(_text)] = ""
    findings: Annotated[tuple[Finding, ...], _read_by(_listed, nested=True)] = ()
    evidences: Annotated[tuple[Finding, ...], _read_by(_evidences, nested=True)] = ()
    initial_evidence: Annotated[str, _read_by(_identity)] = ""


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
