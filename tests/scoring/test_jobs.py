"""Batch jobs: processes of their own, watched, cancelled, killed and gone on with."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import keyword_worker
import pytest
from keyword_model import KeywordModel

from ddx.engines.base_models import SMOLLM2, cache_dir
from ddx.errors import InputError
from ddx.scoring.job_worker import plain
from ddx.scoring.jobs import FORMS, Job, Status, all_jobs, create, find, jobs_folder
from ddx.scoring.mapping import ColumnMapping
from ddx.scoring.readers import open_table
from ddx.scoring.runner import WINDOW, score_table

WORDS = ("chest pain", "wheezing at night", "cough", "fever", "unreadable", "this breaks the model")
ROWS = 3 * WINDOW + 10


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DDX_JOBS", str(tmp_path / "jobs"))
    monkeypatch.setenv("KEYWORD_SECONDS", "0")
    return tmp_path / "jobs"


def a_table(rows: int = ROWS) -> bytes:
    lines = ["case_id,age,sex,text"]
    lines += [f"c{i},{'abc' if i % 17 == 3 else i % 90},F,{WORDS[i % 6 if i % 5 else 0]} {i}" for i in range(rows)]
    return ("\n".join(lines) + "\n").encode()


def a_job(content: bytes | None = None, name: str = "cases.csv") -> Job:
    return create(name, io.BytesIO(content or a_table()))


def start(job: Job, anew: bool = False) -> None:
    job.start(anew, worker=keyword_worker.COMMAND)


def wait(job: Job, until: Callable[[Status], bool] = lambda status: not status.active, seconds: float = 240) -> Status:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        status = job.status()
        if until(status):
            return status
        time.sleep(0.02)
    raise AssertionError(f"still {job.status()}")


def some_rows(status: Status) -> bool:
    return status.state == "running" and status.done >= WINDOW


def finished(job: Job) -> None:
    status = wait(job)
    assert (status.state, status.message, status.done, status.total) == ("finished", "", ROWS, ROWS)


def same_as_scored_directly(job: Job, tmp_path: Path) -> None:
    """Every form, to the byte; and the sidecar but for names and times."""
    order = job.order
    for form in FORMS:
        out = tmp_path / f"direct{form}"
        score_table(open_table(job.input, order.mapping, order.sheet), out, KeywordModel(), order.k)
        assert job.output(form).read_bytes() == out.read_bytes(), form
    ours, direct = (json.loads(path.read_text()) for path in (job.sidecar, tmp_path / f"direct{FORMS[0]}.summary.json"))
    for passing in ("output", "seconds", "seconds_per_case", "resumptions"):
        ours.pop(passing), direct.pop(passing)
    assert ours == direct


def test_a_job_from_upload_to_table(tmp_path: Path, folder: Path) -> None:
    job = a_job(name="../../Ward 7\n.csv")
    assert (job.order.name, job.order.input, job.status().state) == ("Ward 7.csv", "input.csv", "new")
    assert job.folder.parent == folder and find(job.id) is not None
    start(job)
    seen = set()
    status = wait(job, lambda s: not (seen.add(s.state) or s.active))
    assert status.state == "finished"
    assert "interrupted" not in seen
    finished(job)
    same_as_scored_directly(job, tmp_path)
    assert {path.name for path in job.folder.iterdir()} == {
        "input.csv", "job.json", "lock", *(f"scored{form}" for form in FORMS), "scored.parquet.summary.json",
        "status.json", "worker.log",
    }  # fmt: skip
    assert (job.folder.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o700, 0o700)
    assert {path.stat().st_mode & 0o777 for path in job.folder.iterdir()} == {0o600}
    assert b"chest" not in b"".join((job.folder / name).read_bytes() for name in ("worker.log", "status.json"))


def test_cancel_keeps_what_is_answered_and_going_on_gives_the_same_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYWORD_SECONDS", "0.15")
    job = a_job()
    start(job)
    running = wait(job, lambda s: some_rows(s) and s.rate is not None)
    assert running.total == ROWS and running.left is not None and running.left > 0
    began = time.monotonic()
    job.cancel()
    status = wait(job)
    assert status.state == "cancelled" and status.done % WINDOW == 0 and status.done > 0
    assert time.monotonic() - began < 20  # two seconds where the machine is free
    assert not job.alive() and not job.output().exists()
    monkeypatch.setenv("KEYWORD_SECONDS", "0.05")
    start(job)
    again = wait(job, lambda s: s.state == "running" and s.done > s.kept)
    assert again.kept == status.done
    finished(job)
    same_as_scored_directly(job, tmp_path)
    assert json.loads(job.sidecar.read_text())["resumptions"] == 1


def test_cancel_before_it_has_begun() -> None:
    job = a_job()
    start(job)
    job.cancel()
    # the worker writes its last status before it tidies up and lets go
    assert wait(job, lambda status: not status.active and not job.alive()).state == "cancelled"
    assert not (job.folder / "cancel").exists()
    start(job)
    finished(job)


def test_a_killed_worker_is_told_from_a_live_one_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYWORD_SECONDS", "0.1")
    job = a_job()
    start(job)
    pid = wait(job, some_rows).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    status = wait(job)
    assert (status.state, status.pid) == ("interrupted", None)
    assert status.done >= WINDOW
    start(job)
    finished(job)
    same_as_scored_directly(job, tmp_path)


@pytest.mark.parametrize("at", [1, 2])
def test_killed_while_the_other_forms_are_written(tmp_path: Path, at: int) -> None:
    """The journal stands beside the form that is being written: from there it goes on, without the model."""
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(keyword_worker.__file__).parent)!r})
import keyword_worker
from ddx.scoring import job_worker, runner
write = runner.open_writer
def dying(table, out, *rest):
    if out.suffix == {FORMS[at]!r}:
        out.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
    return write(table, out, *rest)
runner.open_writer = dying
job_worker.main(sys.argv[1:], load=lambda name: keyword_worker.Slow())
"""
    job = a_job()
    job.start(worker=[sys.executable, "-c", code])
    assert wait(job).state == "interrupted"
    job.start(worker=[*keyword_worker.COMMAND])
    finished(job)
    same_as_scored_directly(job, tmp_path)


APP = """
import io, os, sys, time
sys.path.insert(0, sys.argv[1])
import keyword_worker
from ddx.scoring.jobs import create
job = create("cases.csv", io.BytesIO(sys.stdin.buffer.read()))
job.start(worker=keyword_worker.COMMAND)
print(job.id, flush=True)
time.sleep(600)
"""


def test_the_death_of_whoever_started_it_does_not_stop_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYWORD_SECONDS", "0.1")
    here = str(Path(keyword_worker.__file__).parent)
    app = subprocess.Popen([sys.executable, "-c", APP, here], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert app.stdin and app.stdout
    app.stdin.write(a_table())
    app.stdin.close()
    job = find(app.stdout.readline().decode().strip())
    assert job is not None
    wait(job, lambda s: s.state == "running")
    app.kill()
    app.wait()
    assert job.status().active
    assert [found.id for found in all_jobs()] == [job.id]
    finished(job)
    same_as_scored_directly(job, tmp_path)


def test_a_second_worker_is_refused_and_so_are_deletion_and_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYWORD_SECONDS", "0.2")
    job = a_job()
    start(job)
    for act in (lambda: start(job), job.delete, lambda: job.change(k=3)):
        with pytest.raises(InputError, match="is running; wait for it, or cancel it first"):
            act()
    job.cancel()
    wait(job)
    with pytest.raises(InputError, match="has begun"):
        job.change(k=3)
    job.delete()
    assert not job.folder.exists() and all_jobs() == [] and find(job.id) is None


def test_one_job_at_a_time_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYWORD_SECONDS", "0.1")
    first, second = a_job(), a_job()
    start(first)
    wait(first, lambda s: s.state == "running")
    start(second)
    wait(second, lambda s: s.state == "waiting" and s.pid is not None)
    assert first.status().state == "running"
    second.cancel()
    assert wait(second).state == "cancelled"
    first.cancel()
    wait(first)


def test_a_mapping_and_a_k_of_its_own(tmp_path: Path) -> None:
    job = a_job(b"Nr;Alter;Anamnese\n1;58;chest pain\n2;7,5;wheezing\n")
    job.change(mapping=ColumnMapping(columns={"case_id": "Nr", "age": "Alter", "text": "Anamnese"}), k=2)
    start(job)
    assert wait(job).state == "finished"
    same_as_scored_directly(job, tmp_path)
    assert job.output(".csv").read_text().splitlines()[1].startswith("1;58;chest pain;ok;Possible NSTEMI / STEMI;I21;")


def test_what_fails_says_why_in_the_words_of_the_app() -> None:
    job = a_job(b"a,b\n1,2\n", name="Ward 7.csv")
    start(job)
    status = wait(job)
    assert status.state == "failed"
    assert status.message.startswith("Ward 7.csv: row 1 has 2 columns, none called text")
    assert str(job.folder) not in status.message
    job.folder.joinpath("job.json").write_text("{")
    with pytest.raises(InputError, match="can't be read; delete the job"):
        start(job)
    assert plain("x: start anew with --force", job) == "x: start anew"


def test_a_fault_of_ddx_itself_leaves_frames_and_no_case(monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import sys
from ddx.scoring.job_worker import main
def load(name):
    raise RuntimeError("58-year-old with chest pain")
main(sys.argv[1:], load)
"""
    job = a_job()
    job.start(worker=[sys.executable, "-c", code])
    status = wait(job)
    assert status.state == "failed" and "RuntimeError" in status.message
    log = (job.folder / "worker.log").read_text()
    assert "in load" in log and "chest" not in log


def test_another_model_is_not_mixed_in_but_starting_anew_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYWORD_SECONDS", "0.1")
    code = f"""
import sys
sys.path.insert(0, {str(Path(keyword_worker.__file__).parent)!r})
import keyword_worker
model = keyword_worker.Slow()
model.info["calibrator_sha256"] = "c" * 64
keyword_worker.main(sys.argv[1:], lambda name: model)
"""
    job = a_job()
    job.start(worker=[sys.executable, "-c", code])
    wait(job, some_rows)
    job.cancel()
    wait(job)
    start(job)
    status = wait(job)
    assert status.state == "failed" and "begun otherwise" in status.message and "--force" not in status.message
    monkeypatch.setenv("KEYWORD_SECONDS", "0")
    start(job, anew=True)
    finished(job)
    same_as_scored_directly(job, tmp_path)


def test_no_id_leads_out_of_the_folder(folder: Path) -> None:
    a_job()
    for id in ("..", "", "20260101-000000-abcdef/..", "/etc", "20260101-000000-abcdef"):
        assert find(id) is None
    (folder / "somebody's").mkdir()
    assert len(all_jobs()) == 1


def test_an_upload_that_was_cut_off_is_listed_to_be_deleted(folder: Path) -> None:
    job = a_job()
    (job.folder / "job.json").unlink()
    assert job.status().state == "failed" and "upload" in job.status().message
    job.delete()
    assert all_jobs() == []


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DDX_JOBS", str(tmp_path / "file"))
    with pytest.raises(InputError, match="can't be kept there"):
        a_job()
    assert all_jobs() == []
    monkeypatch.delenv("DDX_JOBS")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert jobs_folder() == tmp_path / "ddx" / "jobs"


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.skipif(not (cache_dir() / SMOLLM2).exists(), reason=f"run `ddx models get {SMOLLM2}` first")
def test_the_real_model_cancelled_and_gone_on_with(tmp_path: Path) -> None:
    lines = [
        "case_id,age,sex,text",
        *(f"c{i},{20 + i % 60},F,{WORDS[i % 4]} for {i} hours" for i in range(WINDOW + 30)),
    ]
    job = a_job("\n".join(lines).encode())
    job.start()
    wait(job, lambda s: s.state == "running" and s.done > WINDOW, seconds=400)
    job.cancel()
    assert wait(job).state == "cancelled"
    job.start()
    status = wait(job, seconds=400)
    # The cancel finds the second window in work, or done but for its writing.
    assert (status.state, status.done) == ("finished", WINDOW + 30) and status.kept in (WINDOW, WINDOW + 30)
    whole = a_job("\n".join(lines).encode())
    whole.start()
    assert wait(whole, seconds=400).state == "finished"
    for form in FORMS:
        assert job.output(form).read_bytes() == whole.output(form).read_bytes(), form
