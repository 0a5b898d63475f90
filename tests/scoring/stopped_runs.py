"""Tables to be scored by runs that stop, and what is looked at of such a run."""

from __future__ import annotations

import csv
import json
import os
import random
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from keyword_model import KeywordModel

from ddx.case import Case
from ddx.differential import Differential
from ddx.scoring.journal import journal_path
from ddx.scoring.readers import open_table
from ddx.scoring.runner import WINDOW, score_table
from ddx.scoring.summary import Summary

WORDS = ("chest pain", "wheezing at night", "cough", "unreadable", "this breaks", "fever")


def a_table(folder: Path, rows: int, name: str = "cases.csv") -> Path:
    """Cases of all sorts: good, bad, repeated here and there, unreadable, breaking the model."""
    chance = random.Random(rows)
    lines = ["case_id,age,sex,text"]
    for i in range(rows):
        word = WORDS[chance.choices(range(6), (9, 9, 9, 1, 0.2, 9))[0]]
        lines.append(f"c{i},{'abc' if chance.random() < 0.05 else chance.randrange(90)},F,{word}{' !' * (i % 50)}")
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


class Logged(KeywordModel):
    """Writes down what it is asked, for the reader of another process, and takes its time."""

    def __init__(self, log: Path, seconds: float = 0.0) -> None:
        super().__init__()
        self.log, self.seconds = log, seconds

    def predict_many(self, cases: Sequence[Case], on_done: Callable[[int], None] | None = None) -> list[Differential]:
        with open(self.log, "a", encoding="utf-8") as handle:
            handle.write(json.dumps([case.case_id for case in cases]) + "\n")
        time.sleep(self.seconds)
        return super().predict_many(cases, on_done)

    def asked(self) -> list[tuple[str, ...]]:
        return [tuple(json.loads(line)) for line in self.log.read_text(encoding="utf-8").splitlines()]


def child(work: Callable[[], object]) -> int:
    """The process id of a fork that does the work and nothing else."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    raise AssertionError("not reached")


def ended_by(pid: int) -> int:
    """The signal that ended a child, 0 when it ended well."""
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child failed"
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def go_on(source: Path, out: Path, model: KeywordModel) -> Summary | None:
    """What whoever finds a killed run does: nothing where it was done, else `--resume`."""
    if out.exists() and not journal_path(out).exists():
        return None
    return score_table(open_table(source), out, model, resume=True)


def same(out: Path, reference: Path, rows: int) -> None:
    assert out.read_bytes() == reference.read_bytes()
    with open(out, newline="", encoding="utf-8") as handle:
        assert [row["case_id"] for row in csv.DictReader(handle)] == [f"c{i}" for i in range(rows)]


def beside(out: Path) -> list[str]:
    """The names of the files of a run."""
    return sorted(path.name for path in out.parent.iterdir() if path.name.startswith(out.name))


def lasting(content: dict) -> dict:
    """What of a sidecar does not depend on how long it took and where it lies."""
    return {k: v for k, v in content.items() if k not in ("output", "seconds", "seconds_per_case", "resumptions")}


def stopped_run(folder: Path, rows: int = 2 * WINDOW) -> tuple[Path, Path]:
    """(table, output) of a run that was stopped after a window."""
    source, out, asked = a_table(folder, rows), folder / "out.csv", iter([False, True])
    assert not score_table(open_table(source), out, KeywordModel(), stop=lambda: next(asked)).finished
    return source, out
