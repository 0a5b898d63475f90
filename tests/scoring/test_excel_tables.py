"""Workbooks: values with their types, the sheet that is read, and what openpyxl's read-only mode does not say."""

from __future__ import annotations

import io
import warnings
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from table_makers import repacked, saved, workbook

from ddx.errors import InputError
from ddx.scoring.readers import open_table
from ddx.scoring.rows import read_case
from ddx.scoring.table import Table

SHEET = "xl/worksheets/sheet1.xml"


def opened(tmp_path: Path, content: bytes, sheet: str | None = None) -> Table:
    (tmp_path / "cases.xlsx").write_bytes(content)
    return open_table(tmp_path / "cases.xlsx", sheet=sheet)


def two_sheets() -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    book.active.title = "Info"
    book.active.append(["text"])
    book.active.append(["from Info"])
    book.create_sheet("Cases 2024").append(["text"])
    book["Cases 2024"].append(["from Cases"])
    return book


def test_values_keep_their_types_and_cells_are_text(tmp_path: Path) -> None:
    day, minute = datetime(2024, 3, 1), datetime(2024, 3, 1, 10, 30)
    rows: list[list[Any]] = [["case_id", "age", "text", "a", "b", "c"], [7, 1.5, "cough", day, minute, True]]
    table = opened(tmp_path, workbook(rows))
    record = next(table.records())
    assert record.values == rows[1]
    assert record.cells == ["7", "1.5", "cough", "2024-03-01", "2024-03-01 10:30:00", "true"]
    assert table.types == ("int64", "double", "string", "timestamp[us]", "timestamp[us]", "bool")
    case = read_case(table, record)
    assert (case.case_id, case.age, case.text) == ("7", 1.5, "cough")


def test_rows_are_counted_as_excel_does_and_blank_ones_left_out(tmp_path: Path) -> None:
    table = opened(tmp_path, workbook([[None], ["age", "text"], [None, " "], [5, "a"], [], [None, None], [6, "b"]]))
    assert (table.header_row, table.rows) == (2, 2)
    assert [record.number for record in table.records()] == [4, 7]


def test_the_first_visible_sheet_or_the_one_that_is_named(tmp_path: Path) -> None:
    book = two_sheets()
    assert next(opened(tmp_path, saved(book)).records()).cells == ["from Info"]
    assert next(opened(tmp_path, saved(book), "Cases 2024").records()).cells == ["from Cases"]
    book.active = 1
    book["Info"].sheet_state = "hidden"
    assert opened(tmp_path, saved(book)).sheet == "Cases 2024"


def test_a_sheet_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no sheet 'Cases 2023'; did you mean 'Cases 2024'[?]"):
        opened(tmp_path, saved(two_sheets()), "Cases 2023")
    with pytest.raises(InputError, match="no sheet 'x'; there are 'Info', 'Cases 2024'"):
        opened(tmp_path, saved(two_sheets()), "x")


def test_an_empty_sheet_names_the_others(tmp_path: Path) -> None:
    book = two_sheets()
    book["Info"].delete_rows(1, 2)
    with pytest.raises(InputError, match="sheet 'Info' is empty; .*--sheet: 'Info', 'Cases 2024'"):
        opened(tmp_path, saved(book))


def test_a_size_that_the_workbook_states_wrongly_costs_no_row(tmp_path: Path) -> None:
    content = workbook([["age", "text"], *[[5, f"case {i}"] for i in range(30)]])
    (tmp_path / "cases.xlsx").write_bytes(content)
    xml = zipfile.ZipFile(tmp_path / "cases.xlsx").read(SHEET)
    assert b'ref="A1:B31"' in xml
    table = opened(tmp_path, repacked(content, {SHEET: xml.replace(b'ref="A1:B31"', b'ref="A1:A2"')}))
    assert table.rows == 30
    assert next(table.records()).cells == ["5", "case 0"]


def test_a_formula_with_a_stored_value_is_that_value(tmp_path: Path) -> None:
    content = workbook([["age", "text"], ["=50+8", "cough"], ["=60+8", "cough"]])
    (tmp_path / "cases.xlsx").write_bytes(content)
    xml = zipfile.ZipFile(tmp_path / "cases.xlsx").read(SHEET)
    xml = xml.replace(b"<f>50+8</f><v />", b"<f>50+8</f><v>58</v>")
    table = opened(tmp_path, repacked(content, {SHEET: xml}))
    first, second = table.records()
    assert read_case(table, first).age == 58
    assert second.cells[0] == "=60+8"  # kept, and not read
    assert second.values is not None and second.values[0].why.startswith("a formula without a stored value")


def test_nothing_is_said_of_styles_that_openpyxl_does_not_know(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened(tmp_path, repacked(workbook([["text"], ["cough"]]), {"xl/theme/theme1.xml": None}))


def test_strings_are_found_where_excel_keeps_them(tmp_path: Path) -> None:
    """Excel writes every text once, in a part of its own, in runs where a part of it is bold; openpyxl does not."""
    space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    shared = f"<sst {space}><si><t>text</t></si><si><r><t>chest </t></r><r><rPr><b/></rPr><t>pain</t></r></si></sst>"
    cells = '<row r="1"><c r="A1" t="s"><v>0</v></c></row><row r="2"><c r="A2" t="s"><v>1</v></c></row>'
    plain, types = workbook([["text"]]), "[Content_Types].xml"
    listed = zipfile.ZipFile(io.BytesIO(plain)).read(types).decode()
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/></Types>'
    parts = {
        SHEET: f"<worksheet {space}><sheetData>{cells}</sheetData></worksheet>",
        "xl/sharedStrings.xml": shared,
        types: listed.replace("</Types>", override),
    }
    content = repacked(plain, {name: part.encode() for name, part in parts.items()})
    assert [record.cells for record in opened(tmp_path, content).records()] == [["chest pain"]]


def test_a_workbook_of_another_program_with_prefixed_names(tmp_path: Path) -> None:
    space = 'xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    rows = [("text", 5), ("cough", 6), ("", 7)]
    cells = "".join(
        f'<x:row><x:c t="str"><x:v>{text}</x:v></x:c><x:c><x:v>{number}</x:v></x:c></x:row>' for text, number in rows
    )
    merged = '<x:mergeCells count="1"><x:mergeCell ref="A2:A3"/></x:mergeCells>'
    xml = f"<x:worksheet {space}><x:sheetData>{cells}</x:sheetData>{merged}</x:worksheet>"
    table = opened(tmp_path, repacked(workbook([["text"]]), {SHEET: xml.encode()}))
    first, second = table.records()
    assert (first.cells, second.cells) == (["cough", "6"], ["", "7"])
    assert second.values is not None and second.values[0].why.startswith("part of the merged cells A2:A3")
