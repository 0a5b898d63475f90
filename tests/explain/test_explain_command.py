"""`ddx explain`: bars to read, JSON to compute with, and one line when there is nothing to answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from keyword_model import KeywordModel
from typer.testing import CliRunner

from ddx.cli import explain
from ddx.cli.main import app
from ddx.differential import NOTICE
from ddx.vocabulary import load_vocabulary

TEXT = "Pain in the chest [since] noon. She has a cold too."
HEART = "Possible NSTEMI / STEMI"


class Keywords(KeywordModel):
    vocabulary = load_vocabulary()


@pytest.fixture(autouse=True)
def keywords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explain, "load_for_command", lambda name, engine: Keywords())


def test_bars_for_the_parts_that_count() -> None:
    result = CliRunner().invoke(app, ["explain", TEXT])
    assert result.exit_code == 0, result.stderr
    shown = result.stdout
    assert NOTICE in shown and f"1. {HEART}" in shown
    # .6 against an even share of the .7 that "viral infection" leaves: ln(1.5) − ln(.0146 / .9854)
    [line] = [line for line in shown.splitlines() if "+4.62" in line]
    assert "Pain in the chest [since] noon." in line
    assert "She has a cold too." not in shown  # it moves nothing


def test_json_has_every_weight(tmp_path: Path) -> None:
    case = {"case_id": "a", "text": TEXT, "findings": ["-E_91"]}
    (tmp_path / "case.json").write_text(json.dumps(case))
    result = CliRunner().invoke(app, ["explain", "--file", str(tmp_path / "case.json"), "--json"])
    assert result.exit_code == 0, result.stderr
    content = json.loads(result.stdout)
    assert content["notice"] == NOTICE and content["differential"][0]["name"] == HEART
    rows = content["evidence"]
    assert [(r["text"], r["change"]) for r in rows] == [
        ("Pain in the chest [since] noon.", "removed"),
        ("She has a cold too.", "removed"),
        ("No fever", "removed"),
        ("No fever", "reversed"),
    ]
    assert [r["weights"][HEART] for r in rows] == [pytest.approx(4.62, abs=0.01), 0, 0, 0]
    assert content["middle"] == {HEART: 0, "Pericarditis": 0}
    assert TEXT[slice(*rows[1]["span"])] == "She has a cold too." and rows[2]["span"] is None
    assert rows[2]["findings"] == [{"code": "E_91", "present": False, "value": None}]


def test_a_single_statement_is_said_to_be_one() -> None:
    result = CliRunner().invoke(app, ["explain", "pain in the chest"])
    assert result.exit_code == 0 and "nothing can be left out" in result.stdout


def test_bad_input_is_one_line() -> None:
    result = CliRunner().invoke(app, ["explain", "chest", "--age", "old"])
    assert result.exit_code == 2 and len(result.stderr.splitlines()) == 1
