"""Free-text cases written elsewhere, for evaluation only: Semigran et al. (BMJ 2015) and CRAFT-MD.

The texts stay in the user's folder. What this package carries is a reviewed table of gold names
(`tables/vignette_gold.csv`): for each case the condition of the vocabulary, or none. `ddx.data.open_xddx` and
`ddx.data.case_sets` give the same record.
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
from ddx.data.quotes import Quote
from ddx.errors import InputError
from ddx.vocabulary import Matcher, Vocabulary, load_vocabulary

__all__ = [
    "GoldDiagnosis",
    "GoldRow",
    "Vignette",
    "VignetteSource",
    "json_rows",
    "load_vignettes",
    "one_line",
    "read_utf8",
    "strict_key",
    "vignette_gold",
]

VignetteSource = Literal["semigran", "craft-md"]
_FILES: dict[str, str] = {"semigran": "semigran_vignettes.jsonl", "craft-md": "craft_md.jsonl"}
_AGE = re.compile(r"(\d+(?:\.\d+)?) *(year|month|week|day)s?", re.IGNORECASE)
_UNITS_A_YEAR = {"year": 1.0, "month": 12.0, "week": 365.25 / 7, "day": 365.25}
_SEXES: dict[str, Sex] = {"male": "M", "female": "F"}
_PUBLISHED = "use the published file"
_WHERE_FROM = "data_cards/vignettes.md says where to get it"


@dataclass(frozen=True, slots=True)
class GoldDiagnosis:
    """One member of a gold differential: the source's own name, and the condition's key (None: not in the vocabulary).

    `probability` is in [0, 1], None where the source has none; `quotes` are its evidence, as found in the text.
    """

    name: str
    key: str | None
    probability: float | None = None
    quotes: tuple[Quote, ...] = ()


@dataclass(frozen=True, slots=True)
class Vignette:
    """One outside case, with its pathology, its gold differential, both or neither.

    `gold` is the source's own name of the pathology, empty where it states none; `key` is its condition's key, None
    when it is not in the vocabulary. `ref` is the source's own number or id of the case.
    """

    case: Case
    gold: str
    key: str | None
    source: str
    ref: str
    differential: tuple[GoldDiagnosis, ...] = ()

    @property
    def gold_keys(self) -> tuple[str, ...]:
        """The conditions of the gold differential that are in the vocabulary, each once."""
        return tuple(dict.fromkeys(d.key for d in self.differential if d.key is not None))


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
    for number, row in json_rows(read_utf8(path), path):
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
    gold = one_line(_string(row, "correct_diagnosis", where))
    text = one_line(_string(row, "case_description", where))
    return str(number), gold, Case(case_id=f"semigran-{number}", text=text)


def _craft_md(row: Mapping[str, Any], where: str) -> tuple[str, str, Case]:
    ref = row.get("id")
    if isinstance(ref, bool) or not isinstance(ref, int | str):
        raise InputError(f"{where}, column id: expected a number; {_PUBLISHED}")
    gold = one_line(_string(row, "answer", where))
    context = row.get("context")
    text = _joined(context) if isinstance(context, list) and all(isinstance(s, str) for s in context) else ""
    if not text:
        raise InputError(f"{where}, column context: expected a list of sentences; {_PUBLISHED}")
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
    lines = [line for line in map(one_line, sentences) if line]
    return " ".join(line if line.endswith((".", "?", "!")) else line + "." for line in lines)


def strict_key(name: str, matcher: Matcher) -> str | None:
    """The key of the condition that a gold name is: its key, a name, a synonym or an ICD-10 code; never by spelling.

    >>> matcher = Matcher(load_vocabulary())
    >>> [strict_key(name, matcher) for name in ("acute_hiv", "heart attack", "I26.9", "heart attak")]
    ['acute_hiv', 'myocardial_infarction', 'pulmonary_embolism', None]
    """
    match = matcher.match(name)
    if match.condition is not None and match.method != "fuzzy":
        return match.condition.key
    return name if name in {condition.key for condition in matcher.vocabulary} else None


def one_line(text: str) -> str:
    """The text with runs of blanks and hard line breaks as single spaces."""
    return " ".join(text.split())


def _string(row: Mapping[str, Any], column: str, where: str) -> str:
    value = row.get(column)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{where}, column {column}: missing or empty; {_PUBLISHED}")
    return value


def _require_key(key: str, vocabulary: Vocabulary, where: str) -> None:
    try:
        vocabulary.by_key(key)
    except KeyError:
        raise InputError(
            f"{where}: the vocabulary in use has no condition {key!r}; extend the project's own instead"
        ) from None


def json_rows(text: str, path: Path, remedy: str = _PUBLISHED) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON-lines text with their line numbers, from 1; blank lines are passed over.

    Raises InputError, naming file and line and ending in `remedy`, where a line is no object.
    """
    # split at "\n" only: JSON strings may hold other separators that splitlines() would break at.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
            raise InputError(f"{path}, line {number}: not JSON ({reason}); {remedy}") from None
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number}: expected an object; {remedy}")
        yield number, row


def read_utf8(path: Path, missing: str = _WHERE_FROM) -> str:
    """The text of a UTF-8 file, with or without BOM. Raises InputError; `missing` says what to do without the file."""
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder; give the folder that holds {path.name}")
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {missing}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); check the file, and save it as UTF-8") from None
