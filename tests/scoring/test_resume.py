"""A run that is stopped, killed or out of disk, and gone on with: the same bytes, nothing twice, nothing lost."""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from keyword_model import KeywordModel
from stopped_runs import Logged, a_table, beside, child, ended_by, go_on, lasting, same, stopped_run

from ddx.case import Case
from ddx.differential import Differential
from ddx.errors import DdxError, InputError
from ddx.files import write_text
from ddx.scoring import runner
from ddx.scoring.journal import Journal, journal_path
from ddx.scoring.readers import open_table
from ddx.scoring.runner import WINDOW, score_table

SEAMS = 2 * (3 + 1 + 2 + 1)  # before and after: 3 windows, the note on replacing, two renames, the removal


ROWS = 2 * WINDOW + 9  # of the uninterrupted run that the killed ones are compared with


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[tuple[str, ...]]]:
    """(table, output, the batches that the model was asked)."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    source, out, model = a_table(folder, ROWS), folder / "whole.csv", Logged(folder / "log")
    score_table(open_table(source), out, model)
    return source, out, model.asked()


@pytest.mark.parametrize("seam", range(SEAMS))
def test_a_kill_at_any_seam_changes_nothing(
    tmp_path: Path, uninterrupted: tuple[Path, Path, list[tuple[str, ...]]], seam: int
) -> None:
    source, reference, asked = uninterrupted
    out, first, second = tmp_path / "out.csv", Logged(tmp_path / "first"), Logged(tmp_path / "second")
    passed = iter(range(SEAMS))

    def seamed(function: Callable) -> Callable:
        def call(*args: object, **kwargs: object) -> object:
            if next(passed) == seam:
                os.kill(os.getpid(), signal.SIGKILL)
            value = function(*args, **kwargs)
            if next(passed) == seam:
                os.kill(os.getpid(), signal.SIGKILL)
            return value

        return call

    def work() -> None:
        for name in ("add", "allow_replacing", "remove"):
            setattr(Journal, name, seamed(getattr(Journal, name)))
        os.replace = seamed(os.replace)  # type: ignore[assignment]
        score_table(open_table(source), out, first)

    assert ended_by(child(work)) == signal.SIGKILL
    went_on = go_on(source, out, second)
    assert (went_on is None) == (seam == SEAMS - 1)
    same(out, reference, ROWS)
    assert beside(out) == ["out.csv", "out.csv.summary.json"]
    sidecars = [json.loads(path.with_name(path.name + ".summary.json").read_text()) for path in (out, reference)]
    assert lasting(sidecars[0]) == lasting(sidecars[1])
    # The batches are those of an uninterrupted run, and at most one window is asked again.
    batches, again = first.asked(), second.asked() if second.log.exists() else []
    window = next((at for at, batch in enumerate(batches) if again and batch == again[0]), len(batches))
    assert batches[:window] + again == asked
    assert len({case for batch in batches[window:] for case in batch}) <= WINDOW


def killed_and_gone_on_with(tmp_path: Path, rows: int, kills: int, seconds: float) -> None:
    """`kills` runs, each killed at a random moment of an uninterrupted one's time and gone on with to its end; and
    one more that is killed again and again, after ever longer times, until it is done."""
    chance = random.Random(kills)
    source, reference = a_table(tmp_path, rows), tmp_path / "whole.csv"
    began = time.monotonic()
    pid = child(lambda: score_table(open_table(source), reference, Logged(tmp_path / "log", seconds)))
    assert ended_by(pid) == 0
    whole = time.monotonic() - began
    killed = tried = 0
    while killed < kills:
        tried += 1
        assert tried < 10 * kills, "too quick to be killed"
        out = tmp_path / f"out{tried}.csv"
        pid = child(lambda: score_table(open_table(source), out, Logged(tmp_path / "log", seconds)))  # noqa: B023
        time.sleep(chance.uniform(0, whole))
        os.kill(pid, signal.SIGKILL)
        killed += ended_by(pid) == signal.SIGKILL
        go_on(source, out, KeywordModel())
        same(out, reference, rows)
        assert beside(out) == [out.name, f"{out.name}.summary.json"]
    out, parts = tmp_path / "often.csv", 0
    while not out.exists() or journal_path(out).exists():
        pid = child(lambda: go_on(source, out, Logged(tmp_path / "log", seconds)))
        time.sleep(whole / 8 * 1.3**parts)
        os.kill(pid, signal.SIGKILL)
        ended_by(pid)
        parts += 1
    same(out, reference, rows)
    assert parts > 2


def test_three_kills_at_random_moments(tmp_path: Path) -> None:
    killed_and_gone_on_with(tmp_path, rows=ROWS, kills=3, seconds=0.05)


@pytest.mark.slow
def test_twenty_kills_at_random_moments_of_two_thousand_rows(tmp_path: Path) -> None:
    killed_and_gone_on_with(tmp_path, rows=2000, kills=20, seconds=0.05)


@pytest.mark.parametrize("out", ["out.csv.gz", "out.jsonl", "out.parquet"])
def test_the_other_forms_are_the_same_bytes_too(tmp_path: Path, out: str) -> None:
    table = open_table(a_table(tmp_path, 2 * WINDOW + 9))
    score_table(table, tmp_path / f"whole-{out}", KeywordModel())
    asked = iter([False, False, True])
    assert not score_table(table, tmp_path / out, KeywordModel(), stop=lambda: next(asked)).finished
    assert score_table(table, tmp_path / out, KeywordModel(), resume=True).finished
    assert (tmp_path / out).read_bytes() == (tmp_path / f"whole-{out}").read_bytes()


def test_a_stop_between_windows_and_the_count_on_going_on(tmp_path: Path) -> None:
    rows, out = 3 * WINDOW, tmp_path / "out.csv"
    table = open_table(a_table(tmp_path, rows))
    asked, heard = iter([False, True]), list[int]()
    stopped = score_table(table, out, KeywordModel(), on_rows=heard.append, stop=lambda: next(asked))
    assert (stopped.finished, stopped.rows, sum(heard)) == (False, WINDOW, WINDOW)
    assert beside(out) == ["out.csv.journal.sqlite"]
    heard.clear()
    done = score_table(table, out, KeywordModel(), on_rows=heard.append, resume=True)
    assert (done.finished, done.rows, done.resumptions) == (True, rows, 1)
    assert done.seconds > stopped.seconds > 0
    assert (heard[0], sum(heard)) == (WINDOW, rows)


def test_a_stop_while_the_table_is_written_leaves_no_table(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    table = open_table(a_table(tmp_path, WINDOW + 1))
    asked = iter([False, False, False, True])  # two windows answered, one written
    stopped = score_table(table, out, KeywordModel(), stop=lambda: next(asked))
    assert (stopped.finished, stopped.rows) == (False, WINDOW + 1)
    assert beside(out) == ["out.csv.journal.sqlite"]
    model = Logged(tmp_path / "log")
    assert score_table(table, out, model, resume=True).rows == WINDOW + 1
    assert not model.log.exists()


def test_a_run_that_was_never_begun_begins(tmp_path: Path) -> None:
    table, out = open_table(a_table(tmp_path, 3)), tmp_path / "out.csv"
    assert score_table(table, out, KeywordModel(), resume=True).rows == 3
    with pytest.raises(InputError, match="nothing to go on with, and this file is already there; --force"):
        score_table(table, out, KeywordModel(), resume=True)


def test_what_was_begun_otherwise_is_refused(tmp_path: Path) -> None:
    source, out = stopped_run(tmp_path)
    other = KeywordModel()
    other.info["calibrator_sha256"] = "c" * 64
    before = journal_path(out).read_bytes()
    for reason, change in {
        "k was 5, is 3": {"k": 3},
        "limit was none, is 100": {"limit": 100},
        "model calibrator_sha256 was none, is cccccccccccc…": {"model": other},
    }.items():
        with pytest.raises(InputError, match=reason):
            score_table(open_table(source), out, **{"model": KeywordModel(), "resume": True, **change})  # type: ignore[arg-type]
    content = source.read_text()
    source.write_text(content.replace("chest", "Chest"))
    with pytest.raises(InputError, match="input sha256 was "):
        score_table(open_table(source), out, KeywordModel(), resume=True)
    source.write_text(content)
    with pytest.raises(InputError, match=f"{WINDOW} answered rows here; --resume goes on with it, --force"):
        score_table(open_table(source), out, KeywordModel())
    assert journal_path(out).read_bytes() == before
    assert beside(out) == ["out.csv.journal.sqlite"]
    score_table(open_table(source.rename(tmp_path / "renamed.csv")), out, KeywordModel(), resume=True)  # is no change


def test_force_alone_starts_anew_and_with_resume_goes_on(tmp_path: Path) -> None:
    source, out = stopped_run(tmp_path)
    out.write_text("somebody's")
    model = Logged(tmp_path / "log")
    with pytest.raises(InputError, match="already there"):
        score_table(open_table(source), out, model, resume=True)
    score_table(open_table(source), out, model, resume=True, force=True)
    assert len(model.asked()[0]) < WINDOW  # those that are no case, and those that stand twice
    first = model.asked()
    score_table(open_table(source), out, model, force=True)
    assert len(model.asked()) > 2 * len(first)


def test_a_run_begun_with_force_may_be_gone_on_with_without(tmp_path: Path) -> None:
    source, out, asked = a_table(tmp_path, 2 * WINDOW), tmp_path / "out.csv", iter([False, True])
    out.write_text("to be replaced")
    score_table(open_table(source), out, KeywordModel(), force=True, stop=lambda: next(asked))
    assert out.read_text() == "to be replaced"
    score_table(open_table(source), out, KeywordModel(), resume=True)
    assert out.read_text().startswith("case_id,")


def test_a_kept_journal_writes_the_table_again(tmp_path: Path) -> None:
    source, out = a_table(tmp_path, WINDOW), tmp_path / "out.csv"
    score_table(open_table(source), out, KeywordModel(), keep_journal=True)
    content = out.read_bytes()
    out.unlink()
    model = Logged(tmp_path / "log")
    score_table(open_table(source), out, model, resume=True, keep_journal=True)
    assert out.read_bytes() == content
    assert not model.log.exists()
    assert journal_path(out).exists()


def test_a_table_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    source, out = a_table(tmp_path, 3), tmp_path / "out.csv"

    class Meddling(KeywordModel):
        def _answer(self, case: Case) -> Differential:
            source.write_text(source.read_text().replace("c1", "c9"))
            return super()._answer(case)

    with pytest.raises(InputError, match="changed while it was being scored"):
        score_table(open_table(source), out, Meddling())
    assert not out.exists()


def out_of_room(source: Path, out: Path, limit: int, message: Path) -> None:
    """In a child: no file may grow beyond `limit` bytes, which every write answers as a full disk does."""

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            score_table(open_table(source), out, KeywordModel(), resume=True)
        except DdxError as error:
            os.write(told, str(error).encode())

    told = os.open(message, os.O_WRONLY | os.O_CREAT)
    assert ended_by(child(work)) == 0
    os.close(told)


@pytest.mark.parametrize("limit", [2_000, 40_000, 120_000, 400_000])
def test_without_room_on_the_disk_the_journal_stays_right(tmp_path: Path, limit: int) -> None:
    """The smaller limits stop the journal, the largest the table; with room again, the run goes on."""
    rows = 9 * WINDOW
    source, out, reference = a_table(tmp_path, rows), tmp_path / "out.csv", tmp_path / "whole.csv"
    lines = source.read_text().splitlines()
    source.write_text("\n".join([lines[0] + ",note", *(line + "," + "x" * 400 for line in lines[1:])]) + "\n")
    score_table(open_table(source), reference, KeywordModel())
    out_of_room(source, out, limit, tmp_path / "message")
    message = (tmp_path / "message").read_text()
    assert ("--resume" in message or "is the disk full" in message) and "\n" not in message
    assert not out.exists()
    assert not out.with_name("out.csv.partial").exists()
    score_table(open_table(source), out, KeywordModel(), resume=True)
    assert out.read_bytes() == reference.read_bytes()


def test_a_sidecar_that_cannot_be_written_leaves_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, out = a_table(tmp_path, 3), tmp_path / "out.csv"

    def full(path: Path, text: str) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(runner, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        score_table(open_table(source), out, KeywordModel())
    monkeypatch.setattr(runner, "write_text", write_text)
    score_table(open_table(source), out, KeywordModel(), resume=True)
    assert beside(out) == ["out.csv", "out.csv.summary.json"]
