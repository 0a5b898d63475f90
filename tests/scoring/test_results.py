"""A scored table looked through: filters, orders, pages and cases, against the plain way to find the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from keyword_model import KeywordModel

from ddx.case import Case
from ddx.differential import Diagnosis, Differential
from ddx.errors import InputError
from ddx.scoring.mapping import ColumnMapping
from ddx.scoring.readers import open_table
from ddx.scoring.results import Results
from ddx.scoring.rows import RowError, read_case
from ddx.scoring.runner import score_table
from ddx.vocabulary import load_vocabulary

NAMES = list(load_vocabulary())


class ByAge(KeywordModel):
    """Three conditions of the vocabulary, told by the age."""

    def _answer(self, case: Case) -> Differential:
        if case.age is None:
            return Differential(case.case_id, (), status="empty", model=self.info)
        picked = [NAMES[(int(case.age) * step) % len(NAMES)] for step in (1, 2, 3)]
        diagnoses = tuple(
            Diagnosis(i + 1, c.name, (0.4 + (case.age % 50) / 100) / 2**i, c.key, c.icd10, c.severity)
            for i, c in enumerate(dict.fromkeys(picked))
        )
        return Differential(case.case_id, diagnoses, model=self.info)


def scored(
    folder: Path, content: str | bytes, name: str = "cases.csv", mapping: ColumnMapping | None = None, k: int = 5
):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    table, out = open_table(path, mapping), folder / "out.parquet"
    score_table(table, out, ByAge())
    return table, Results(out, folder / "out.parquet.summary.json")


def many(rows: int) -> str:
    lines = ["case_id,age,sex,text"]
    lines += [
        f"c{i},{'abc' if i % 11 == 5 else '' if i % 13 == 7 else i % 90},F,Story {i} of pain" for i in range(rows)
    ]
    return "\n".join(lines) + "\n"


def test_every_filter_and_order_against_the_rows_themselves(tmp_path: Path) -> None:
    _, found = scored(tmp_path, many(400))
    lines = found.lines(range(400))
    assert [line.position for line in lines] == list(range(400))

    def plainly(fits) -> list[int]:
        return [line.position for line in lines if fits(line)]

    def first(line) -> float:
        return line.diagnoses[0].confidence if line.diagnoses else float("nan")

    assert found.select().tolist() == list(range(400))
    assert found.select(kinds=["error"]).tolist() == plainly(lambda x: x.status.startswith("error: "))
    assert found.select(kinds=["ok", "empty"]).tolist() == plainly(lambda x: not x.status.startswith("error"))
    assert found.select(low=0.5, high=0.7).tolist() == plainly(lambda x: 0.5 <= first(x) <= 0.7)
    alarm = plainly(lambda x: x.diagnoses and x.diagnoses[0].must_not_miss)
    assert found.select(must_not_miss="first").tolist() == alarm and alarm
    alarm = plainly(lambda x: any(d.must_not_miss for d in x.diagnoses))
    assert found.select(must_not_miss="anywhere").tolist() == alarm
    assert found.select(text=" STORY 17 OF ").tolist() == [17]
    assert found.select(text="c399").tolist() == [399]
    assert found.select(text="'abc'").tolist() == found.select(kinds=["error"]).tolist()
    name = lines[1].diagnoses[1].name
    assert found.select(text=name.upper()).tolist() == plainly(lambda x: any(name in d.name for d in x.diagnoses))
    assert found.select(text=".*").tolist() == []

    for order, sign in (("confidence, high first", -1), ("confidence, low first", 1)):
        answered = [line for line in lines if line.diagnoses]
        expected = [x.position for x in sorted(answered, key=lambda x: (sign * first(x), x.position))]
        got = found.select(order=order).tolist()
        assert got[: len(answered)] == expected
        assert got[len(answered) :] == plainly(lambda x: not x.diagnoses)  # without a confidence: last
    got = [found.first[at].casefold() for at in found.select(order="first diagnosis")]
    named = [name for name in got if name]
    assert named == sorted(named) and not any(got[len(named) :])
    assert [found.kinds[at] for at in found.select(order="status")] == sorted(found.kinds)


def test_severity_and_code_are_the_vocabularys(tmp_path: Path) -> None:
    _, found = scored(tmp_path, many(90))
    for line in found.lines(range(90)):
        for diagnosis in line.diagnoses:
            condition = next(c for c in NAMES if c.name == diagnosis.name)
            assert (diagnosis.icd10, diagnosis.must_not_miss) == (condition.icd10, condition.must_not_miss)
        if line.diagnoses:
            assert sum(d.confidence for d in line.diagnoses) + (line.other or 0) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("rows", [[5, 3, 5, 399], [], [399]])
def test_rows_come_in_the_order_asked_for(tmp_path: Path, rows: Sequence[int]) -> None:
    _, found = scored(tmp_path, many(400))
    assert [line.case_id for line in found.lines(np.array(rows, dtype=int))] == [f"c{i}" for i in rows]


def test_a_row_gives_the_case_that_was_scored(tmp_path: Path) -> None:
    first, second = '1;7,5;W;"=cough; at\nnight";wet;', '2;58;M;;;"E_91;-E_66"'
    content = f"Nr;Alter;Sex;Anamnese;Befund;findings\n{first}\n{second}\n3;x;M;fever;;\n"
    mapping = ColumnMapping(
        columns={"case_id": "Nr", "age": "Alter", "text": "Anamnese"},
        values={"sex": {"W": "F"}},
        text_columns=("Befund",),
    )
    table, found = scored(tmp_path, content, mapping=mapping)
    records = list(table.records())
    for at in (0, 1):
        case = found.case(at)
        assert case == read_case(table, records[at])
    assert found.case(0).sex == "F" and found.case(0).text == "=cough; at\nnight\nBefund: wet"
    with pytest.raises(RowError):
        found.case(2)


@pytest.mark.parametrize("name", ["cases.jsonl", "cases.parquet"])
def test_other_inputs_give_their_cases_too(tmp_path: Path, name: str) -> None:
    rows = [
        {"case_id": 700 + i, "age": 20.5 + i, "sex": "F", "text": "pain", "findings": ["E_91", "-E_66"]}
        for i in range(3)
    ]
    if name.endswith("jsonl"):
        content: bytes = "\n".join(map(json.dumps, rows)).encode()
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "made.parquet")
        content = (tmp_path / "made.parquet").read_bytes()
    table, found = scored(tmp_path, content, name)
    assert [found.case(at) for at in range(3)] == [read_case(table, record) for record in table.records()]
    assert found.select(text="701").tolist() == [1]


def test_results_that_cannot_be_read(tmp_path: Path) -> None:
    scored(tmp_path, many(3))
    (tmp_path / "out.parquet.summary.json").write_text("{}")
    with pytest.raises(InputError, match="start the job anew"):
        Results(tmp_path / "out.parquet", tmp_path / "out.parquet.summary.json")


@pytest.mark.slow
def test_two_hundred_thousand_rows_are_looked_through(tmp_path: Path) -> None:
    _, found = scored(tmp_path, many(200_000))
    everything = found.select()
    assert len(everything) == 200_000 and len(found.lines(everything[:25])) == 25
    ordered = found.lines(found.select(order="confidence, high first")[:25])
    assert len(ordered) == 25 and len(found.lines(found.select(order="first diagnosis")[:25])) == 25
    assert len(found.select(["ok"], "first", 0.5, 0.7)) <= 200_000
    assert len(found.select(text="story 1234 of")) >= 1 and found.case(150_000) is not None
