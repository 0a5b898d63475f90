"""Every kind of input as every kind of output: the columns as they were, the answer beside them, the same bytes."""

from __future__ import annotations

import csv
import gzip
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from keyword_model import KeywordModel
from table_makers import bundle, condition, jsonl_file, parquet_file, patient, workbook

from ddx.errors import InputError
from ddx.scoring import to_parquet
from ddx.scoring.readers import open_table
from ddx.scoring.rows import RowError, read_case
from ddx.scoring.table import Table
from ddx.scoring.writers import added_columns, check_output, open_writer

INPUTS: dict[str, bytes] = {
    "t.csv": b"case_id;age;text;n\na;58;chest pain;1,50\nb;abc;cough;-2\nc;;wheezing;\n",
    "t.xlsx": workbook(
        [
            ["case_id", "age", "text", "n"],
            ["a", 58, "chest pain", 1.5],
            ["b", "abc", "cough", -2],
            ["c", None, "wheezing"],
        ]
    ),
    "t.parquet": parquet_file(
        {
            "case_id": ["a", "b", "c"],
            "age": ["58", "abc", None],
            "text": ["chest pain", "cough", "wheezing"],
            "n": [1.5, -2, None],
        }
    ),
    "t.jsonl": jsonl_file(
        [
            '{"case_id": "a", "age": 58, "text": "chest pain", "n": 1.50}',
            '{"case_id": "b", "age": "abc", "text": "cough", "n": -2}',
            '{"case_id": "c", "text": "wheezing"}',
        ]
    ),
    "t.ndjson": jsonl_file(
        [
            json.dumps(
                bundle(
                    patient(id=one, birthDate=born),
                    condition(code={"text": text}, subject={"reference": f"Patient/{one}"}),
                )
            )
            for one, born, text in [("a", "1961", "chest pain"), ("b", "1800", "cough"), ("c", "2000", "wheezing")]
        ]
    ),
}
OUTPUTS = ("o.csv", "o.tsv", "o.csv.gz", "o.jsonl", "o.jsonl.gz", "o.parquet")


def opened(tmp_path: Path, name: str, content: bytes) -> Table:
    (tmp_path / name).write_bytes(content)
    return open_table(tmp_path / name)


def scored(table: Table, out: Path, k: int = 2) -> Path:
    check_output(table, out, k, force=True)
    model = KeywordModel()
    with open_writer(table, out, k, "m") as writer:
        for record in table.records():
            try:
                answer = model.predict(read_case(table, record))
            except RowError as error:
                writer.write(record, f"error: {error}", None)
            else:
                writer.write(record, answer.status, answer)
    return out


def rows_of(out: Path, separator: str = ",") -> list[dict[str, Any]]:
    data = gzip.decompress(out.read_bytes()) if out.suffix == ".gz" else out.read_bytes()
    if ".parquet" in out.suffixes:
        return pq.read_table(out).to_pylist()
    text = data.decode("utf-8-sig")
    if ".jsonl" in out.suffixes:
        return [json.loads(line) for line in text.split("\n") if line]
    return list(csv.DictReader(text.splitlines(), delimiter=separator))


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("name", INPUTS)
def test_every_input_as_every_output(tmp_path: Path, name: str, output: str) -> None:
    table = opened(tmp_path, name, INPUTS[name])
    out = scored(table, tmp_path / output)
    separator = "\t" if ".tsv" in output else table.separator or ","
    rows = rows_of(out, separator)
    assert [row["case_id"] for row in rows] == ["a", "b", "c"]
    if ".jsonl" in output:
        names = [n for n in rows[0] if n != "ddx"]
        status = [row["ddx"]["status"] for row in rows]
        first = rows[0]["ddx"]["differential"][0]
        answer = (first["name"], first["icd10"], first["confidence"], rows[0]["ddx"]["other"])
    else:
        names = [n for n in rows[0] if n not in added_columns(2)]
        assert list(rows[0]) == [*names, *added_columns(2)]
        status = [row["ddx_status"] for row in rows]
        first = rows[0]
        answer = (first["dx1"], first["dx1_icd10"], float(first["dx1_confidence"]), float(first["other_confidence"]))
    assert names == list(table.header)
    assert status[0] == status[2] == "ok"
    assert status[1].startswith("error: row ")
    assert answer == ("Possible NSTEMI / STEMI", "I21", 0.6, 0.2)
    assert list(tmp_path.glob("*.partial")) == []
    again = scored(open_table(table.path), tmp_path / f"again.{output}")
    assert again.read_bytes() == out.read_bytes()


def test_a_line_of_json_goes_through_to_the_last_digit(tmp_path: Path) -> None:
    lines = [
        '{ "text":"cough","n": 1.50e+2 , "big": 12345678901234567890, "u": "\\u00e9" }',
        '{"text": 5, "x": [1.0]}',
        "{}",
    ]
    out = scored(opened(tmp_path, "t.jsonl", jsonl_file(lines)), tmp_path / "o.jsonl")
    written = out.read_text(encoding="utf-8").split("\n")
    for line, result in zip(lines, written[:3], strict=True):
        assert result.startswith(line[:-1].rstrip())
        assert list(json.loads(result))[-1] == "ddx"
    assert json.loads(written[0])["ddx"]["notice"]


def test_a_line_that_is_no_object_is_kept_as_text(tmp_path: Path) -> None:
    lines = ['{"text": "cough"}', '{"text": NaN, "x": "é"}']
    rows = rows_of(scored(opened(tmp_path, "t.jsonl", jsonl_file(lines)), tmp_path / "o.jsonl"))
    assert rows[1]["line"] == lines[1]
    assert rows[1]["ddx"]["status"] == "error: row 2: NaN is not JSON; write null"


def test_parquet_columns_keep_every_type(tmp_path: Path) -> None:
    columns = {
        "text": pa.array(["chest", "wheeze", None], pa.large_string()),
        "ns": pa.array([1, 2, None], pa.timestamp("ns", "Europe/Berlin")),
        "dec": pa.array([1, 2, None], pa.decimal128(20, 3)),
        "list": pa.array([[1], [], None], pa.list_(pa.int8())),
        "struct": pa.array([{"a": 1}, {"a": None}, None]),
        "map": pa.array([[("k", 1)], [], None], pa.map_(pa.string(), pa.int64())),
        "dict": pa.array(["x", "y", None]).dictionary_encode(),
        "f32": pa.array([0.1, float("nan"), None], pa.float32()),
        "bytes": pa.array([b"\xff", b"", None]),
        "day": pa.array([1, 2, None], pa.date32()),
        "null": pa.nulls(3),
    }
    before = pa.table(columns).replace_schema_metadata({"made by": "a test"})
    pq.write_table(before, tmp_path / "t.parquet")
    after = pq.read_table(scored(open_table(tmp_path / "t.parquet"), tmp_path / "o.parquet"))
    kept = after.select(before.column_names)
    assert kept.schema.equals(pq.read_schema(tmp_path / "t.parquet"), check_metadata=True)
    nan_free = [name for name in before.column_names if name != "f32"]
    assert kept.select(nan_free).equals(pq.read_table(tmp_path / "t.parquet").select(nan_free))
    assert after.schema.field("dx1_confidence").type == pa.float64()
    assert after["ddx_status"].to_pylist()[:2] == ["ok", "ok"]


def test_other_inputs_give_parquet_the_narrowest_type(tmp_path: Path) -> None:
    rows = [["text", "n", "x", "when", "mixed"], ["a", 1, 1, datetime(2024, 3, 1), 1], ["b", 2, 1.5, None, "one"]]
    out = pq.read_table(scored(opened(tmp_path, "t.xlsx", workbook(rows)), tmp_path / "o.parquet"))
    assert [str(field.type) for field in out.schema][:5] == ["string", "int64", "double", "timestamp[us]", "string"]
    assert out["mixed"].to_pylist() == ["1", "one"]


def test_a_semicolon_table_with_decimal_commas_keeps_its_cells(tmp_path: Path) -> None:
    out = scored(opened(tmp_path, "t.csv", b"text;n;d\ncough;1,50;-2,5\n"), tmp_path / "o.csv")
    assert out.read_text().split("\n")[1].startswith("cough;1,50;-2,5;ok;")
    assert rows_of(scored(open_table(tmp_path / "t.csv"), tmp_path / "o.jsonl"))[0]["n"] == "1,50"


def test_cells_are_defused_in_csv_and_left_alone_elsewhere(tmp_path: Path) -> None:
    for name, content in {
        "t.jsonl": jsonl_file(['{"text": "=cmd()", "=head": "@x"}']),
        "t.parquet": parquet_file({"text": ["=cmd()"], "=head": ["@x"]}),
        "t.xlsx": repack_text(workbook([["text", "=head"], ["=cmd()", "@x"]])),
    }.items():
        table = opened(tmp_path, name, content)
        row = rows_of(scored(table, tmp_path / "o.csv"))[0]
        assert (row["text"], row["'=head"]) == ("'=cmd()", "'@x")
        assert rows_of(scored(table, tmp_path / "o.jsonl"))[0]["=head"] == "@x"


def repack_text(content: bytes) -> bytes:
    """openpyxl writes text that starts with = as a formula; here it is text again."""
    import io
    import zipfile

    from table_makers import repacked

    name = "xl/worksheets/sheet1.xml"
    xml = zipfile.ZipFile(io.BytesIO(content)).read(name).decode()
    for cell, text in {"B1": "=head", "A2": "=cmd()"}.items():
        xml = xml.replace(
            f'<c r="{cell}"><f>{text[1:]}</f><v /></c>', f'<c r="{cell}" t="inlineStr"><is><t>{text}</t></is></c>'
        )
    assert "<f>" not in xml
    return repacked(content, {name: xml.encode()})


def test_a_workbook_as_csv_opens_in_excel(tmp_path: Path) -> None:
    out = scored(opened(tmp_path, "t.xlsx", workbook([["text"], ["fièvre"]])), tmp_path / "o.csv")
    assert out.read_bytes().startswith(b"\xef\xbb\xbftext,ddx_status,")


def test_characters_that_no_file_can_hold_are_written_as_json_does(tmp_path: Path) -> None:
    table = opened(tmp_path, "t.jsonl", jsonl_file([r'{"text": "cough", "note": "a\ud800b\u0000c"}']))
    assert rows_of(scored(table, tmp_path / "o.csv"))[0]["note"] == r"a\ud800b\u0000c"
    assert rows_of(scored(table, tmp_path / "o.parquet"))[0]["note"] == "a\\ud800b\x00c"
    assert rows_of(scored(table, tmp_path / "o.jsonl"))[0]["note"] == "a\ud800b\x00c"


def test_names_that_repeat_are_numbered_where_they_must_not(tmp_path: Path) -> None:
    table = opened(tmp_path, "t.csv", b"text,note,,note\ncough,1,2,3\n")
    wanted = ["text", "note", "column 3", "note (2)"]
    assert list(rows_of(scored(table, tmp_path / "o.jsonl"))[0])[:4] == wanted
    assert list(rows_of(scored(table, tmp_path / "o.parquet"))[0])[:4] == wanted
    assert scored(table, tmp_path / "o.csv").read_text().startswith("text,note,,note,ddx_status")


def test_parquet_is_written_in_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(to_parquet, "_ROWS", 400)
    for name, content in {
        "t.parquet": parquet_file({"text": [f"case {i}" for i in range(2_500)]}),
        "t.csv": "\n".join(["text", *(f"case {i}" for i in range(2_500)), ""]).encode(),
    }.items():
        out = scored(opened(tmp_path, name, content), tmp_path / "o.parquet")
        assert pq.ParquetFile(out).num_row_groups == 7
        assert [row["text"] for row in rows_of(out)] == [f"case {i}" for i in range(2_500)]


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_failure_leaves_the_partial_file_and_no_result(tmp_path: Path, output: str) -> None:
    table = opened(tmp_path, "t.csv", INPUTS["t.csv"])
    with pytest.raises(KeyboardInterrupt), open_writer(table, tmp_path / output, 2) as writer:
        writer.write(next(table.records()), "ok", None)
        raise KeyboardInterrupt
    assert not (tmp_path / output).exists()
    partial = (tmp_path / f"{output}.partial").rename(tmp_path / output)
    assert len(rows_of(partial, "\t" if ".tsv" in output else ";")) == 1


def test_names_of_outputs(tmp_path: Path) -> None:
    table = opened(tmp_path, "t.csv", b"text,DDX\ncough,x\n")
    for name, reason in {
        "o.xlsx": "Excel opens .csv; give a name that ends in .csv",
        "o.parquet.gz": "give a name that ends in",
        "o": "give a name that ends in",
        "o.jsonl": "column ddx is already there",
    }.items():
        with pytest.raises(InputError, match=reason):
            check_output(table, tmp_path / name, 2, force=False)
    check_output(table, tmp_path / "O.CSV.GZ", 2, force=False)
