"""What a table may look like, told by its content. What can't be read is in `malformed_files.py`."""

from __future__ import annotations

import gzip
import json
import pickle
import zipfile
from datetime import date
from pathlib import Path

import pytest
from table_makers import bundle, condition, jsonl_file, parquet_file, patient, workbook

from ddx.errors import InputError
from ddx.scoring.mapping import ColumnMapping
from ddx.scoring.readers import Table, open_table, read_text

PLAIN = "case_id,age,sex,text\na,58,M,chest pain\nb,31,F,wheezing\n"
SEMICOLONS = PLAIN.replace(",", ";")


def opened(tmp_path: Path, content: str | bytes, encoding: str = "utf-8", name: str = "cases.csv") -> Table:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return open_table(path)


def rows_of(table: Table) -> list[list[str]]:
    return [record.cells for record in table.records()]


@pytest.mark.parametrize(
    ("content", "encoding", "expected"),
    [
        (PLAIN, "utf-8", ("utf-8", False, ",")),
        (PLAIN, "utf-8-sig", ("utf-8-sig", True, ",")),
        (SEMICOLONS, "utf-8", ("utf-8", False, ";")),
        (PLAIN.replace(",", "\t"), "utf-16", ("utf-16", True, "\t")),
        (PLAIN.replace(",", "|"), "utf-8", ("utf-8", False, "|")),
        (PLAIN.replace("chest pain", "douleur thoracique fébrile"), "cp1252", ("cp1252", False, ",")),
        (PLAIN.replace("\n", "\r\n"), "utf-8", ("utf-8", False, ",")),
        (PLAIN.replace("\n", "\r"), "utf-8", ("utf-8", False, ",")),
        ("sep=;\n" + SEMICOLONS, "utf-8", ("utf-8", False, ";")),
        ("sep=|\r\n" + PLAIN.replace(",", "|"), "utf-8", ("utf-8", False, "|")),
        ("\n\n" + PLAIN, "utf-8", ("utf-8", False, ",")),
        (PLAIN.rstrip("\n"), "utf-8", ("utf-8", False, ",")),
        (PLAIN.replace("case_id,age,sex,text", " Case_ID , AGE ,Sex, TEXT "), "utf-8", ("utf-8", False, ",")),
    ],
)
def test_the_same_table_in_many_dresses(
    tmp_path: Path, content: str, encoding: str, expected: tuple[str, bool, str]
) -> None:
    table = opened(tmp_path, content, encoding)
    assert (table.encoding, table.bom, table.separator) == expected
    assert table.columns == {"case_id": 0, "age": 1, "sex": 2, "text": 3}
    assert table.rows == 2
    assert [cells[:3] for cells in rows_of(table)] == [["a", "58", "M"], ["b", "31", "F"]]


def test_gzip_is_read_whatever_its_name(tmp_path: Path) -> None:
    for name in ("cases.csv.gz", "cases.csv"):
        assert rows_of(opened(tmp_path, gzip.compress(PLAIN.encode()), name=name))[0][0] == "a"


def test_a_zip_archive_with_one_file_is_read(tmp_path: Path) -> None:
    for name, content in {"cases.csv": PLAIN.encode(), "cases.jsonl": b'{"case_id": "a", "text": "cough"}'}.items():
        with zipfile.ZipFile(tmp_path / "cases.zip", "w") as archive:
            archive.writestr(name, content)
        table = open_table(tmp_path / "cases.zip")
        assert (table.kind, rows_of(table)[0][0]) == (name.split(".")[1], "a")


def test_the_content_says_what_a_file_is(tmp_path: Path) -> None:
    kinds = {
        "csv": PLAIN.encode(),
        "xlsx": workbook([["text"], ["cough"]]),
        "parquet": parquet_file({"text": ["cough"]}),
        "jsonl": b'{"text": "cough"}\n',
        "fhir": jsonl_file([json.dumps(bundle(patient(), condition()))]),
    }
    for kind, content in kinds.items():
        for name in ("cases", "cases.csv", "cases.dat"):
            assert opened(tmp_path, content, name=name).kind == kind


def test_a_sheet_and_a_day_are_refused_where_they_mean_nothing(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text(PLAIN)
    with pytest.raises(InputError, match="only an Excel workbook has sheets"):
        open_table(tmp_path / "cases.csv", sheet="Cases")
    with pytest.raises(InputError, match="only FHIR has birth dates"):
        open_table(tmp_path / "cases.csv", on=date(2020, 1, 1))


def test_describe_names_all_that_the_cases_depend_on(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text("Alter;text;note\n5;cough;x\n")
    mapping = ColumnMapping(columns={"age": "Alter"}, values={"age": {"old": "80"}}, text_columns=("note",))
    table = open_table(tmp_path / "cases.csv", mapping)
    assert json.loads(json.dumps(table.describe())) == {
        "kind": "csv",
        "encoding": "utf-8",
        "separator": ";",
        "sheet": None,
        "on": None,
        "columns": {"age": "Alter", "text": "text"},
        "text_columns": ["note"],
        "values": {"age": {"old": "80"}},
        "rows": 1,
    }


def test_headers_that_nobody_reads_may_repeat_and_be_padded(tmp_path: Path) -> None:
    table = opened(tmp_path, " Text ,note,note,,\ncough,1,2,3,4\n")
    assert table.columns == {"text": 0}
    assert table.header == (" Text ", "note", "note", "", "")


def test_commas_in_the_text_do_not_decide_the_separator(tmp_path: Path) -> None:
    table = opened(tmp_path, 'case_id;text;"remarks, notes, and more, of, any, kind"\na;cough, fever, chills;x\n')
    assert table.separator == ";"
    assert rows_of(table) == [["a", "cough, fever, chills", "x"]]


def test_a_quoted_newline_is_one_row_and_rows_are_counted_as_a_spreadsheet_does(tmp_path: Path) -> None:
    table = opened(tmp_path, 'case_id,text\na,"first\nsecond\r\nthird"\n\nb,"say ""ah"""\n')
    records = list(table.records())
    assert [(r.number, r.cells[1], r.problem) for r in records] == [
        (2, "first\nsecond\r\nthird", None),
        (4, 'say "ah"', None),
    ]


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ('a,"cough\nb,fever\nc,chills\n', 3),  # never closed
        ('a,"cough\nb,"fever"\nc,chills\n', 2),  # closed by the next row's opening quote
    ],
)
def test_a_forgotten_quote_does_not_join_two_patients(tmp_path: Path, body: str, lines: int) -> None:
    record = next(opened(tmp_path, "case_id,text\n" + body).records())
    assert record.problem == f"a quote is out of place, so that {lines} lines of the file were read as this one row"


def test_an_inch_mark_is_no_forgotten_quote(tmp_path: Path) -> None:
    records = list(opened(tmp_path, 'case_id,text\na,5" laceration\nb,2" wound').records())
    assert [(r.cells[1], r.problem) for r in records] == [('5" laceration', None), ('2" wound', None)]


def test_a_cell_of_ten_megabytes_is_read(tmp_path: Path) -> None:
    table = opened(tmp_path, "case_id,text\na," + "x" * 10_000_000 + "\nb,cough\n")
    assert [len(cells[1]) for cells in rows_of(table)] == [10_000_000, 5]


def test_a_file_without_a_header_is_not_quoted_back(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        opened(tmp_path, b"58,M,crushing chest pain since noon\n")
    assert "crushing" not in str(error.value)


def test_a_folder_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this is a folder"):
        open_table(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        open_table(tmp_path / "none.csv")


def test_read_text_takes_the_encodings_of_tables(tmp_path: Path) -> None:
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252"):
        (tmp_path / "case.txt").write_bytes("fièvre\n".encode(encoding))
        assert read_text(tmp_path / "case.txt") == "fièvre\n"


def test_a_table_can_be_sent_to_another_process(tmp_path: Path) -> None:
    table = pickle.loads(pickle.dumps(opened(tmp_path, workbook([["text", "x"], ["=1", "#N/A"]]), name="cases.xlsx")))
    record = pickle.loads(pickle.dumps(next(table.records())))
    assert record.cells == ["=1", "#N/A"]
    assert record.values[1].why == "#N/A, an error in Excel"
