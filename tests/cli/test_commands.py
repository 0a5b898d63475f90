"""The command line: what it prints, what it refuses in one line, and its exit status."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from keyword_model import KeywordModel
from typer.testing import CliRunner, Result

from ddx.cli.main import app
from ddx.differential import NOTICE

RUNNER = CliRunner()
GOOD = "case_id,age,sex,text\na,58,M,chest pain\nb,abc,F,wheezing\n"


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> KeywordModel:
    """The commands load this instead of a language model (and without importing torch)."""
    keyword, module = KeywordModel(), ModuleType("ddx.model")
    module.load_model = lambda name=None, engine="transformers": keyword  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ddx.model", module)
    return keyword


def ddx(*arguments: object, given: str | bytes | None = None) -> Result:
    return RUNNER.invoke(app, [str(a) for a in arguments], input=given)


def refused(result: Result, *reasons: str) -> None:
    """One line on stderr, nothing on stdout, status 2, and no traceback."""
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("ddx: ")
    assert result.stderr.count("\n") == 1
    for reason in reasons:
        assert reason in result.stderr
    assert not result.exception or isinstance(result.exception, SystemExit)


def test_predict_prints_a_ranked_table() -> None:
    result = ddx("predict", "chest pain", "--age", "58", "--sex", "M")
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines() if line.strip()]
    assert lines[0] == "Diagnosis ICD-10 Confidence"
    assert lines[1].startswith("1 Possible NSTEMI / STEMI I21 ")
    assert lines[1].endswith("60 % must not miss")
    assert lines[3].startswith("Something else ")
    assert lines[3].endswith("20 %")
    assert lines[-1] == NOTICE


def test_predict_prints_the_documented_json(model: KeywordModel) -> None:
    content = json.loads(ddx("predict", "chest pain", "--age", "1,5", "--json").stdout)
    assert [d["icd10"] for d in content["differential"]] == ["I21", "I30"]
    assert sum(d["confidence"] for d in content["differential"]) + content["other"] == pytest.approx(1)
    assert content["model"]["id"] == "keyword-rule"
    assert model.seen[0].age == 1.5


def test_a_case_comes_from_a_file_or_from_standard_input(tmp_path: Path, model: KeywordModel) -> None:
    case = {"case_id": "c1", "age": 40, "sex": "F", "findings": ["E_201", "-E_91"]}
    (tmp_path / "case.json").write_text(json.dumps(case), encoding="utf-16")
    (tmp_path / "case.txt").write_bytes("douleur fébrile, chest".encode("cp1252"))
    assert ddx("predict", "--file", tmp_path / "case.json").exit_code == 0
    assert ddx("predict", "--file", tmp_path / "case.txt").exit_code == 0
    assert ddx("predict", "-", given="wheezing\n").exit_code == 0
    assert ddx("predict", "-", "--age", "41", given=json.dumps(case)).exit_code == 0
    assert [(c.case_id, c.age, len(c.findings), c.text) for c in model.seen] == [
        ("c1", 40, 2, ""),
        ("", None, 0, "douleur fébrile, chest"),
        ("", None, 0, "wheezing"),
        ("c1", 41, 2, ""),
    ]


def test_an_answer_that_could_not_be_read_says_so() -> None:
    result = ddx("predict", "unreadable")
    assert result.exit_code == 0
    assert "No diagnosis could be read" in result.stdout


BAD_CASES: dict[str, tuple[list[str], str]] = {
    "nothing given": ([], "give one case"),
    "two given": (["cough", "--file", "case.json"], "give one case"),
    "an empty text": (["  "], "no text and no findings"),
    "an age of abc": (["cough", "--age", "abc"], "--age: age 'abc' is not a number of years"),
    "an unknown sex": (["cough", "--sex", "Q"], "--sex: sex 'Q' is not one of"),
    "a text without end": (["a" * 20_001], "20,001 characters, the limit is 20,000"),
    "a missing file": (["--file", "none.json"], "no such file"),
    "half an object": (['{"text": '], "not valid JSON (line 1, column 10"),
    "a list": (["--file", "list.json"], "expected an object"),
    "an unknown key": (['{"txt": "cough"}'], "unknown key 'txt'"),
    "an unknown finding": (['{"findings": ["E_9999"]}'], "'E_9999' is not a known finding"),
    "findings as text": (['{"findings": "E_91"}'], "findings must be a list"),
    "a text that is a number": (['{"text": 5}'], "text must be a string"),
    "an abyss": (["--file", "deep.json"], "not valid JSON"),
    "a binary file": (["--file", "binary.txt"], "binary data"),
}


@pytest.mark.parametrize("kind", BAD_CASES)
def test_a_bad_case_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "deep.json").write_text("[" * 19_000)
    (tmp_path / "binary.txt").write_bytes(b"\x00\x01")
    arguments, reason = BAD_CASES[kind]
    refused(ddx("predict", *arguments), reason)


@pytest.mark.parametrize("content", [b"\xff\xfe\xfd", b"cough\x00"])
def test_bad_standard_input_is_one_clear_line(content: bytes) -> None:
    refused(ddx("predict", "-", given=content), "standard input: ")


def test_score_answers_every_row_and_sums_up_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text(GOOD)
    result = ddx("score", tmp_path / "cases.csv", "-o", tmp_path / "scored.csv", "--k", "2")
    assert (result.exit_code, result.stdout) == (0, "")
    first, second = result.stderr.splitlines()
    assert f"{tmp_path / 'scored.csv'}: 2 rows: 1 answered (ok 1); 1 failed (age 1); " in first
    assert second == "  row 3, column age: 'abc' is not a number of years"
    with open(tmp_path / "scored.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["dx1_icd10"] for row in rows] == ["I21", ""]
    assert json.loads((tmp_path / "scored.csv.summary.json").read_text())["k"] == 2


def test_score_says_when_no_row_was_answered(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text("age,text\n" + "abc,cough\n" * 8)
    result = ddx("score", tmp_path / "cases.csv", "-o", tmp_path / "scored.csv")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "  and 3 more: see the column ddx_status"
    assert (tmp_path / "scored.csv").exists()


BAD_TABLES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "only a header": (b"case_id,text\n", "no rows below it"),
    "a missing column": (b"case_id,age,sex\na,58,M\n", "none called text, findings or EVIDENCES"),
    "binary": (b"text\n\x00\x01\x02", "binary data"),
    "a workbook": (b"PK\x03\x04", "an Excel workbook"),
    "duplicate headers": (b"text;TEXT\na;b\n", "two columns are called 'text'"),
    "half a gzip": (gzip.compress(GOOD.encode() * 9)[:50], "damaged gzip"),
    "no known encoding": (b"text\n\x81\n", "not readable as utf-8 or cp1252"),
    "scored before": (b"text,ddx_status\na,ok\n", "column ddx_status is already there"),
}


@pytest.mark.parametrize("kind", BAD_TABLES)
def test_a_bad_table_is_one_clear_line(tmp_path: Path, kind: str, model: KeywordModel) -> None:
    content, reason = BAD_TABLES[kind]
    (tmp_path / "cases.csv").write_bytes(content)
    refused(ddx("score", tmp_path / "cases.csv", "-o", tmp_path / "scored.csv"), reason)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cases.csv"]
    assert not model.seen


def test_bad_places_are_one_clear_line(tmp_path: Path) -> None:
    source = tmp_path / "cases.csv"
    source.write_text(GOOD)
    refused(ddx("score", tmp_path, "-o", tmp_path / "o.csv"), "this is a folder")
    refused(ddx("score", tmp_path / "none.csv", "-o", tmp_path / "o.csv"), "no such file")
    refused(ddx("score", source, "-o", source, "--force"), "this is the input")
    refused(ddx("score", source, "-o", tmp_path / "no" / "o.csv"), "does not exist")
    (tmp_path / "o.csv").write_text("precious")
    refused(ddx("score", source, "-o", tmp_path / "o.csv"), "already there", "--force")
    assert ddx("score", source, "-o", tmp_path / "o.csv", "--force").exit_code == 0


def test_a_cp1252_table_with_semicolons_and_decimal_commas(tmp_path: Path, model: KeywordModel) -> None:
    (tmp_path / "cases.csv").write_bytes("age;sex;text\r\n0,5;F;fièvre\r\nabc;M;toux\r\n".encode("cp1252"))
    result = ddx("score", tmp_path / "cases.csv", "-o", tmp_path / "scored.csv")
    assert result.exit_code == 0
    assert [(c.age, c.text) for c in model.seen] == [(0.5, "fièvre")]
    assert (tmp_path / "scored.csv").read_text(encoding="utf-8").splitlines()[1].startswith("0,5;F;fièvre;ok;")


def test_an_interrupt_ends_with_130(monkeypatch: pytest.MonkeyPatch, model: KeywordModel) -> None:
    def interrupt(case: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(model, "predict", interrupt)
    result = ddx("predict", "cough")
    assert result.exit_code == 130
    assert "Traceback" not in result.stderr


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch, model: KeywordModel) -> None:
    def full(case: Any) -> None:
        raise OSError(28, "No space left on device", "scored.csv.partial")

    monkeypatch.setattr(model, "predict", full)
    refused(ddx("predict", "cough"), "scored.csv.partial: No space left on device")


def test_unknown_options_and_commands_are_refused() -> None:
    for arguments in (
        ["predict", "--nonsense"],
        ["nonsense"],
        ["score"],
        ["score", "a.csv", "-o", "b", "--k", "0"],
    ):
        result = ddx(*arguments)
        assert result.exit_code == 2
        assert "Traceback" not in result.stderr


def test_data_prepare_writes_the_splits(tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    header = "AGE,SEX,PATHOLOGY,EVIDENCES,INITIAL_EVIDENCE,DIFFERENTIAL_DIAGNOSIS\n"
    rows = "".join(f"{age},F,GERD,\"['E_201', 'E_91']\",E_201,\"[['GERD', 0.9]]\"\n" for age in range(20, 60))
    (source / "release_test_patients.csv").write_text(header + rows)
    result = ddx("data", "prepare", "--source", source, "-o", out)
    assert result.exit_code == 0, result.stderr
    assert "read 40" in result.stdout
    assert {p.name for p in out.iterdir()} >= {"train.parquet", "test.parquet", "manifest.json"}


def test_data_prepare_refuses_in_one_line(tmp_path: Path) -> None:
    refused(ddx("data", "prepare", "--source", tmp_path / "none", "-o", tmp_path / "out"), "no such folder")
    refused(ddx("data", "prepare", "--source", tmp_path, "-o", tmp_path / "out"), "no DDXPlus patient files")
    (tmp_path / "patients.csv.gz").write_bytes(b"\x1f\x8bbroken")
    refused(ddx("data", "prepare", "--source", tmp_path, "-o", tmp_path / "out"), "cannot be read as a CSV table")


def test_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDX_CACHE", str(tmp_path))
    assert ddx("models", "list").stdout == "smollm2-135m  not fetched: ddx models get smollm2-135m\n"
    refused(ddx("models", "get", "llama"), "'llama' is not fetched here")
    (tmp_path / "smollm2-135m").mkdir()
    (tmp_path / "smollm2-135m" / "ddx_source.json").write_text("{}")
    assert ddx("models", "list").stdout == f"smollm2-135m  ready in {tmp_path / 'smollm2-135m'}\n"
    assert ddx("models", "get", "smollm2-135m").stdout == f"{tmp_path / 'smollm2-135m'}\n"


def test_version_names_ddx_its_libraries_and_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ddx.provenance

    monkeypatch.setattr(ddx.provenance, "shipped_folder", lambda: tmp_path)
    lines = ddx_lines("--version")
    assert [line.split()[0] for line in lines][:3] == ["ddx", "python", "torch"]
    assert lines[-1] == "model none shipped"
    (tmp_path / "model.json").write_text('{"id": "some-model"}')
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert ddx_lines("--version")[-1] == f"model some-model {empty}"
    (tmp_path / "model.json").write_text("{")
    assert ddx_lines("--version")[-1].startswith("model unreadable")


def ddx_lines(*arguments: str) -> list[str]:
    result = ddx(*arguments)
    assert result.exit_code == 0
    return result.stdout.splitlines()


def test_as_a_program_a_bad_table_is_one_line_and_needs_no_torch(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_bytes(b"")
    code = (
        "import sys\nfrom ddx.cli.main import app\n"
        "try:\n app(['score', 'cases.csv', '-o', 'o.csv'])\n"
        "finally:\n assert not {'torch', 'transformers', 'sklearn'} & set(sys.modules)\n"
    )
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "ddx: cases.csv: the file is empty; expected a header and a row for each case\n"


def test_reward_prints_its_parts_and_says_why() -> None:
    text = "<think>x</think>" + "".join(
        f"<answer{i}>{name}</answer{i}><confidence{i}>{q}</confidence{i}>"
        for i, (name, q) in enumerate([("Reflux", 0.8), ("GERD", 0.1), ("Pneumonia", 0.1)], 1)
    )
    options = ["--objective", "rlcr-multi", "--format", "tags", "--k", "3", "--meaning", "membership"]
    golds = ["--gold", "GERD", "--gold", "Unstable angina"]
    result = CliRunner().invoke(app, ["reward", *options, *golds, "--explain"], input=text)
    assert result.exit_code == 0, result.output
    parts = json.loads(result.stdout)
    assert parts["reward"] == pytest.approx(parts["coverage"] - parts["brier"]) == pytest.approx(1 - 0.02)
    assert (parts["valid"], parts["status"], parts["matched"]) == (True, "ok", ["Reflux"])
    assert any("earlier answer" in line for line in parts["explanation"])
    invalid = CliRunner().invoke(app, ["reward", *options, *golds], input="no idea")
    assert json.loads(invalid.stdout)["reward"] == -1.0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--objective", "rlhf"], "is not one of"),
        (["--format", "xml"], "tags, lines"),
        (["--k", "0"], "at least 1"),
        (["--objective", "rlvr-single", "--k", "2"], "set k to 1"),
        (["--gold", "Croup"], "membership"),
    ],
)
def test_reward_refuses_bad_options_in_one_line(arguments: list[str], reason: str) -> None:
    result = CliRunner().invoke(app, ["reward", "--gold", "GERD", *arguments], input="x")
    assert result.exit_code == 2
    assert reason in result.stderr and result.stderr.count("\n") == 1
