"""Columns by other names: options and a mapping file, and what is said of a name that is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddx.case import Case
from ddx.errors import InputError
from ddx.scoring.mapping import ColumnMapping, read_mapping
from ddx.scoring.readers import open_table
from ddx.scoring.rows import RowError, read_case

GERMAN = "Nr;Alter;Geschlecht;Anamnese;Befund;Station\n7;58,5;W;Husten;blass;3\n8;40;D;;rot;3\n"
YAML = """
columns: {case_id: Nr, age: alter, sex: " Geschlecht "}
values:
  sex: {W: F, D: "", 1: M}
text_columns: [Anamnese, Befund]
"""


def cases(tmp_path: Path, content: str, mapping: ColumnMapping) -> list[Case]:
    (tmp_path / "cases.csv").write_text(content, encoding="utf-8")
    table = open_table(tmp_path / "cases.csv", mapping)
    return [read_case(table, record) for record in table.records()]


def from_yaml(tmp_path: Path, content: str, *options: str) -> ColumnMapping:
    (tmp_path / "map.yaml").write_text(content, encoding="utf-8")
    return read_mapping(tmp_path / "map.yaml", options)


def test_a_mapping_file(tmp_path: Path) -> None:
    assert cases(tmp_path, GERMAN, from_yaml(tmp_path, YAML)) == [
        Case("7", 58.5, "F", text="Anamnese: Husten\nBefund: blass"),
        Case("8", 40.0, None, text="Befund: rot"),
    ]


def test_the_text_comes_before_the_columns_that_are_joined_to_it(tmp_path: Path) -> None:
    mapping = ColumnMapping(text_columns=("Befund",))
    assert cases(tmp_path, "Befund,text\nblass,Husten\n", mapping)[0].text == "Husten\nBefund: blass"


def test_options_go_before_the_file(tmp_path: Path) -> None:
    mapping = from_yaml(tmp_path, YAML, "age=Station", "TEXT = Anamnese")
    assert mapping.columns == {"case_id": "Nr", "age": "Station", "sex": "Geschlecht".join("  "), "text": "Anamnese"}
    assert read_mapping(None, ["age=Age = at visit"]).columns == {"age": "Age = at visit"}


def test_a_mapped_column_is_read_in_place_of_the_one_with_the_name(tmp_path: Path) -> None:
    mapping = read_mapping(None, ["age=Age at visit"])
    assert cases(tmp_path, "age,Age at visit,text\nabc,5,cough\n", mapping)[0].age == 5.0


def test_names_of_the_mapping_help_to_find_the_separator(tmp_path: Path) -> None:
    content = 'Nr;Anamnese;"a, b, c, d, e"\n1;Husten;x\n'
    assert cases(tmp_path, content, read_mapping(None, ["text=Anamnese"]))[0].text == "Husten"


def test_reasons_name_the_column_as_the_file_does(tmp_path: Path) -> None:
    with pytest.raises(RowError, match="^row 3, column Alter: 'x' is not a number of years$"):
        cases(tmp_path, "Alter,text\n5,a\nx,a\n", read_mapping(None, ["age=Alter"]))


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("age", "--map age: write it as NAME=COLUMN"),
        ("age=", "write it as NAME=COLUMN"),
        ("agee=Alter", "agee is not one of case_id, age, sex, text, .*; did you mean 'age'[?]"),
        ("age=Altr", "cases.csv: age: no column is called 'Altr'; did you mean 'Alter'[?]"),
        ("age=Geburtsdatum", "age: no column is called 'Geburtsdatum'; check the header"),
    ],
)
def test_an_option_that_means_nothing(tmp_path: Path, option: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        cases(tmp_path, GERMAN, read_mapping(None, [option, "text=Anamnese"]))


def test_a_name_given_twice(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="age is given twice"):
        read_mapping(None, ["age=a", "Age=b"])


def test_a_mapped_column_that_is_there_twice(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two columns are called 'note'"):
        cases(tmp_path, "note,Note,text\n1,2,x\n", read_mapping(None, ["age=note"]))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("column: {age: Alter}", "unknown key column; known are columns, values, text_columns; did you mean 'columns'"),
        ("columns: {agee: Alter}", "columns.agee is not one of case_id, .*; did you mean 'age'[?]"),
        ("values: {sx: {W: F}}", "values.sx is not one of .*; did you mean 'sex'[?]"),
        ("columns: [age]", "columns is not as expected: write NAME: COLUMN"),
        ("columns: {age: [a]}", "columns.age is not as expected: write NAME: COLUMN"),
        ("values: {sex: {No: F}}", "values.sex.* is not as expected: .*with quotes"),
        ("text_columns: Anamnese", "text_columns is not as expected: write a list of columns"),
        ("columns: {age: {", "not readable as YAML [(]line 1[)]"),
        ("- age", "expected columns, values or text_columns"),
        ("", "the file is empty"),
        ("# nothing", "expected columns, values or text_columns"),
        ("text_columns: [Anamnes]", "text_columns: no column is called 'Anamnes'; did you mean 'Anamnese'[?]"),
        ("columns: !!python/object:os.system {}", "not readable as YAML"),
    ],
)
def test_a_mapping_file_that_is_wrong(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as error:
        cases(tmp_path, GERMAN, from_yaml(tmp_path, content))
    assert "\n" not in str(error.value)
