"""A published case set in one small form: a row a case, as CSV or JSON lines. docs/case_sets.md describes it.

Gold names are matched to the vocabulary exactly (a condition's key, a name, a synonym, an ICD-10 code), never by
spelling. What does not match is out of the vocabulary, and counts as that.
"""

import csv
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from ddx.case import Case, read_age, read_sex
from ddx.data.quotes import locate
from ddx.data.vignettes import GoldDiagnosis, Vignette, json_rows, one_line, read_utf8, strict_key
from ddx.errors import InputError
from ddx.vocabulary import Matcher, Vocabulary, load_vocabulary

__all__ = ["COLUMNS", "load_case_set"]

COLUMNS = ("case_id", "text", "age", "sex", "gold", "gold_differential", "key", "source")
_ENTRY = ("name", "probability", "quotes", "key")
_OUT = "none"  # as a key: reviewed, and out of the vocabulary
_FORM = "docs/case_sets.md describes the form"


def load_case_set(path: Path, vocabulary: Vocabulary | None = None) -> list[Vignette]:
    """The cases of a .csv or .jsonl file, in file order; without a `source` it is the file's name without ending.

    Raises InputError, naming file, row and column, when the file or a row cannot be read: no row is passed over.
    """
    path = Path(path)
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise InputError(f"{path}: the name ends neither in .csv nor in .jsonl; {_FORM}")
    matcher = Matcher(load_vocabulary() if vocabulary is None else vocabulary)
    text = read_utf8(path, "check the path")
    rows = _csv_rows(text, path) if path.suffix.lower() == ".csv" else _json_rows(text, path)
    vignettes: list[Vignette] = []
    seen: dict[str, str] = {}
    for where, row in rows:
        vignette = _vignette(row, path.stem, matcher, where)
        first = seen.setdefault(vignette.ref, where)
        if first != where:
            raise InputError(f"{where}, column case_id: {vignette.ref!r} is also that of {first}; give each its own")
        vignettes.append(vignette)
    if not vignettes:
        raise InputError(f"{path}: no cases; {_FORM}")
    return vignettes


def _vignette(row: Mapping[str, Any], stem: str, matcher: Matcher, where: str) -> Vignette:
    ref = row.get("case_id")
    ref = str(ref) if isinstance(ref, int) and not isinstance(ref, bool) else _cell(row, "case_id", where)
    text = _cell(row, "text", where)
    for column, value in (("case_id", ref), ("text", text)):
        if not value:
            raise InputError(f"{where}, column {column}: empty; every case needs one")
    age = row.get("age")
    if isinstance(age, bool) or not isinstance(age, str | int | float | None):
        raise InputError(f"{where}, column age: expected a number of years")
    case = Case(
        case_id=ref,
        age=read_age(age, f"{where}, column age"),
        sex=read_sex(_cell(row, "sex", where), f"{where}, column sex"),
        text=text,
    )
    gold, key = _pathology(_cell(row, "gold", where), _cell(row, "key", where), matcher, where)
    entries = row.get("gold_differential")
    if not isinstance(entries, list | None):
        raise InputError(f"{where}, column gold_differential: expected a list; {_FORM}")
    spot = f"{where}, column gold_differential, entry"
    differential = tuple(_member(e, text, matcher, f"{spot} {i}") for i, e in enumerate(entries or (), start=1))
    return Vignette(case, gold, key, _cell(row, "source", where) or stem, ref, differential)


def _pathology(gold: str, key: str, matcher: Matcher, where: str) -> tuple[str, str | None]:
    """The pathology's name and key; ("", None) where the row states none."""
    if key == _OUT and not gold:
        raise InputError(f"{where}, column key: {_OUT!r} without gold; name the pathology in gold, or empty both")
    given = _given(key, gold, matcher, f"{where}, column key")
    return (gold or (matcher.vocabulary.by_key(given).name if given else "")), given


def _given(key: str, name: str, matcher: Matcher, where: str) -> str | None:
    """The key of a gold name: the reviewed one where there is one, else what the name matches."""
    if not key:
        return strict_key(name, matcher) if name else None
    if key == _OUT:
        return None
    if key not in {condition.key for condition in matcher.vocabulary}:
        raise InputError(f"{where}: {key[:40]!r} is no condition's key; write one, or {_OUT} for none of them")
    return key


def _member(entry: Any, text: str, matcher: Matcher, where: str) -> GoldDiagnosis:
    """One entry of `gold_differential`: a name, or an object with a name."""
    if isinstance(entry, str):
        entry = {"name": entry}
    if not isinstance(entry, Mapping) or set(entry) - set(_ENTRY):
        raise InputError(f"{where}: expected a name, or an object of {', '.join(_ENTRY)}")
    name = _cell(entry, "name", where)
    if not name:
        raise InputError(f"{where}: the name is empty; write the diagnosis, or take the entry out")
    probability = entry.get("probability")
    if probability is not None:
        number = isinstance(probability, int | float) and not isinstance(probability, bool)
        if not (number and 0 <= probability <= 1):
            raise InputError(f"{where}: the probability is not a number from 0 to 1")
        probability = float(probability)
    quotes = entry.get("quotes") or []
    if not isinstance(quotes, list) or not all(isinstance(quote, str) for quote in quotes):
        raise InputError(f"{where}: quotes must be a list of strings")
    key = _given(_cell(entry, "key", where), name, matcher, where)
    return GoldDiagnosis(name, key, probability, locate(quotes, text))


def _cell(row: Mapping[str, Any], column: str, where: str) -> str:
    """The text of a cell on one line, empty where there is none."""
    value = row.get(column)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{where}, column {column}: expected text")
    return one_line(value)


def _json_rows(text: str, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, row in json_rows(text, path, _FORM):
        where = f"{path}, line {number}"
        _check_columns(list(row), where)
        yield where, row


def _csv_rows(text: str, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The rows with their numbers as a spreadsheet shows them; `gold_differential` is split at "|"."""
    header = text.partition("\n")[0]
    delimiter = ";" if header.count(";") > header.count(",") else ","
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        columns = [cell.strip() for cell in next(reader, [])]
        number = 1
        _check_columns(columns, f"{path}, row 1")
        for number, cells in enumerate(reader, start=2):
            if not any(cell.strip() for cell in cells):
                continue
            where = f"{path}, row {number}"
            if len(cells) > len(columns):
                raise InputError(
                    f"{where}: {len(cells)} cells for {len(columns)} columns; quote a cell that holds {delimiter!r}"
                )
            row: dict[str, Any] = dict(zip(columns, cells, strict=False))
            names = map(str.strip, row.pop("gold_differential", "").split("|"))
            yield where, row | {"gold_differential": [name for name in names if name]}
    except csv.Error as error:
        raise InputError(f"{path}, row {number + 1}: not CSV ({error}); save it as 'CSV UTF-8' again") from None


def _check_columns(columns: list[str], where: str) -> None:
    for column in columns:
        if column not in COLUMNS or columns.count(column) > 1:
            problem = "twice" if column in COLUMNS else "unknown"
            raise InputError(f"{where}, column {column[:40]!r}: {problem}; the columns are {', '.join(COLUMNS)}")
    for column in ("case_id", "text"):
        if column not in columns:
            raise InputError(f"{where}, column {column}: missing; every case needs one")
