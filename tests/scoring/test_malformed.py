"""The corpus of malformed files and rows: one line for a file, a reason for a row, never a traceback or a lost row."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from keyword_model import KeywordModel
from malformed_files import FILES
from malformed_rows import ROWS
from table_makers import GOOD, HEADER, STORY, bundle, condition, csv_file, parquet_file, patient, workbook

from ddx.errors import InputError
from ddx.scoring.check import check_table
from ddx.scoring.readers import open_table
from ddx.scoring.rows import RowError, read_case
from ddx.scoring.table import Table
from ddx.scoring.writers import open_writer

OUTPUTS = ("out.csv", "out.jsonl", "out.parquet")


def statuses(table: Table, out: Path) -> list[str]:
    """The row's statuses as they stand in a scored table."""
    model = KeywordModel()
    with open_writer(table, out, 2, "m") as writer:
        for record in table.records():
            try:
                answer = model.predict(read_case(table, record))
            except RowError as error:
                writer.write(record, f"error: {error}", None)
            else:
                writer.write(record, answer.status, answer)
    if out.suffix == ".csv":
        with open(out, encoding="utf-8-sig", newline="") as handle:
            return [row["ddx_status"] for row in csv.DictReader(handle, delimiter=table.separator or ",")]
    if out.suffix == ".jsonl":
        with open(out, encoding="utf-8") as handle:
            return [json.loads(line)["ddx"]["status"] for line in handle]
    return pq.ParquetFile(out).read(["ddx_status"]).column(0).to_pylist()


def test_the_corpus_is_large() -> None:
    assert len(FILES) + len(ROWS) >= 150
    contents = [(name, content) for name, content, _ in [*FILES.values(), *ROWS.values()]]
    assert len(set(contents)) == len(contents)


@pytest.mark.parametrize("name", FILES)
def test_a_malformed_file_is_one_line(tmp_path: Path, name: str) -> None:
    file, content, reason = FILES[name]
    (tmp_path / file).write_bytes(content)
    with pytest.raises(InputError) as error:
        open_table(tmp_path / file)
    message = str(error.value)
    assert message.startswith(f"{tmp_path / file}: ")
    assert reason in message
    assert "\n" not in message
    assert "Zwiebel" not in message
    assert len(message) < len(str(tmp_path)) + 250


@pytest.mark.parametrize("name", ROWS)
def test_a_malformed_row_costs_only_itself(tmp_path: Path, name: str) -> None:
    file, content, expected = ROWS[name]
    (tmp_path / file).write_bytes(content)
    table = open_table(tmp_path / file)
    assert table.rows == len(expected)
    for out in OUTPUTS:
        found = statuses(table, tmp_path / out)
        assert len(found) == len(expected)
        for status, wanted in zip(found, expected, strict=True):
            if wanted is None:
                assert status == "ok"
            else:
                assert status.startswith("error: row ")
                assert wanted[1] in status
                assert "Zwiebel" not in status
                assert "\n" not in status
    check = check_table(table)
    assert check.rows == len(expected)
    assert sorted(check.problems.elements()) == sorted(kind for kind, _ in filter(None, expected))


VALID = {
    "t.csv": csv_file([GOOD] * 20),
    "t.csv.gz": gzip.compress(csv_file([GOOD] * 20), mtime=0),
    "t.xlsx": workbook([HEADER, *[GOOD] * 20]),
    "t.parquet": parquet_file({"text": [STORY] * 20, "age": list(range(20)), "findings": [["E_91"]] * 20}),
    "t.jsonl": "".join(json.dumps({"text": STORY, "age": i, "x": [i]}) + "\n" for i in range(20)).encode(),
    "t.ndjson": "".join(json.dumps(bundle(patient(), condition())) + "\n" for _ in range(4)).encode(),
}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    file=st.sampled_from(sorted(VALID)),
    cut=st.floats(0, 1),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4),
)
@example(file="t.parquet", cut=1.0, flips=[(0.05, 255)])
def test_any_damage_is_one_line_or_rows_accounted_for(
    tmp_path: Path, file: str, cut: float, flips: list[tuple[float, int]]
) -> None:
    content = bytearray(VALID[file][: round(len(VALID[file]) * cut)])
    for where, byte in flips:
        if content:
            content[int(where * len(content))] = byte
    (tmp_path / file).write_bytes(content)
    try:
        table = open_table(tmp_path / file)
    except InputError as error:
        assert "\n" not in str(error)
        return
    for out in OUTPUTS:
        found = statuses(table, tmp_path / out)
        assert len(found) == table.rows
        assert all(found)
