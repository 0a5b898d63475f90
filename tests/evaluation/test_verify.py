"""`ddx verify`: the same figures again from the stored completions, and a changed byte is noticed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ddx.cli.main import app
from ddx.engines.base_models import SMOLLM2, cache_dir

pytestmark = [
    pytest.mark.slow,
    pytest.mark.model,
    pytest.mark.skipif(not (cache_dir() / SMOLLM2).exists(), reason=f"run `ddx models get {SMOLLM2}` first"),
]


@pytest.fixture(scope="module")
def data(some_patients: Callable[[int], Path]) -> Path:
    return some_patients(400)


@pytest.fixture(scope="module")
def report(data: Path) -> Path:
    out = data / "report.json"
    arguments = ["eval", "--data", str(data), "--sample", "5", "--base-cases", "1", "-o", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return out


def verify(report: Path, data: Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["verify", str(report), "--data", str(data)])
    return result.exit_code, result.output


def test_an_untouched_report_holds(report: Path, data: Path) -> None:
    code, said = verify(report, data)
    assert code == 0, said
    assert "the same in all" in said
    assert "not recomputed" not in said, "the baselines are recomputed, too"


def test_a_report_is_made_again_from_both_files_without_asking_anyone(
    report: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*_: object) -> None:
        raise AssertionError("the base model was asked")

    monkeypatch.setattr("ddx.evaluation.evaluate.untrained", nobody)
    again, completions = tmp_path / "again.json", report.with_suffix(".completions.jsonl")
    arguments = ["eval", "--data", str(data), "--sample", "5", "--base-cases", "1", "--completions", str(completions)]
    result = CliRunner().invoke(app, [*arguments, "-o", str(again)])
    assert result.exit_code == 0, result.output
    first, second = (json.loads(path.read_text(encoding="utf-8")) for path in (report, again))
    assert {**first, "command": "", "created": ""} == {**second, "command": "", "created": ""}
    result = CliRunner().invoke(app, [*arguments, "--base-cases", "2", "-o", str(again)])
    assert result.exit_code == 2 and "it has 1 at a stage" in result.stderr


def test_a_changed_byte_or_figure_is_found(report: Path, data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "report.json"
    stated = json.loads(report.read_text(encoding="utf-8"))
    written = report.with_suffix(".completions.jsonl").read_text(encoding="utf-8")
    copy.with_suffix(".completions.jsonl").write_text(written.replace("9", "8", 1), encoding="utf-8")
    copy.write_text(json.dumps(stated), encoding="utf-8")
    code, said = verify(copy, data)
    assert code == 1 and "not the bytes" in said
    copy.with_suffix(".completions.jsonl").write_text(written, encoding="utf-8")
    baselines = report.with_suffix(".baselines.completions.jsonl").read_text(encoding="utf-8")
    beside = copy.with_suffix(".baselines.completions.jsonl")
    for content, reason in ((None, "missing"), (baselines.replace("e", "f", 1), "not the bytes")):
        if content is not None:
            beside.write_text(content, encoding="utf-8")
        code, said = verify(copy, data)
        assert code == (2 if content is None else 1) and reason in said and beside.name in said
    beside.write_text(baselines, encoding="utf-8")
    for path in (("metrics", "all"), ("baselines", "best-of-k", "all"), ("same_cases", "sft-only", "full")):
        changed = json.loads(json.dumps(stated))
        part = changed
        for key in path:
            part = part[key]
        part["pass@1"]["value"] += 0.001
        copy.write_text(json.dumps(changed), encoding="utf-8")
        code, said = verify(copy, data)
        assert code == 1 and f"{'.'.join(path)}.pass@1.value" in said


def test_a_report_by_an_older_protocol_is_to_be_made_again(report: Path, data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "report.json"
    copy.write_text(json.dumps({**json.loads(report.read_text(encoding="utf-8")), "protocol": "2"}), encoding="utf-8")
    code, said = verify(copy, data)
    assert code == 2 and "made by protocol 2" in said and "evaluate again" in said


def test_a_report_of_another_model_is_refused(report: Path, data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "report.json"
    stated = json.loads(report.read_text(encoding="utf-8"))
    stated["model"]["adapter_sha256"] = "0" * 64
    copy.write_text(json.dumps(stated), encoding="utf-8")
    result = CliRunner().invoke(app, ["verify", str(copy), "--data", str(data)])
    assert result.exit_code == 2 and "another adapter" in result.stderr
