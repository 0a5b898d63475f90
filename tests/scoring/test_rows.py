"""A row becomes a case, or a reason that names the row and the column."""

from __future__ import annotations

from pathlib import Path

import pytest

from ddx.case import Case, Finding
from ddx.errors import InputError
from ddx.scoring.readers import open_table
from ddx.scoring.rows import MAX_TEXT, RowError, check_findings, read_case


def only_case(tmp_path: Path, header: str, row: str) -> Case:
    path = tmp_path / "cases.csv"
    path.write_text(f"{header}\n{row}\n", encoding="utf-8")
    table = open_table(path)
    return read_case(table, next(table.records()))


def test_all_columns(tmp_path: Path) -> None:
    case = only_case(tmp_path, "case_id;age;sex;text;findings", 'x;"1,5";female;coughs;"E_201, -E_91"')
    assert case == Case("x", 1.5, "F", (Finding("E_201"), Finding("E_91", False)), "coughs")


def test_a_row_without_an_id_is_called_by_its_number(tmp_path: Path) -> None:
    assert only_case(tmp_path, "case_id,text", ",cough") == Case("row-2", text="cough")


@pytest.mark.parametrize(
    "cell",
    [
        "E_55_@_V_29;-E_91",
        "E_55_@_V_29 -E_91",
        '"E_55_@_V_29, -E_91"',
        '"[""E_55_@_V_29"", ""-E_91""]"',
        "\"['E_55_@_V_29', '-E_91']\"",
        '"[{""code"": ""E_55"", ""value"": ""V_29""}, {""code"": ""E_91"", ""present"": false}]"',
        "E_55_@_V_29;no:E_91",
    ],
)
def test_ways_to_list_findings(tmp_path: Path, cell: str) -> None:
    case = only_case(tmp_path, "case_id,findings", f"x,{cell}")
    assert case.findings == (Finding("E_55", True, "V_29"), Finding("E_91", False))


def test_an_escaped_cell_is_read_without_its_apostrophe(tmp_path: Path) -> None:
    case = only_case(tmp_path, "text,findings", "'- cough,'-E_91;E_201")
    assert case.text == "- cough"
    assert case.findings == (Finding("E_91", False), Finding("E_201"))


@pytest.mark.parametrize(
    "cell", ["\"['E_201', 'E_91', 'E_55_@_V_29', 'E_55_@_V_101']\"", "E_201 E_91 E_55_@_V_29 E_55_@_V_101"]
)
@pytest.mark.parametrize(("initial", "order"), [("E_91", "E_91 E_201 E_55 E_55"), ("", "E_201 E_91 E_55 E_55")])
def test_ddxplus_columns(tmp_path: Path, cell: str, initial: str, order: str) -> None:
    case = only_case(tmp_path, "AGE,SEX,EVIDENCES,INITIAL_EVIDENCE", f"49,F,{cell},{initial}")
    assert (case.age, case.sex) == (49.0, "F")
    assert " ".join(f.code for f in case.findings) == order
    assert [f.value for f in case.findings[-2:]] == ["V_29", "V_101"]


def test_the_source_itself_passes_the_check(ddxplus_folder: Path) -> None:
    from itertools import islice

    from ddx.data.ddxplus import patient_files, read_patients

    for path in patient_files(ddxplus_folder):
        for patient in islice(read_patients(path), 3000):
            check_findings(patient.findings, patient.patient_id)


HEADER = "case_id,age,sex,text,findings"
BAD_ROWS = {
    "an age of abc": ("x,abc,F,cough,", "age", "row 2, column age: 'abc' is not a number of years"),
    "an age of -3": ("x,-3,F,cough,", "age", "row 2, column age: '-3' is outside 0 to 120 years"),
    "an age of 400": ("x,400,F,cough,", "age", "row 2, column age: '400' is outside 0 to 120 years"),
    "an age that is infinite": (
        "x,inf,F,cough,",
        "age",
        "row 2, column age: 'inf' is outside 0 to 120 years",
    ),
    "an age in words": (
        "x,58 years,F,cough,",
        "age",
        "row 2, column age: '58 years' is not a number of years",
    ),
    "a story as age": (
        "x,a man of fifty with crushing pain,F,cough,",
        "age",
        "row 2, column age: a value of 33 characters is not a number of years",
    ),
    "an unknown sex": ("x,5,Q,cough,", "sex", "row 2, column sex: 'Q' is not one of F, M, female, male"),
    "nothing": ("x,5,F,,", "nothing to read", "row 2: no text and no findings; give at least one of them"),
    "only blanks": (
        'x,5,F,"  \n ",',
        "nothing to read",
        "row 2: no text and no findings; give at least one of them",
    ),
    "an empty list": (
        "x,5,F,,[]",
        "nothing to read",
        "row 2: no text and no findings; give at least one of them",
    ),
    "too many columns": (
        "x,5,F,cough,,fever",
        "columns",
        "row 2: 6 columns, not 5 as the header; quote such cells",
    ),
    "an unknown code": (
        "x,5,F,,E_9999",
        "findings",
        "row 2, column findings: 'E_9999' is not a known finding",
    ),
    "words as findings": (
        "x,5,F,,fever",
        "findings",
        "row 2, column findings: 'fever' is not a known finding",
    ),
    "a value it has not": (
        "x,5,F,,E_55_@_V_9999",
        "findings",
        "E_55 has no value 'V_9999'; write it as E_55_@_V_",
    ),
    "a value missing": ("x,5,F,,E_55", "findings", "row 2, column findings: E_55 needs a value; write it as"),
    "a value too many": ("x,5,F,,E_91_@_V_29", "findings", "row 2, column findings: E_91 has no values"),
    "a scale beyond its end": (
        "x,5,F,,E_56_@_11",
        "findings",
        "E_56 needs a number from 0 to 10, such as E_56_@_5",
    ),
    "a scale in words": ("x,5,F,,E_56_@_severe", "findings", "E_56 needs a number from 0 to 10"),
    "a scale absent": ("x,5,F,,-E_56", "findings", "E_56 is a scale and can't be absent"),
    "neither yes nor no": (
        "x,5,F,,E_135_@_V_29",
        "findings",
        "E_135 takes V_12 (yes) or V_10 (no), not 'V_29'",
    ),
    "an absent value": ("x,5,F,,-E_55_@_V_29", "findings", "an absent finding has no value; write -E_55"),
    "present and absent": ("x,5,F,,E_91;-E_91", "findings", "E_91 is given both as present and as absent"),
    "half a list": ('x,5,F,,"[""E_91"""', "findings", "row 2, column findings: not a list of codes"),
    "a list in a list": (
        "x,5,F,,[[[[]]]]",
        "findings",
        "row 2, column findings: '[[[]]]' is not a known finding",
    ),
    "a list of brackets": (
        "x,5,F,," + "[" * 15_000,
        "findings",
        "row 2, column findings: not a list of codes",
    ),
    "a list of numbers": (
        'x,5,F,,"[1, null]"',
        "findings",
        "row 2, column findings: '1' is not a known finding",
    ),
    "an object without a code": (
        'x,5,F,,"[{""value"": 1}]"',
        "findings",
        "row 2, column findings: a finding needs a code",
    ),
    "a quote left open": ('x,5,F,"cough,', "quotes", "row 2: a quote is opened and not closed"),
    "a text without end": (
        f"x,5,F,{'a' * (MAX_TEXT + 1)},",
        "text",
        "20,001 characters, the limit is 20,000",
    ),
    "findings without end": (
        "x,5,F,," + "E_91;" * 5000,
        "findings",
        "25,000 characters, the limit is 20,000",
    ),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_is_one_clear_reason(tmp_path: Path, kind: str) -> None:
    row, counted_as, reason = BAD_ROWS[kind]
    with pytest.raises(RowError) as error:
        only_case(tmp_path, HEADER, row)
    assert error.value.kind == counted_as
    assert str(error.value).startswith("row 2")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_a_bad_ddxplus_row_names_its_own_columns(tmp_path: Path) -> None:
    for row, reason in {
        "x,M,\"['E_91'\",": "row 2, column AGE: 'x' is not a number of years; column EVIDENCES: not a list",
        "5,M,E_999,": "row 2, column EVIDENCES: 'E_999' is not a known finding",
        "x,M,E_91,": "row 2, column AGE: 'x' is not a number of years",
        "5,M,E_91,E_999": "row 2, column INITIAL_EVIDENCE: 'E_999' is not a known finding",
    }.items():
        with pytest.raises(RowError, match="^" + reason.replace("[", r"\[")):
            only_case(tmp_path, "AGE,SEX,EVIDENCES,INITIAL_EVIDENCE", row)


def test_check_findings_serves_other_inputs_too() -> None:
    check_findings([Finding("E_57", True, "V_123"), Finding("E_135"), Finding("E_56", True, "10")], "case")
    with pytest.raises(InputError, match="^case.json: 'fever' is not a known finding"):
        check_findings([Finding("fever")], "case.json")
