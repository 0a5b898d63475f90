"""`ddx score --check` and the options for columns, sheets and days, through the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from table_makers import bundle, condition, jsonl_file, patient, workbook
from typer.testing import CliRunner, Result

from ddx.cli.main import app


def ddx(*args: object) -> Result:
    return CliRunner().invoke(app, ["score", *map(str, args)])


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    rows = [
        f"{i};{'abc' if i % 3 == 0 else '5,5'};Q;cough\n" if i % 3 == 0 else f"{i};5,5;F;cough\n" for i in range(40)
    ]
    path = tmp_path / "cases.csv"
    path.write_bytes(("Nr;Alter;sex;text\n" + "".join(rows)).encode("utf-8-sig"))
    return path


def test_a_table_without_problems(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text("text,note\ncough,x\nfever,y\n")
    result = ddx(tmp_path / "cases.csv", "--check")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{tmp_path / 'cases.csv'}: CSV, UTF-8, separator comma; 2 rows",
        "read: text",
        "carried along: note",
        "no problems: all 2 rows can be scored",
    ]


def test_the_first_problems_with_row_and_column(cases: Path) -> None:
    result = ddx(cases, "--check", "--map", "age=Alter", "--map", "case_id=Nr")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[:4] == [
        f"{cases}: CSV, UTF-8 with BOM, separator semicolon; 40 rows",
        "read: case_id (from 'Nr'), age (from 'Alter'), sex, text",
        "carried along: no other column",
        "14 of 40 rows can't be scored (age 14)",
    ]
    assert lines[4].startswith("  row 2, column Alter: 'abc' is not a number of years; column sex: 'Q' is not one of")
    assert len(lines) == 4 + 10 + 1
    assert lines[-1] == "  and 4 more"
    assert list(cases.parent.iterdir()) == [cases]


def test_a_file_that_cannot_be_read(tmp_path: Path, cases: Path) -> None:
    for args in (
        [tmp_path / "none.csv", "--check"],
        [cases, "--check", "--map", "age=Altr"],
        [cases, "--check", "--sheet", "x"],
        [cases, "--check", "--on", "2020-01-01"],
        [cases, "--check", "-o", tmp_path / "no" / "o.csv"],
        [cases, "--check", "-o", tmp_path / "o.xlsx"],
        [cases],
    ):
        result = ddx(*args)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr.startswith("ddx: ")
        assert result.stderr.count("\n") == 1


def test_sheet_mapping_and_day(tmp_path: Path) -> None:
    (tmp_path / "map.yaml").write_text("columns: {text: Anamnese}\n")
    (tmp_path / "cases.xlsx").write_bytes(workbook([["Anamnese"], ["Husten"]], title="Daten"))
    result = ddx(tmp_path / "cases.xlsx", "--check", "--mapping", tmp_path / "map.yaml", "--sheet", "Daten")
    assert result.exit_code == 0
    assert "Excel, sheet 'Daten'; 1 rows\nread: text (from 'Anamnese')\n" in result.stdout
    (tmp_path / "cases.json").write_bytes(jsonl_file([json.dumps(bundle(patient(), condition(recordedDate="2030")))]))
    result = ddx(tmp_path / "cases.json", "--check", "--on", "1950-01-01")
    assert "row 1, column age: '-11' is outside 0 to 120 years" in result.stdout


def test_checking_loads_no_model_and_no_torch(cases: Path) -> None:
    code = (
        "import sys\nfrom ddx.cli.main import app\n"
        f"try:\n app(['score', {str(cases)!r}, '--check'])\n"
        "except SystemExit as stop:\n assert stop.code == 1, stop.code\n"
        "heavy = {'torch', 'transformers', 'sklearn', 'pyarrow', 'openpyxl', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
