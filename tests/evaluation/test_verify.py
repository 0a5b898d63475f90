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
    arguments = ["eval", "--data", str(data), "--sample", "5", "--base-cases", "0", "-o", str(out)]
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


def test_a_changed_byte_or_figure_is_found(report: Path, data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "report.json"
    stated = json.loads(report.read_text(encoding="utf-8"))
    written = report.with_suffix(".completions.jsonl").read_text(encoding="utf-8")
    copy.with_suffix(".completions.jsonl").write_text(written.replace("9", "8", 1), encoding="utf-8")
    copy.write_text(json.dumps(stated), encoding="utf-8")
    code, said = verify(copy, data)
    assert code == 1 and "not the bytes" in said
    copy.with_suffix(".completions.jsonl").write_text(written, encoding="utf-8")
    stated["metrics"]["all"]["pass@1"]["value"] += 0.001
    copy.write_text(json.dumps(stated), encoding="utf-8")
    code, said = verify(copy, data)
    assert code == 1 and "metrics.all.pass@1.value" in said


def test_a_report_of_another_model_is_refused(report: Path, data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "report.json"
    stated = json.loads(report.read_text(encoding="utf-8"))
    stated["model"]["adapter_sha256"] = "0" * 64
    copy.write_text(json.dumps(stated), encoding="utf-8")
    result = CliRunner().invoke(app, ["verify", str(copy), "--data", str(data)])
    assert result.exit_code == 2 and "another adapter" in result.stderr
