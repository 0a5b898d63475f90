"""Free-text cases written elsewhere, for evaluation only: Semigran et al. (BMJ 2015) and CRAFT-MD.

The texts stay in the user's folder. What this package carries is a reviewed table of gold names
(`tables/vignette_gold.csv`): for each case the condition of the vocabulary, or none.
"""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from ddx.case import MAX_AGE, Case, Sex
from ddx.errors import InputError
from ddx.vocabulary import Vocabulary, load_vocabulary

__all__ = ["GoldRow", "Vignette", "VignetteSource", "load_vignettes", "vignette_gold"]

VignetteSource = Literal["semigran", "craft-md"]
_FILES: dict[str, str] = {"semigran": "semigran_vignettes.jsonl", "craft-md": "craft_md.jsonl"}
_AGE = re.compile(r"(\d+(?:\.\d+)?) *(year|month|week|day)s?", re.IGNORECASE)
_UNITS_A_YEAR = {"year": 1.0, "month": 12.0, "week": 365.25 / 7, "day": 365.25}
_SEXES: dict[str, Sex] = {"male": "M", "female": "F"}


@dataclass(frozen=True, slots=True)
class Vignette:
    """One outside case. `key` is the gold condition's key, or None when it is not in the vocabulary.

    `gold` is the source's own name for it, `ref` the line number (semigran) or the id (craft-md).
    """

    case: Case
    gold: str
    key: str | None
    source: VignetteSource
    ref: str


@dataclass(frozen=True, slots=True)
class GoldRow:
    """One reviewed decision: `key` is empty when `gold` is out of the vocabulary; `why` where not obvious."""

    source: str
    ref: str
    gold: str
    key: str
    why: str


def vignette_gold() -> tuple[GoldRow, ...]:
    """The reviewed table, in the order of the sources: 45 rows of semigran, 140 of craft-md."""
    text = (files("ddx.data") / "tables" / "vignette_gold.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(GoldRow(r["source"], r["case_ref"], r["gold"], r["key"], r["why"]) for r in rows)


def load_vignettes(folder: Path, source: VignetteSource, vocabulary: Vocabulary | None = None) -> list[Vignette]:
    """The cases of one source, in file order; age (years) and sex are None where only the text has them.

    Raises InputError, naming file and line, when the folder or the file is missing, a row cannot be read,
    or the reviewed table has no row for a case with this gold name.
    """
    if source not in _FILES:
        raise InputError(f"source {source!r} is not one of {', '.join(_FILES)}; choose one of these")
    vocabulary = load_vocabulary() if vocabulary is None else vocabulary
    table = {(row.source, row.ref, row.gold): row.key for row in vignette_gold()}
    path = Path(folder) / _FILES[source]
    vignettes = []
    for number, row in _rows(path):
        where = f"{path}, line {number}"
        ref, gold, case = _semigran(row, number, where) if source == "semigran" else _craft_md(row, where)
        key = table.get((source, ref, gold))
        if key is None:
            raise InputError(
                f"{where}: case {ref} with diagnosis {gold[:40]!r} is not in the table vignette_gold.csv; "
                "use the published file, or add the row"
            )
        if key:
            _require_key(key, vocabulary, where)
        vignettes.append(Vignette(case, gold, key or None, source, ref))
    if not vignettes:
        raise InputError(f"{path}: no cases; download the file again")
    return vignettes


def _semigran(row: Mapping[str, Any], number: int, where: str) -> tuple[str, str, Case]:
    gold = _one_line(_string(row, "correct_diagnosis", where))
    text = _one_line(_string(row, "case_description", where))
    return str(number), gold, Case(case_id=f"semigran-{number}", text=text)


def _craft_md(row: Mapping[str, Any], where: str) -> tuple[str, str, Case]:
    ref = row.get("id")
    if isinstance(ref, bool) or not isinstance(ref, int | str):
        raise InputError(f"{where}, column id: expected a number; use the published file")
    gold = _one_line(_string(row, "answer", where))
    context = row.get("context")
    text = _joined(context) if isinstance(context, list) and all(isinstance(s, str) for s in context) else ""
    if not text:
        raise InputError(f"{where}, column context: expected a list of sentences; use the published file")
    patient = row.get("patient")
    given = patient if isinstance(patient, Mapping) else {}
    sex = _SEXES.get(str(given.get("gender")).strip().lower())
    age = _age_in_years(str(given.get("age")))
    return str(ref), gold, Case(case_id=f"craft-md-{ref}", age=age, sex=sex, text=text)


def _age_in_years(text: str) -> float | None:
    """An age such as "22 years", "15 months" or "3 days"; None for words such as "elderly".

    >>> _age_in_years("18 months"), _age_in_years("elderly")
    (1.5, None)
    """
    match = _AGE.fullmatch(text.strip())
    if match is None:
        return None
    age = float(match[1]) / _UNITS_A_YEAR[match[2].lower()]
    return age if age <= MAX_AGE else None


def _joined(sentences: Iterable[str]) -> str:
    """Sentences as one text; the source split them at their full stops and dropped most of these.

    >>> _joined(["A man has a cough", "Is he well? ", "He is."])
    'A man has a cough. Is he well? He is.'
    """
    lines = [line for line in map(_one_line, sentences) if line]
    return " ".join(line if line.endswith((".", "?", "!")) else line + "." for line in lines)


def _one_line(text: str) -> str:
    """The text with runs of blanks and hard line breaks as single spaces."""
    return " ".join(text.split())


def _string(row: Mapping[str, Any], column: str, where: str) -> str:
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{where}, column {column}: missing or empty; use the published file")
    return value


def _require_key(key: str, vocabulary: Vocabulary, where: str) -> None:
    try:
        vocabulary.by_key(key)
    except KeyError:
        raise InputError(
            f"{where}: the vocabulary in use has no condition {key!r}; extend the project's own instead"
        ) from None


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON-lines file with their line numbers, from 1; blank lines are passed over."""
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder; give the folder that holds {path.name}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; data_cards/vignettes.md says where to get it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); check the file") from None
    # split at "\n" only: JSON strings may hold other separators that splitlines() would break at.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {number}: not JSON ({error.msg}); get the file again") from None
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: expected an object; use the published file")
        yield number, row
