"""The conditions a differential may name: an ordered vocabulary, read from a table anyone can edit."""

import csv
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property, lru_cache
from importlib.resources import as_file, files
from io import StringIO
from pathlib import Path

from ddx.errors import InputError
from ddx.vocabulary.normalising import normalise

__all__ = ["Condition", "Vocabulary", "load_vocabulary"]

MUST_NOT_MISS_SEVERITY = 2
_DEFAULT_SEVERITY = 3
_COLUMNS = ("key", "name", "short", "ddxplus", "ddxplus_fr", "icd10", "severity", "body_system", "synonyms")
_KEY = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
_ICD10 = re.compile(r"[A-Z]\d\d(\.\d{1,2})?")


@dataclass(frozen=True, slots=True)
class Condition:
    """One entry of a vocabulary.

    `short` is what a model writes, `name` what a clinician reads. `icd10` is a WHO ICD-10 code, or
    empty for a user's own condition without one. `severity` runs from 1 (most severe) to 5.
    """

    key: str
    name: str
    short: str
    icd10: str
    severity: int
    body_system: str
    synonyms: tuple[str, ...] = ()
    ddxplus: str | None = None
    ddxplus_fr: str | None = None

    @property
    def must_not_miss(self) -> bool:
        """Severity 1 or 2."""
        return self.severity <= MUST_NOT_MISS_SEVERITY

    @property
    def labels(self) -> tuple[str, ...]:
        """Every text that names this condition, the preferred ones first."""
        source = () if self.ddxplus is None else (self.ddxplus,)
        return (self.name, self.short, *source, *self.synonyms)


class Vocabulary:
    """Conditions in a fixed order, in which no text names two of them.

    >>> vocabulary = load_vocabulary()
    >>> len(vocabulary), vocabulary.from_ddxplus("SLE").icd10, vocabulary.by_key("gerd").name
    (49, 'M32', 'Gastroesophageal reflux disease')
    """

    def __init__(self, conditions: Iterable[Condition]) -> None:
        self.conditions = tuple(conditions)
        self._index = {condition.key: i for i, condition in enumerate(self.conditions)}
        if len(self._index) < len(self.conditions):
            raise ValueError("two conditions have the same key")
        self._owner: dict[str, str] = {}
        self._source: dict[str, Condition] = {}
        for condition in self.conditions:
            for label in condition.labels:
                other = self._owner.setdefault(normalise(label), condition.key)
                if other != condition.key:
                    raise ValueError(f"{label!r} names both {other} and {condition.key}")
            for name in (condition.ddxplus, condition.ddxplus_fr):
                if name is not None:
                    self._source[normalise(name)] = condition

    def __len__(self) -> int:
        return len(self.conditions)

    def __iter__(self) -> Iterator[Condition]:
        return iter(self.conditions)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.conditions == other.conditions

    def __hash__(self) -> int:
        return hash(self.conditions)

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} conditions, {self.content_hash[:12]})"

    def by_key(self, key: str) -> Condition:
        """The condition with this key; KeyError if there is none."""
        return self.conditions[self._index[key]]

    def index(self, key: str) -> int:
        """The position of the condition with this key; KeyError if there is none."""
        return self._index[key]

    def from_ddxplus(self, name: str) -> Condition:
        """The condition of an English or French DDXPlus name; KeyError if there is none.

        >>> load_vocabulary().from_ddxplus("Embolie pulmonaire").key
        'pulmonary_embolism'
        """
        return self._source[normalise(name)]

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the conditions in their order, for the record of a run."""
        rows = [asdict(condition) for condition in self.conditions]
        text = json.dumps(rows, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def extended(self, path: Path | str) -> "Vocabulary":
        """This vocabulary with the conditions and synonyms of a user's CSV file.

        A row whose `key` exists adds its `synonyms` to that condition and may fill nothing else. Any
        other row is a new condition: `name` is required, `key` defaults to the name in snake case,
        `short` to the name, `severity` to 3. Synonyms are separated by "|".
        """
        path = Path(path)
        conditions = {condition.key: condition for condition in self.conditions}
        owner = dict(self._owner)
        for row, cells in _read_rows(path):
            condition = _from_row(cells, conditions, owner, f"{path}, row {row}")
            conditions[condition.key] = condition
            owner.update((normalise(label), condition.key) for label in condition.labels)
        return Vocabulary(conditions.values())


def _from_row(
    cells: dict[str, str], conditions: Mapping[str, Condition], owner: Mapping[str, str], where: str
) -> Condition:
    """The condition that a row adds, or the known one with the row's synonyms added."""
    synonyms = tuple(s for s in map(str.strip, cells["synonyms"].split("|")) if s)
    key = cells["key"] or normalise(cells["name"]).replace(" ", "_")
    if not key:
        raise InputError(f"{where}, column name: empty; give the condition's name")
    if not _KEY.fullmatch(key):
        raise InputError(f"{where}, column key: {key!r} is not lower-case letters, digits and '_'; write one that is")
    labels = [(column, cells[column]) for column in ("name", "short", "ddxplus") if cells[column]]
    for column, label in [*labels, *(("synonyms", synonym) for synonym in synonyms)]:
        if not normalise(label):
            raise InputError(f"{where}, column {column}: {label!r} has no letters; write a name")
        other = owner.get(normalise(label), key)
        if other != key:
            raise InputError(
                f"{where}, column {column}: {label!r} already names {other}; remove it, or write {other} in "
                "column key to add synonyms to that condition"
            )
    if key in conditions:
        return _with_synonyms(conditions[key], cells, synonyms, where)
    if not cells["name"]:
        raise InputError(f"{where}, column name: empty, and no condition has the key {key}; give its name")
    if cells["severity"] not in {"", "1", "2", "3", "4", "5"}:
        raise InputError(
            f"{where}, column severity: {cells['severity']!r} is not 1 (most severe) to 5; write one of these"
        )
    icd10 = cells["icd10"].upper()
    if icd10 and not _ICD10.fullmatch(icd10):
        raise InputError(
            f"{where}, column icd10: {cells['icd10']!r} is not a WHO ICD-10 code; write one such as I26 or K22.3"
        )
    return Condition(
        key=key,
        name=cells["name"],
        short=cells["short"] or cells["name"],
        icd10=icd10,
        severity=int(cells["severity"] or _DEFAULT_SEVERITY),
        body_system=cells["body_system"] or "other",
        synonyms=tuple(dict.fromkeys(synonyms)),
        ddxplus=cells["ddxplus"] or None,
        ddxplus_fr=cells["ddxplus_fr"] or None,
    )


def _with_synonyms(known: Condition, cells: dict[str, str], synonyms: tuple[str, ...], where: str) -> Condition:
    for column, cell in cells.items():
        same_name = column == "name" and normalise(cell) == normalise(known.name)
        if cell and not same_name and column not in ("key", "synonyms"):
            raise InputError(
                f"{where}, column {column}: {known.key} is already in the vocabulary and only its synonyms can "
                "be added to; empty this cell or choose another key"
            )
    added = tuple(s for s in dict.fromkeys(synonyms) if s not in known.labels)
    return replace(known, synonyms=known.synonyms + added)


def _read_rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a table with their numbers as a spreadsheet shows them: every column, empty where not given."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text; save it as 'CSV UTF-8'") from error
    header = text.partition("\n")[0]
    delimiter = ";" if header.count(";") > header.count(",") else ","
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
    columns = [cell.strip().lower() for cell in next(reader, [])]
    if not {"key", "name"} & set(columns):
        raise InputError(f"{path}, row 1: no column 'key' or 'name'; the columns are {', '.join(_COLUMNS)}")
    for column in columns:
        if column not in _COLUMNS or columns.count(column) > 1:
            problem = "twice" if column in _COLUMNS else "unknown"
            raise InputError(f"{path}, row 1, column {column!r}: {problem}; the columns are {', '.join(_COLUMNS)}")
    for number, cells in enumerate(reader, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(columns):
            raise InputError(
                f"{path}, row {number}: {len(cells)} cells for {len(columns)} columns; quote a cell that "
                f"contains {delimiter!r}"
            )
        given = dict(zip(columns, map(str.strip, cells), strict=False))
        yield number, {column: given.get(column, "") for column in _COLUMNS}


@lru_cache(maxsize=1)
def _default_vocabulary() -> Vocabulary:
    with as_file(files("ddx.vocabulary") / "tables" / "conditions.csv") as path:
        return Vocabulary([]).extended(path)


def load_vocabulary(extra: Path | str | None = None) -> Vocabulary:
    """The project's vocabulary, extended by the user's CSV file `extra` if there is one."""
    vocabulary = _default_vocabulary()
    return vocabulary if extra is None else vocabulary.extended(extra)
