"""The whole path of a table: every row accounted for, in order, with its own cells as they were."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keyword_model import KeywordModel

from ddx.case import Case
from ddx.differential import Diagnosis, Differential
from ddx.errors import InputError
from ddx.scoring.escaping import escape
from ddx.scoring.readers import open_table
from ddx.scoring.runner import WINDOW, Summary, score_table
from ddx.scoring.writers import added_columns, differential_cells, input_cells

MESSY = (
    "case_id,age,sex,text,note\n"
    "a,58,M,chest pain,=HYPERLINK(1)\n"
    "b,abc,M,chest pain,x\n"
    'c,31,F,"wheezing\nat night",-5\n'
    "d,31,F,,@cmd\n"
    "e,31,F,cough,kept,surplus,more\n"
    "f,31,F,cough\n"
    "\n"
    "g,31,F,this breaks,x\n"
    "h,31,F,unreadable,x\n"
    "i,31,X,cough,+cmd|' /C calc'!A0\n"
)


def scored(
    tmp_path: Path, content: str | bytes, k: int = 5, limit: int | None = None, out: str = "scored.csv"
) -> tuple[list[dict[str, str]], Summary, KeywordModel]:
    source = tmp_path / "cases.csv"
    source.write_bytes(content if isinstance(content, bytes) else content.encode())
    model, table = KeywordModel(), open_table(source)
    summary = score_table(table, tmp_path / out, model, k=k, limit=limit)
    opener = gzip.open if out.endswith(".gz") else open
    with opener(tmp_path / out, "rt", encoding="utf-8-sig", newline="") as handle:  # type: ignore[operator]
        return list(csv.DictReader(handle, delimiter=table.separator)), summary, model


def test_every_row_gets_an_answer_or_a_reason(tmp_path: Path) -> None:
    rows, summary, _ = scored(tmp_path, MESSY)
    assert {row["case_id"]: row["ddx_status"] for row in rows} == {
        "a": "ok",
        "b": "error: row 3, column age: 'abc' is not a number of years",
        "c": "ok",
        "d": "error: row 5: no text and no findings; give at least one of them",
        "e": "error: row 6: 7 columns, not 5 as the header; quote such cells",
        "f": "ok",
        "g": "error: row 9: the model failed (RuntimeError)",
        "h": "empty: row 10: nothing in the model's answer reads as a diagnosis",
        "i": "error: row 11, column sex: 'X' is not one of F, M, female, male",
    }
    assert summary.rows == 9
    assert summary.statuses == {"ok": 3, "empty": 1}
    assert summary.failed == {"age": 1, "nothing to read": 1, "columns": 1, "model": 1, "sex": 1}
    assert summary.answered == 3
    assert summary.statuses.total() + summary.failed.total() == summary.rows


def test_the_added_columns(tmp_path: Path) -> None:
    rows, _, _ = scored(tmp_path, MESSY)
    assert list(rows[0]) == ["case_id", "age", "sex", "text", "note", *added_columns(5)]
    first = rows[0]
    assert (first["dx1"], first["dx1_icd10"], first["dx1_confidence"]) == (
        "Possible NSTEMI / STEMI",
        "I21",
        "0.6000",
    )
    assert (first["dx2_confidence"], first["other_confidence"]) == ("0.2000", "0.2000")
    assert first["dx3"] == first["dx3_confidence"] == ""
    assert all(row["model_id"] == "keyword-rule" for row in rows)
    for row in rows:
        if row["ddx_status"] not in ("ok",):
            assert not any(row[name] for name in added_columns(5)[1:-1])


def test_what_is_not_shown_goes_to_something_else(tmp_path: Path) -> None:
    rows, _, _ = scored(tmp_path, MESSY, k=1)
    assert [name for name in rows[0] if name.startswith("dx")] == ["dx1", "dx1_icd10", "dx1_confidence"]
    assert (rows[0]["dx1_confidence"], rows[0]["other_confidence"]) == ("0.6000", "0.4000")


def test_confidences_and_the_rest_sum_to_one_as_written() -> None:
    thirds = Differential("x", tuple(Diagnosis(i, f"d{i}", 1 / 3, key=f"d{i}") for i in (1, 2, 3)))
    cells = dict(zip(added_columns(3), differential_cells("ok", thirds, "m", 3), strict=True))
    assert sum(float(v) for name, v in cells.items() if name.endswith("_confidence")) == pytest.approx(1, abs=1e-9)


def test_membership_has_no_rest() -> None:
    answer = Differential("x", (Diagnosis(1, "d", 0.9), Diagnosis(2, "e", 0.8)), semantics="membership")
    assert differential_cells("ok", answer, "m", 2) == ["ok", "d", "", "0.9000", "e", "", "0.8000", "", "m"]


def test_formulas_are_defused_and_numbers_stay(tmp_path: Path) -> None:
    rows, _, _ = scored(tmp_path, MESSY)
    notes = {row["case_id"]: row["note"] for row in rows}
    assert notes["a"] == "'=HYPERLINK(1)"
    assert notes["c"] == "-5"
    assert notes["d"] == "'@cmd"
    assert notes["i"] == "'+cmd|' /C calc'!A0"
    for number in ("-5", "+1,5", "-1.234,5", "-2e-3", "+.5", "-10%"):
        assert escape(number) == number
    for formula in ("-1+1", "+33 6", "-", "=1", "@x", "\tx", "\rx", "-E_91", "+٣"):
        assert escape(formula) == f"'{formula}"


def test_a_name_that_looks_like_a_formula_is_defused_too(tmp_path: Path) -> None:
    class Sly(KeywordModel):
        def _answer(self, case: Case) -> Differential:
            return Differential(case.case_id, (Diagnosis(1, "=cmd()", 0.5),))

    (tmp_path / "cases.csv").write_text("=header,text\n1,cough\n")
    score_table(open_table(tmp_path / "cases.csv"), tmp_path / "out.csv", Sly(), k=1)
    with open(tmp_path / "out.csv", newline="") as handle:
        header, row = list(csv.reader(handle))
    assert header[0] == "'=header"
    assert row[3] == "'=cmd()"


def test_a_row_with_too_much_loses_nothing(tmp_path: Path) -> None:
    rows, _, _ = scored(tmp_path, MESSY)
    assert rows[4]["note"] == "kept,surplus,more"
    assert input_cells(["a", "b", " ", ""], 2, ",") == ["a", "b"]


def test_limit_scores_the_first_rows_only(tmp_path: Path) -> None:
    rows, summary, model = scored(tmp_path, MESSY, limit=3)
    assert [row["case_id"] for row in rows] == ["a", "b", "c"]
    assert summary.rows == 3
    assert len(model.seen) == 2


@pytest.mark.parametrize(
    ("content", "bom"),
    [
        ("case_id;age;sex;text\r\na;1,5;F;fièvre élevée\r\nb;abc;M;toux\r\n".encode("cp1252"), False),
        ("case_id\tage\tsex\ttext\na\t1,5\tF\tfièvre élevée\nb\tabc\tM\ttoux\n".encode("utf-16"), True),
        ("case_id|age|sex|text\ra|1,5|F|fièvre élevée\rb|abc|M|toux\r".encode("utf-8-sig"), True),
    ],
)
def test_the_output_keeps_the_separator_and_is_utf8(tmp_path: Path, content: bytes, bom: bool) -> None:
    rows, summary, model = scored(tmp_path, content)
    assert [row["text"] for row in rows] == ["fièvre élevée", "toux"]
    assert model.seen[0].age == 1.5
    assert rows[1]["ddx_status"] == "error: row 3, column age: 'abc' is not a number of years"
    assert (tmp_path / "scored.csv").read_bytes().startswith(b"\xef\xbb\xbf") == bom


def test_ten_megabytes_in_a_cell_cost_only_that_row(tmp_path: Path) -> None:
    rows, summary, _ = scored(tmp_path, "case_id,text\na," + "x" * 10_000_000 + "\nb,chest pain\n")
    assert rows[0]["ddx_status"] == "error: row 2, column text: 10,000,000 characters, the limit is 20,000"
    assert len(rows[0]["text"]) == 10_000_000
    assert rows[1]["dx1_icd10"] == "I21"


def test_a_gzip_result(tmp_path: Path) -> None:
    rows, _, _ = scored(tmp_path, MESSY, out="scored.csv.gz")
    assert len(rows) == 9


def test_more_rows_than_a_window_stay_in_order(tmp_path: Path) -> None:
    body = "".join(
        f"{i},{'abc' if i % 7 == 3 else 40},{'wheeze' if i % 2 else 'chest'}\n" for i in range(WINDOW * 2 + 5)
    )
    heard: list[int] = []
    (tmp_path / "cases.csv").write_text("case_id,age,text\n" + body)
    score_table(open_table(tmp_path / "cases.csv"), tmp_path / "out.csv", KeywordModel(), on_rows=heard.append)
    with open(tmp_path / "out.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [int(row["case_id"]) for row in rows] == list(range(WINDOW * 2 + 5))
    assert sum(heard) == len(rows)
    for i, row in enumerate(rows):
        assert (
            row["ddx_status"].startswith("error: ") if i % 7 == 3 else row["dx1_icd10"] == ("J45" if i % 2 else "I21")
        )


def test_the_summary_beside_the_table_counts_and_quotes_nobody(tmp_path: Path) -> None:
    scored(tmp_path, MESSY)
    text = (tmp_path / "scored.csv.summary.json").read_text(encoding="utf-8")
    content = json.loads(text)
    assert content["rows"] == 9
    assert content["statuses"] == {"empty": 1, "ok": 3, "repaired": 0}
    assert content["failed_by_kind"] == {"age": 1, "columns": 1, "model": 1, "nothing to read": 1, "sex": 1}
    assert content["model"]["id"] == "keyword-rule"
    assert content["input"]["file"] == "cases.csv"
    assert len(content["input"]["sha256"]) == 64
    assert content["confidence_of_first"]["counts"] == [0] * 6 + [1] + [0] * 5 + [1, 0, 1] + [0] * 5
    assert (content["shared"], content["rescaled"], content["resumptions"]) == (0, 0, 0)
    assert content["decoding"] == {"max_new_tokens": None, "seed": None}
    assert "pain" not in text
    assert str(tmp_path) not in text


def test_outputs_that_are_refused(tmp_path: Path) -> None:
    source = tmp_path / "cases.csv"
    source.write_text("text,note\ncough,x\n")
    table, there = open_table(source), tmp_path / "there.csv"
    there.write_text("precious")
    for out, reason in {
        there: "--force",
        tmp_path: "this is a folder",
        tmp_path / "no" / "out.csv": "does not exist",
        source: "this is the input",
    }.items():
        with pytest.raises(InputError, match=reason):
            score_table(table, out, KeywordModel())
    with pytest.raises(InputError, match="this is the input"):
        score_table(table, source, KeywordModel(), force=True)
    assert there.read_text() == "precious"
    score_table(table, there, KeywordModel(), force=True)
    assert there.read_text().startswith("text,note,ddx_status,dx1")


def test_a_table_that_was_scored_before_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text("text, DX1_ICD10\ncough,x\n")
    with pytest.raises(InputError, match="column dx1_icd10 is already there"):
        score_table(open_table(tmp_path / "cases.csv"), tmp_path / "out.csv", KeywordModel())


def test_an_interrupted_run_leaves_its_journal_and_no_result(tmp_path: Path) -> None:
    class Interrupted(KeywordModel):
        def predict_many(self, cases: Sequence[Case], on_done: object = None) -> list[Differential]:
            if self.seen:
                raise KeyboardInterrupt
            return super().predict_many(cases)

    (tmp_path / "cases.csv").write_text("text\n" + "".join(f"cough {i}\n" for i in range(WINDOW + 1)))
    with pytest.raises(KeyboardInterrupt):
        score_table(open_table(tmp_path / "cases.csv"), tmp_path / "out.csv", Interrupted())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cases.csv", "out.csv.journal.sqlite"]


def test_a_case_that_the_engine_gave_up_on_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    class GivingUp(KeywordModel):
        def _answer(self, case: Case) -> Differential:
            if "chest" in case.text:
                return Differential(case.case_id, (), status="failed", repairs=("server: it answered 503, 6 tries",))
            return super()._answer(case)

    (tmp_path / "cases.csv").write_text("text\nchest pain\ncough\n")
    summary = score_table(open_table(tmp_path / "cases.csv"), tmp_path / "out.csv", GivingUp())
    with open(tmp_path / "out.csv", newline="") as handle:
        first, second = csv.DictReader(handle)
    assert first["ddx_status"] == "error: row 2: the model failed (server: it answered 503, 6 tries)"
    assert second["ddx_status"] == "ok"
    assert (summary.failed, summary.asked, summary.statuses) == ({"model": 1}, 1, {"ok": 1})


def test_identical_cases_are_answered_once(tmp_path: Path) -> None:
    lines = ["case_id,age,text"] + [f"a{i},{50 + i % 2},wheezing" for i in range(WINDOW + 4)]
    (tmp_path / "cases.csv").write_text("\n".join(lines) + "\n")

    class Counting(KeywordModel):
        def _answer(self, case: Case) -> Differential:
            return replace(super()._answer(case), prompt_tokens=100, tokens=10, rescaled=True)

    model = Counting()
    summary = score_table(open_table(tmp_path / "cases.csv"), tmp_path / "out.csv", model)
    assert [case.case_id for case in model.seen] == ["a0", "a1"]
    assert (summary.asked, summary.statuses) == (2, {"ok": WINDOW + 4})
    with open(tmp_path / "out.csv", newline="") as handle:
        assert [row["dx1_icd10"] for row in csv.DictReader(handle)] == ["J45"] * (WINDOW + 4)
    content = json.loads((tmp_path / "out.csv.summary.json").read_text())
    assert (content["shared"], content["rescaled"]) == (WINDOW + 2, WINDOW + 4)
    assert content["tokens"] == {"prompt": 200, "completion": 20}
    score_table(open_table(tmp_path / "cases.csv"), tmp_path / "out.jsonl", model)
    answers = [json.loads(line)["ddx"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [answer["case_id"] for answer in answers] == [f"a{i}" for i in range(WINDOW + 4)]


def test_a_failure_is_not_shared_with_later_windows(tmp_path: Path) -> None:
    class Recovering(KeywordModel):
        failures = 0

        def _answer(self, case: Case) -> Differential:
            if "breaks" in case.text and self.failures < 2:  # the batch, then the case alone
                self.failures += 1
                raise RuntimeError
            return super()._answer(Case(case.case_id, text="chest"))

    (tmp_path / "cases.csv").write_text("text\n" + "this breaks\n" * 2 + "abc\n" * (WINDOW - 2) + "this breaks\n")
    score_table(open_table(tmp_path / "cases.csv"), tmp_path / "out.csv", Recovering())
    with open(tmp_path / "out.csv", newline="") as handle:
        said = [row["ddx_status"] for row in csv.DictReader(handle) if row["text"] == "this breaks"]
    assert said == [f"error: row {n}: the model failed (RuntimeError)" for n in (2, 3)] + ["ok"]


def test_rows_of_a_batch_that_failed_half_way_count_once(tmp_path: Path) -> None:
    class HalfWay(KeywordModel):
        def predict_many(
            self, cases: Sequence[Case], on_done: Callable[[int], None] | None = None
        ) -> list[Differential]:
            if len(cases) > 1:
                assert on_done is not None
                on_done(2)
                raise MemoryError
            return super().predict_many(cases, on_done)

    heard: list[int] = []
    (tmp_path / "cases.csv").write_text("text\n" + "".join(f"cough {i}\n" for i in range(40)))
    table = open_table(tmp_path / "cases.csv")
    score_table(table, tmp_path / "out.csv", HalfWay(), on_rows=heard.append)
    assert sum(heard) == 40


# Any text a CSV file can carry: all but NUL (a binary file) and lone surrogates (no encoding has them).
CELLS = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=12) | st.sampled_from(
    [
        "-5",
        "=1",
        "\r",
        "\n",
        '"',
        "a\rb",
        " x ",
        "",
        "E_91",
        "-E_91",
        "'",
        "1;2",
        "a,b",
        "\ufeff",
        "chest",
        "breaks",
    ]
)
ROWS = st.lists(
    st.fixed_dictionaries(dict.fromkeys(("case_id", "age", "sex", "text", "findings", "note"), CELLS)),
    min_size=1,
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS, separator=st.sampled_from(",;\t|"), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_any_rows_keep_their_order_and_their_cells(
    tmp_path: Path, rows: list[dict[str, str]], separator: str, encoding: str
) -> None:
    source, out = tmp_path / "cases.csv", tmp_path / "out.csv"
    with open(source, "w", encoding=encoding, newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), delimiter=separator, quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)
    table = open_table(source)
    assert table.rows == len(rows)
    summary = score_table(table, out, KeywordModel(), force=True)
    with open(out, encoding="utf-8-sig" if table.bom else "utf-8", newline="") as handle:
        written = list(csv.DictReader(handle, delimiter=separator, strict=True))
    assert [{n: row[n] for n in rows[0]} for row in written] == [{n: escape(v) for n, v in row.items()} for row in rows]
    assert all(row["ddx_status"] for row in written)
    assert summary.rows == len(rows) == summary.statuses.total() + summary.failed.total()
