"""`ddx calibrate`: a calibrator for engines that give token probabilities, and one for those that don't."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ddx.calibration.calibrator import Calibrator
from ddx.cli.main import app
from ddx.model import CALIBRATOR, CALIBRATOR_STATED

OURS = Path(__file__).parents[2] / "training" / "data"


@pytest.mark.slow
def test_both_are_fitted_on_the_same_answers(tiny_nano: Path, tiny_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_nano, folder, ignore=shutil.ignore_patterns("checkpoints"))

    def calibrate(*options: str) -> str:
        arguments = ["calibrate", str(folder), "--data", str(tiny_data), "--size", "15", *options]
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        return result.output

    output = calibrate("--kind", "list-softmax")
    files = [folder / name for name in (CALIBRATOR, CALIBRATOR_STATED)]
    assert all(str(file) in output.replace("\n", "") for file in files)
    kept = [file.read_text() for file in files]
    full, stated = (Calibrator.from_json(text) for text in kept)
    assert full.signals and not stated.signals
    assert full.n_cases == stated.n_cases > 0 and full.fitted_on == stated.fitted_on
    again = ("--completions", str(folder / "calibration.completions.jsonl"))
    calibrate("--kind", "list-softmax", *again)
    assert [file.read_text() for file in files] == kept
    few = tmp_path / "vignettes"
    few.mkdir()
    for side in ("inside", "outside"):
        lines = (OURS / f"calibration_{side}.jsonl").read_text().splitlines(keepends=True)
        (few / f"calibration_{side}.jsonl").write_text("".join(lines[:3]))
    more = calibrate("--kind", "list-softmax", "--vignettes", str(few))
    assert f"of {4 * 15 + 6:,} cases" in more.replace("\n", " ")
    wider = Calibrator.from_json(files[0].read_text())
    assert wider.n_cases > full.n_cases and wider.fitted_on == full.fitted_on  # the patients are the same
    calibrate("--kind", "list-softmax", "--vignettes", str(few), *again)
    assert Calibrator.from_json(files[0].read_text()) == wider
    arguments = ["calibrate", str(folder), "--data", str(tiny_data), "--size", "15", "--vignettes", str(few), *again]
    refused = CliRunner().invoke(app, [*arguments, "--kind", "temperature"])
    assert refused.exit_code == 2 and "count for less than patients" in refused.output.replace("\n", " ")
    # one that reads no token probabilities serves every engine: the second, of another fit, must not stay
    calibrate("--kind", "temperature")
    assert Calibrator.from_json(files[0].read_text()).kind == "temperature" and not files[1].exists()
