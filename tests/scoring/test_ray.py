"""Scoring on a real local Ray cluster of two worker processes: the same answers, also when a worker is killed."""

from __future__ import annotations

import csv
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
from keyword_model import KeywordModel

from ddx.case import Case
from ddx.differential import Differential
from ddx.errors import DdxError, InputError
from ddx.scoring.ray_workers import RayModels, asked_windows, ray_models
from ddx.scoring.readers import open_table
from ddx.scoring.runner import WINDOW, score_table

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra `ray` is not installed"),
]
HERE = Path(__file__).resolve().parent

ROWS = 20 * WINDOW + 7


class Slow(KeywordModel):
    """Writes down who answered a window, and takes its time over it."""

    log: Path
    seconds: float = 0.0

    def predict_many(self, cases: Sequence[Case], on_done: Callable[[int], None] | None = None) -> list[Differential]:
        if len(cases) > 1:  # not when one is tried by itself
            with open(self.log, "a", encoding="utf-8") as handle:
                handle.write(f"{os.getpid()} {len(cases)}\n")
            time.sleep(self.seconds)
        return super().predict_many(cases, on_done)


def loader(log: Path, seconds: float = 0.0, changes: bool = False) -> Callable[[str], Slow]:
    def load(engine: str) -> Slow:
        model = Slow()
        model.log, model.seconds = log, seconds
        if changes:
            model.info["id"] = f"{os.getpid()}"
        return model

    return load


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers find this file and the keyword model."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parent)]))


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cases of all sorts, one in six said before, some bad, some that break the model."""
    chance = random.Random(1)
    words = ("chest pain", "wheezing at night", "cough", "fever", "unreadable", "this breaks")
    lines = ["case_id,age,sex,text"]
    for i in range(ROWS):
        word = chance.choices(words, (9, 9, 9, 9, 1, 0.3))[0]
        lines.append(f"c{i},{'abc' if chance.random() < 0.03 else chance.randrange(90)},F,{word}{' !' * (i % 20)}")
    path = tmp_path_factory.mktemp("ray") / "cases.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def models(log: Path, request: pytest.FixtureRequest) -> Iterator[RayModels]:
    with ray_models(loader(log, getattr(request, "param", 0.0)), workers=2) as found:
        yield found


def plain(cases: Path, out: Path, log: Path) -> bytes:
    """What one process makes of the table."""
    model = Slow()
    model.log = log.with_name("plain")
    score_table(open_table(cases), out, model)
    return out.read_bytes()


@pytest.mark.parametrize("models", [0.05], indirect=True)
def test_two_workers_give_the_same_table_as_one_process(
    models: RayModels, cases: Path, tmp_path: Path, log: Path
) -> None:
    out, heard = tmp_path / "ray.csv", list[int]()
    summary = score_table(open_table(cases), out, models, on_rows=heard.append)
    assert out.read_bytes() == plain(cases, tmp_path / "plain.csv", log)
    assert summary.finished and sum(heard) == ROWS
    asked = [line.split() for line in log.read_text().splitlines()]
    assert len({pid for pid, _ in asked}) == 2, "both workers answered"
    rows = list(csv.DictReader(cases.open(encoding="utf-8")))
    different = {(r["age"], r["text"]) for r in rows if r["age"] != "abc"}
    assert sum(int(n) for _, n in asked) == len(different), "no case was answered twice"


@pytest.mark.parametrize("models", [0.3], indirect=True)
def test_a_worker_killed_in_the_middle_loses_nothing(models: RayModels, cases: Path, tmp_path: Path, log: Path) -> None:
    killed: list[int] = []

    def kill() -> None:
        for _ in range(2):  # a worker that is at its second window, and later one of those that are left
            seen = len(log.read_text().splitlines()) if log.exists() else 0
            while not log.exists() or len(lines := log.read_text().splitlines()) < seen + 4:
                time.sleep(0.02)
            pid = int(lines[-1].split()[0])
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)

    killer = threading.Thread(target=kill)
    killer.start()
    out = tmp_path / "ray.csv"
    summary = score_table(open_table(cases), out, models)
    killer.join()
    assert len(killed) == 2 and summary.finished
    assert out.read_bytes() == plain(cases, tmp_path / "plain.csv", log)
    pids = {int(line.split()[0]) for line in log.read_text().splitlines()}
    assert len(pids) >= 3, "another process took its place"


def test_a_run_that_stops_goes_on_where_it_was(cases: Path, tmp_path: Path, log: Path) -> None:
    out, stops = tmp_path / "ray.csv", iter([False] * 6)
    with ray_models(loader(log), workers=2) as models:
        summary = score_table(open_table(cases), out, models, stop=lambda: next(stops, True))
        assert not summary.finished and summary.rows == 6 * WINDOW
    with ray_models(loader(log), workers=2) as models:
        summary = score_table(open_table(cases), out, models, resume=True)
    assert summary.finished and summary.resumptions == 1
    assert out.read_bytes() == plain(cases, tmp_path / "plain.csv", log)


def test_workers_with_another_model_end_the_run_in_one_line(cases: Path, tmp_path: Path, log: Path) -> None:
    with (
        ray_models(loader(log, changes=True), workers=2) as models,
        pytest.raises(DdxError, match=r"another model, version or precision") as raised,
    ):
        score_table(open_table(cases), tmp_path / "ray.csv", models)
    assert "\n" not in str(raised.value)


def test_what_a_worker_refuses_is_one_line() -> None:
    def load(engine: str) -> Slow:
        raise InputError("no weights here; run `ddx models get`")

    with pytest.raises(InputError, match="no weights here; run"), ray_models(load, workers=2):
        pass


def test_no_cluster_at_an_address_is_one_line(log: Path) -> None:
    with pytest.raises(InputError, match="no Ray cluster at 127.0.0.1:1"), ray_models(loader(log), "127.0.0.1:1"):
        pass


def test_what_is_asked_does_not_depend_on_where_the_run_starts(cases: Path) -> None:
    table = open_table(cases)
    whole = list(asked_windows(table, 0, None, b""))
    assert len(whole) == 21 and list(asked_windows(table, 5 * WINDOW, None, b"")) == whole[5:]
    assert list(asked_windows(table, 0, 2 * WINDOW + 3, b""))[:2] == whole[:2]
    keys = [key for window in whole for key in window]
    assert len(keys) == len(set(keys))
