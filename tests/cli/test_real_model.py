"""The commands with the model that ships."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ddx.cli.main import app
from ddx.engines.base_models import SMOLLM2, cache_dir
from ddx.provenance import shipped_folder

pytestmark = [
    pytest.mark.model,
    pytest.mark.skipif(not (shipped_folder() / "model.json").exists(), reason="no model in ddx/assets/model"),
    pytest.mark.skipif(not (cache_dir() / SMOLLM2).exists(), reason=f"run `ddx models get {SMOLLM2}` first"),
]


def test_predict_json_sums_to_one() -> None:
    text = "Crushing central chest pain for an hour, sweating, spreads to the left arm."
    result = CliRunner().invoke(app, ["predict", text, "--age", "61", "--sex", "M", "--json"])
    assert result.exit_code == 0, result.stderr
    content = json.loads(result.stdout)
    assert content["status"] in ("ok", "repaired")
    assert sum(d["confidence"] for d in content["differential"]) + content["other"] == pytest.approx(1, abs=1e-9)
    assert content["model"]["id"]


def test_score_mixes_good_and_bad_rows(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").write_text(
        "case_id;age;sex;text;findings\n"
        "a;61;M;crushing chest pain, sweating;\n"
        "b;abc;M;cough;\n"
        "c;24;F;;E_91;E_201\n"
        'd;24;F;;"E_91;E_201;-E_66"\n'
    )
    result = CliRunner().invoke(app, ["score", str(tmp_path / "cases.csv"), "-o", str(tmp_path / "out.csv")])
    assert result.exit_code == 0, result.stderr
    with open(tmp_path / "out.csv", newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle, delimiter=";"))
    assert [row["ddx_status"].split(":")[0] in ("ok", "repaired") for row in rows] == [
        True,
        False,
        False,
        True,
    ]
    assert all(row["dx1"] for row in rows if not row["ddx_status"].startswith("error"))
