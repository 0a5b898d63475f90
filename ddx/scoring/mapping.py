"""Which column means what: by its own name, or as `--map age="Age at visit"` and a mapping file say."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from ddx.errors import InputError
from ddx.scoring.encodings import read_text

__all__ = ["KNOWN_COLUMNS", "ColumnMapping", "meant", "read_mapping", "recognise"]

KNOWN_COLUMNS = ("case_id", "age", "sex", "text", "findings", "evidences", "initial_evidence")
_CONTENT = ("text", "findings", "evidences")


def _known(name: str) -> str:
    if name not in KNOWN_COLUMNS:
        raise PydanticCustomError("unknown_column", "unknown column")
    return name


Known = Annotated[str, AfterValidator(_known)]


class ColumnMapping(BaseModel):
    """What a mapping file may hold; unknown keys are refused.

    columns: a known name to the header that stands for it (`age: Alter`). values: for a known name, what a cell
    says to what it means (`sex: {W: F}`), cells without an entry stay as they are. text_columns: columns joined
    into the text, in this order, each behind its header.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    columns: dict[Known, str] = Field(default_factory=dict)
    values: dict[Known, dict[str, str]] = Field(default_factory=dict)
    text_columns: tuple[str, ...] = ()


def read_mapping(file: Path | None, options: Iterable[str] = ()) -> ColumnMapping:
    """The mapping of a YAML file, and of options such as `age=Age at visit`, which go before it.

    Raises InputError naming the key at fault and the name that was probably meant.
    """
    mapping = ColumnMapping() if file is None else _from_yaml(file)
    chosen: dict[str, str] = {}
    for option in options:
        name, equals, header = option.partition("=")
        name, header = name.strip().casefold(), header.strip()
        if not (equals and header):
            raise InputError(f'--map {option}: write it as NAME=COLUMN, such as age="Age at visit"')
        if name not in KNOWN_COLUMNS:
            raise InputError(
                f"--map {option}: {name} is not one of {', '.join(KNOWN_COLUMNS)}{meant(name, KNOWN_COLUMNS)}"
            )
        if name in chosen:
            raise InputError(f"--map: {name} is given twice")
        chosen[name] = header
    return ColumnMapping.model_validate({**mapping.model_dump(), "columns": {**mapping.columns, **chosen}})


def recognise(
    path: Path, header: Sequence[str], mapping: ColumnMapping, header_row: int | None = None
) -> tuple[dict[str, int], tuple[int, ...]]:
    """(positions of the known names, positions of `text_columns`); names are compared trimmed and without case.

    Raises InputError when a name of the mapping is not there, when a column that is read is there twice, and
    when no column could hold a case. `header_row` is the row the header stands in, None where keys name the cells.
    """
    names = [name.strip().casefold() for name in header]
    known = {name: _position(path, header, wanted, f"{name}: ") for name, wanted in mapping.columns.items()}
    text = tuple(_position(path, header, wanted, "text_columns: ") for wanted in mapping.text_columns)
    taken = {*known.values(), *text}
    for name in KNOWN_COLUMNS:
        if name not in known and name in names and names.index(name) not in taken:
            known[name] = _position(path, header, name, "")
    if not (text or any(name in known for name in _CONTENT)):
        # the cells are not shown: without a header they are a patient's data
        count = f"{len(header)} column{'s' if len(header) != 1 else ''}"
        hint = "the first row must name the columns, and one of these three is needed"
        raise InputError(
            f"{path}: {'the table' if header_row is None else f'row {header_row}'} has {count}, none called text, "
            f"findings or EVIDENCES; {'one of these three is needed' if header_row is None else hint} "
            "(or say which column it is with --map text=COLUMN)"
        )
    if "findings" in known and "evidences" in known:
        raise InputError(f"{path}: both findings and EVIDENCES are there; remove one of the two columns")
    return {name: known[name] for name in KNOWN_COLUMNS if name in known}, text


def _position(path: Path, header: Sequence[str], wanted: str, whose: str) -> int:
    name, names = wanted.strip().casefold(), [name.strip().casefold() for name in header]
    found = [at for at, other in enumerate(names) if other == name]
    if not found:
        near = meant(name, header)
        raise InputError(f"{path}: {whose}no column is called {wanted.strip()!r}{near or '; check the header'}")
    if len(found) > 1:
        raise InputError(f"{path}: two columns are called {name!r}; rename or remove one")
    return found[0]


def meant(name: str, names: Iterable[str]) -> str:
    """Only a close match is named: where a header is missing, the names are a patient's data."""
    written = {n.strip().casefold(): n.strip() for n in names if n.strip()}
    near = difflib.get_close_matches(name.strip().casefold(), written, n=1, cutoff=0.6)
    return f"; did you mean {written[near[0]]!r}?" if near else ""


def _from_yaml(file: Path) -> ColumnMapping:
    try:
        content = yaml.safe_load(read_text(file))
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark else ""
        raise InputError(f"{file}: not readable as YAML{where}; write columns: {{age: Alter}}") from None
    if not isinstance(content, Mapping):
        raise InputError(f"{file}: expected columns, values or text_columns, such as columns: {{age: Alter}}")
    try:
        return ColumnMapping.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        keys = [str(key) for key in first["loc"] if key != "[key]"]
        where = ".".join(keys)
        if first["type"] == "extra_forbidden":
            names: Iterable[str] = ColumnMapping.model_fields
            raise InputError(
                f"{file}: unknown key {where}; known are {', '.join(names)}{meant(where, names)}"
            ) from None
        if first["type"] == "unknown_column":
            near = meant(keys[-1], KNOWN_COLUMNS)
            raise InputError(f"{file}: {where} is not one of {', '.join(KNOWN_COLUMNS)}{near}") from None
        raise InputError(f"{file}: {where} is not as expected: {_WANTED[keys[0]]}") from None


_WANTED = {
    "columns": "write NAME: COLUMN, such as age: Alter",
    "values": 'write NAME: {"cell": "meaning"}, with quotes, such as sex: {"W": "F"}',
    "text_columns": "write a list of columns, such as [Anamnese, Befund]",
}
