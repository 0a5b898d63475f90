"""Reader of DDXPlus (Fansi Tchango et al. 2022; CC-BY 4.0) as published: CSV, gzip or zip, English or French.

A patient's evidences are read in the order of the file. Names of conditions are resolved by the project's
vocabulary. In most rows of the test release the differential is a set in alphabetical order, not a ranking:
`gold_probs` is None there.
"""

from __future__ import annotations

import ast
import csv
import gzip
import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ddx.case import Finding, Sex, read_age, read_sex
from ddx.errors import InputError
from ddx.vocabulary import Vocabulary, load_vocabulary

GOLD_THRESHOLD = 0.01  # DDXPlus's own: a listed probability at or below it is not part of the differential
_REQUIRED = ("AGE", "SEX", "EVIDENCES")


@dataclass(frozen=True)
class Patient:
    """One DDXPlus patient. `pathology` and `gold` are condition keys; `pathology` is None when ambiguous."""

    patient_id: str
    age: float
    sex: Sex
    evidences: tuple[str, ...]
    initial: str | None
    pathology: str | None
    gold: tuple[str, ...]
    gold_probs: tuple[float, ...] | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All evidences as findings, in the order of the file."""
        return tuple(Finding.from_ddxplus(e) for e in self.evidences)


def patient_id(age: float, sex: str, evidences: tuple[str, ...]) -> str:
    """A patient's identity: the first 16 hex digits of SHA-256 over age, sex and sorted evidences.

    Two rows with the same presentation get the same id, so duplicates can't fall on both sides of a split.
    """
    return hashlib.sha256(f"{age:g}|{sex}|{'|'.join(sorted(evidences))}".encode()).hexdigest()[:16]


def patient_files(source: Path) -> list[Path]:
    """The patient files in a folder (or the one file), in a fixed order."""
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise InputError(f"{source}: no such folder; give the folder that holds the DDXPlus patient files")
    found = sorted(p for p in source.iterdir() if "patients" in p.name and p.name.endswith((".csv", ".gz", ".zip")))
    if not found:
        raise InputError(f"{source}: no DDXPlus patient files (release_*_patients.zip or *.csv) in this folder")
    return found


def read_patients(path: Path, vocabulary: Vocabulary | None = None) -> Iterator[Patient]:
    """Patients of one file. Raises InputError naming the file, the row and the column at fault."""
    vocabulary = vocabulary or load_vocabulary()
    try:
        with _open(path) as handle:
            reader = csv.DictReader(handle)
            missing = [c for c in _REQUIRED if c not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"{path}: column {missing[0]} is missing; this is not a DDXPlus patient file")
            for number, row in enumerate(reader, start=2):
                yield _patient(row, f"{path}, row {number}", vocabulary)
    except (UnicodeDecodeError, csv.Error, zipfile.BadZipFile, EOFError, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: cannot be read as a CSV table ({error}); download it again") from None


def parse_evidences(text: str, where: str) -> tuple[str, ...]:
    """DDXPlus's EVIDENCES column: a list of codes written as a Python or JSON list, or split by spaces/;.

    >>> parse_evidences("['E_53', 'E_54_@_V_161']", "row 1")
    ('E_53', 'E_54_@_V_161')
    """
    text = text.strip()
    if text.startswith("["):
        value = _literal(text, f"{where}, column EVIDENCES")
        if not all(isinstance(v, str) for v in value):
            raise InputError(f"{where}, column EVIDENCES: expected a list of codes such as 'E_53'")
        return tuple(value)
    return tuple(text.replace(";", " ").replace(",", " ").split())


def _patient(row: dict[str, str], where: str, vocabulary: Vocabulary) -> Patient:
    age, sex = read_age(row["AGE"], f"{where}, column AGE"), read_sex(row["SEX"], f"{where}, column SEX")
    if age is None or sex is None:
        raise InputError(f"{where}: AGE and SEX must not be empty")
    evidences = parse_evidences(row["EVIDENCES"], where)
    gold: list[str] = []
    probs: list[float] | None = []
    for entry in _literal(row.get("DIFFERENTIAL_DIAGNOSIS") or "[]", f"{where}, column DIFFERENTIAL_DIAGNOSIS"):
        name, prob = (entry, None) if isinstance(entry, str) else (entry[0], float(entry[1]))
        if prob is not None and prob <= GOLD_THRESHOLD:
            continue
        gold.append(_key(name, f"{where}, column DIFFERENTIAL_DIAGNOSIS", vocabulary))
        probs = None if prob is None or probs is None else [*probs, prob]
    pathology = (row.get("PATHOLOGY") or "").strip()
    return Patient(
        patient_id(age, sex, evidences),
        age,
        sex,
        evidences,
        (row.get("INITIAL_EVIDENCE") or "").strip() or None,
        _key(pathology, f"{where}, column PATHOLOGY", vocabulary) if pathology else None,
        tuple(gold),
        tuple(probs) if probs else None,
    )


def _key(name: str, where: str, vocabulary: Vocabulary) -> str:
    try:
        return vocabulary.from_ddxplus(name).key
    except KeyError:
        raise InputError(f"{where}: {name!r} is not a DDXPlus condition") from None


def _literal(text: str, where: str) -> list:
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise InputError(f"{where}: not a list") from None
    if not isinstance(value, list):
        raise InputError(f"{where}: not a list")
    return value


def _open(path: Path) -> io.TextIOBase:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    if path.suffix == ".zip":
        archive = zipfile.ZipFile(path)
        if not archive.namelist():
            raise zipfile.BadZipFile("the archive is empty")
        return io.TextIOWrapper(archive.open(archive.namelist()[0]), encoding="utf-8-sig", newline="")
    return open(path, encoding="utf-8-sig", newline="")
