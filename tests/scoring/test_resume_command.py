"""`ddx score` as a command that is interrupted or killed, and goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from keyword_model import KeywordModel
from stopped_runs import WORDS, a_table, beside, same, stopped_run
from typer.testing import CliRunner

from ddx.case import Case
from ddx.cli.main import app
from ddx.differential import Differential
from ddx.engines.base_models import SMOLLM2, cache_dir
from ddx.scoring.runner import WINDOW


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> KeywordModel:
    """`ddx score` loads this instead of a language model."""
    keyword, module = KeywordModel(), ModuleType("ddx.model")
    keyword.engine = SimpleNamespace(counts={})  # type: ignore[attr-defined]
    module.load_model = lambda *args, **kwargs: keyword  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ddx.model", module)
    return keyword


def test_an_interrupted_command_says_what_to_run_next(
    tmp_path: Path, model: KeywordModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, out = a_table(tmp_path, 2 * WINDOW), tmp_path / "out.csv"
    arguments = ["score", str(source), "-o", str(out)]
    answer = model._answer

    def interrupted(case: Case) -> Differential:
        if int(case.case_id[1:]) >= WINDOW:
            raise KeyboardInterrupt
        return answer(case)

    monkeypatch.setattr(model, "_answer", interrupted)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 130
    assert result.stderr == f"ddx: interrupted; {WINDOW} rows are kept, the same command with --resume goes on\n"
    monkeypatch.undo()
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "--resume" in result.stderr


def test_the_command_goes_on(tmp_path: Path, model: KeywordModel) -> None:
    source, out = stopped_run(tmp_path)
    result = CliRunner().invoke(app, ["score", str(source), "-o", str(out), "--resume", "--keep-journal"])
    assert result.exit_code == 0
    assert f"{out}: going on after {WINDOW} of {2 * WINDOW} rows" in result.stderr
    assert beside(out) == ["out.csv", "out.csv.journal.sqlite", "out.csv.summary.json"]
    result = CliRunner().invoke(app, ["score", str(source), "-o", str(tmp_path / "new.csv"), "--resume"])
    assert result.exit_code == 0
    assert "nothing to go on with, starting at row one" in result.stderr


KILLED = """
import os, signal, sys, threading
import ddx.scoring.runner as runner
from ddx.cli.main import app
from ddx.scoring.journal import Journal
runner.WINDOW = 12
moment, add = float(sys.argv.pop(1)), Journal.add
def add_and_die(*arguments):
    add(*arguments)
    threading.Timer(moment, os.kill, (os.getpid(), signal.SIGKILL)).start()
if moment:
    Journal.add = add_and_die
app()
"""


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.skipif(not (cache_dir() / SMOLLM2).exists(), reason=f"run `ddx models get {SMOLLM2}` first")
def test_the_command_with_the_real_model_is_killed_and_goes_on(tmp_path: Path) -> None:
    """`ddx score` as a program, killed in its second window: the same bytes as without the kill."""
    lines = ["case_id,age,sex,text"]
    lines += [f"c{i},{20 + i},F,{WORDS[i % 3]} for {i} hours; no fever" for i in range(30)]
    (tmp_path / "cases.csv").write_text("\n".join(lines) + "\n")

    def ddx(moment: float, out: str, *options: str) -> int:
        arguments = [str(moment), "score", "cases.csv", "-o", out, *options]
        return subprocess.run([sys.executable, "-c", KILLED, *arguments], cwd=tmp_path, check=False).returncode

    assert ddx(0, "whole.csv") == 0
    assert ddx(0.2, "out.csv") == -signal.SIGKILL
    assert beside(tmp_path / "out.csv")[0] == "out.csv.journal.sqlite"
    assert ddx(0, "out.csv", "--resume") == 0
    same(tmp_path / "out.csv", tmp_path / "whole.csv", 30)
    content = json.loads((tmp_path / "out.csv.summary.json").read_text())
    assert (content["resumptions"], content["asked"]) == (1, 30)
