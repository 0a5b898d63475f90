"""JSON Lines and Parquet: keys and columns as they are, values with their types."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from table_makers import jsonl_file, parquet_file

from ddx.case import Finding
from ddx.scoring.readers import open_table
from ddx.scoring.rows import read_case
from ddx.scoring.table import Table, widened


def opened(tmp_path: Path, content: bytes, name: str = "cases.jsonl") -> Table:
    (tmp_path / name).write_bytes(content)
    return open_table(tmp_path / name)


def test_keys_are_columns_in_the_order_in_which_they_turn_up(tmp_path: Path) -> None:
    table = opened(tmp_path, b'{"text": "a", "age": 5}\n\n{"sex": "F", "text": "b", "x": {"y": [1]}}\n')
    assert table.header == ("text", "age", "sex", "x")
    assert table.types == ("string", "int64", "string", "string")
    first, second = table.records()
    assert (first.number, first.cells) == (1, ["a", "5", "", ""])
    assert (second.number, second.cells) == (3, ["b", "", "F", '{"y": [1]}'])
    assert second.values == ["b", None, "F", {"y": [1]}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    table = opened(tmp_path, '{"text": "fièvre\u2028élevée"}\n'.encode(encoding))
    assert [record.cells for record in table.records()] == [["fièvre\u2028élevée"]]


def test_findings_as_a_list(tmp_path: Path) -> None:
    line = {"findings": ["E_91", "-E_201", {"code": "E_55", "value": "V_29"}], "AGE": 49.0}
    found = (Finding("E_91"), Finding("E_201", False), Finding("E_55", True, "V_29"))
    for content, name in [
        (jsonl_file([json.dumps(line)]), "cases.jsonl"),
        (parquet_file({"findings": [["E_91", "-E_201", "E_55_@_V_29"]], "AGE": [49.0]}), "cases.parquet"),
    ]:
        table = opened(tmp_path, content, name)
        case = read_case(table, next(table.records()))
        assert (case.findings, case.age) == (found, 49.0)


def test_ddxplus_columns_with_lists(tmp_path: Path) -> None:
    content = parquet_file({"AGE": [49], "SEX": ["F"], "EVIDENCES": [["E_201", "E_91"]], "INITIAL_EVIDENCE": ["E_91"]})
    table = opened(tmp_path, content, "cases.parquet")
    assert [f.code for f in read_case(table, next(table.records())).findings] == ["E_91", "E_201"]


def test_a_line_that_is_no_object_is_a_row(tmp_path: Path) -> None:
    table = opened(tmp_path, b'{"text": "a"}\n{"text": "b"\n{"text": "c"}\n')
    assert table.rows == 3
    assert [record.problem is None for record in table.records()] == [True, False, True]


def test_parquet_rows_are_numbered_over_batches_and_row_groups(tmp_path: Path) -> None:
    content = parquet_file({"text": [f"case {i}" for i in range(2_500)]}, row_group_size=700)
    table = opened(tmp_path, content, "cases.parquet")
    assert table.rows == 2_500
    assert [(r.number, r.cells[0]) for r in table.records()] == [(i + 1, f"case {i}") for i in range(2_500)]


def test_a_missing_number_of_a_data_frame_is_not_stated(tmp_path: Path) -> None:
    table = opened(tmp_path, parquet_file({"text": ["a"], "age": pa.array([float("nan")])}), "cases.parquet")
    assert read_case(table, next(table.records())).age is None


NUMBERS = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.none() | st.booleans() | NUMBERS | st.text(max_size=5)


@given(st.lists(VALUES, min_size=1))
def test_the_narrowest_type_holds_every_value(values: list[object]) -> None:
    kind = "null"
    for value in values:
        kind = widened(kind, value)
    if kind != "string":
        assert pa.array(values, pa.type_for_alias(kind)).to_pylist() == values


TREES = st.recursive(VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.dictionaries(st.text(max_size=4), TREES, max_size=4), min_size=1, max_size=5))
def test_any_objects_are_read_as_they_are(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    lines = [json.dumps({"text": "cough", **{f"x{key}": value for key, value in row.items()}}) for row in rows]
    table = opened(tmp_path, jsonl_file(lines))
    for record, line in zip(table.records(), lines, strict=True):
        assert record.values is not None
        named = dict(zip(table.header, record.values, strict=True))
        assert {k: v for k, v in named.items() if v is not None} == {
            k: v for k, v in json.loads(line).items() if v is not None
        }


def test_a_parquet_file_of_pandas_is_read(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"text": ["a", "b"], "age": [1, None]}, index=[5, 7])
    frame.to_parquet(tmp_path / "cases.parquet")
    table = open_table(tmp_path / "cases.parquet")
    assert [record.cells[:2] for record in table.records()] == [["a", "1"], ["b", ""]]
    assert table.header == tuple(pq.read_schema(tmp_path / "cases.parquet").names)
