"""What a table may look like, and the one line that says why it can't be read."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from ddx.errors import InputError
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


BAD_FILES = {
    "empty": (b"", "is empty"),
    "only a BOM": (b"\xef\xbb\xbf", "is empty"),
    "only blank lines": (b"\n\r\n  \n;;;\n,,\n", "is empty"),
    "header only": (b"case_id,age,sex,text\n", "no rows below it"),
    "header and blank lines": (b"case_id,age,sex,text\n\n\n", "no rows below it"),
    "no text, findings or EVIDENCES": (
        b"case_id,age,sex\na,58,M\n",
        "none called text, findings or EVIDENCES",
    ),
    "no header": (
        b"58,M,crushing chest pain since noon\n31,F,wheezing\n",
        "the first row must name the columns",
    ),
    "duplicate header": (b"text,age,Text\na,1,b\n", "two columns are called 'text'"),
    "duplicate header in another case": (b"age,AGE ,text\n1,2,b\n", "two columns are called 'age'"),
    "findings and EVIDENCES": (b"findings,EVIDENCES\nE_91,E_91\n", "both findings and EVIDENCES"),
    "NUL bytes": (b"text\ncou\x00gh\n", "binary data (NUL at line 2)"),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "binary data"),
    "a workbook": (b"PK\x03\x04\x14\x00\x06\x00", "an Excel workbook or a zip archive"),
    "UTF-16 without a mark": ("text\ncough\n".encode("utf-16-le"), "binary data"),
    "UTF-16 cut in half": ("text\ncough\n".encode("utf-16") + b"\x41", "not readable as utf-16"),
    "a mark that lies": (b"\xef\xbb\xbftext\nfi\xe8vre\n", "not readable as utf-8-sig"),
    "no known encoding": (b"text\n\x81\x8d\x8f\n", "not readable as utf-8 or cp1252"),
    "half a gzip file": (gzip.compress(PLAIN.encode() * 50)[:60], "damaged gzip"),
    "gzip in name only": (b"\x1f\x8bnot gzip at all", "damaged gzip"),
    "declared separator and nothing": (b"sep=;\n", "is empty"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, kind: str) -> None:
    content, reason = BAD_FILES[kind]
    with pytest.raises(InputError) as error:
        opened(tmp_path, content)
    message = str(error.value)
    assert reason in message
    assert message.startswith(f"{tmp_path / 'cases.csv'}: ")
    assert "\n" not in message


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
