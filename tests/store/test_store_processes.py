"""Programs that die while they save, and programs that save at the same time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from kept_reviews import review
from saving_worker import SHARED, step

from ddx.store import Store, verify

WORKER = Path(__file__).with_name("saving_worker.py")


def start(where: str, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, WORKER, where, name, str(count)], stdout=subprocess.PIPE, text=True)


def killed_after(where: str, name: str, acknowledged: int) -> list[str]:
    """What a program said it had saved before it was killed (SIGKILL) in the middle of its work."""
    with start(where, name, 10**6) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledged)]
        process.kill()
        lines += process.stdout.readlines()
    assert process.returncode != 0
    return [line for line in lines if line.endswith("\n")]


def check_all_there(where: str, name: str, lines: list[str]) -> None:
    with Store.open(where) as store:
        newest = {row.review_id: row.version for row in store.list_reviews(limit=10**6)}
        last: dict[str, int] = {}
        for line in lines:
            n, review_id, version = line.split()
            last[review_id] = int(n)
            assert newest[review_id] >= int(version), line
        for review_id, n in last.items():
            found = store.get(review_id)
            # One more may have been stored whose word never came out.
            assert found.review in (step(name, n)[0], step(name, n + 1)[0])
            assert len(store.entries(review_id)) == found.version


def kill_often(where: str, after: list[int]) -> None:
    heads = []
    for number, acknowledged in enumerate(after):
        lines = killed_after(where, f"p{number}", acknowledged)
        assert len(lines) >= acknowledged
        found = verify(where, heads[-1] if heads else None)
        assert found.intact, [str(p) for p in found.problems]
        heads.append(found.head)
        check_all_there(where, f"p{number}", lines)


def test_what_was_confirmed_outlives_a_kill(where: str) -> None:
    kill_often(where, [7, 20])


@pytest.mark.slow
def test_what_was_confirmed_outlives_many_kills(where: str) -> None:
    kill_often(where, [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233])


def together(where: str, names: list[str], count: int) -> None:
    processes = [start(where, name, count) for name in names]
    for process in processes:
        process.communicate(timeout=300)
        assert process.returncode == 0


def test_programs_that_write_at_once_make_one_chain(where: str) -> None:
    together(where, ["a", "b"], 30)  # they also make the store at once
    found = verify(where)
    assert found.intact, [str(p) for p in found.problems]
    assert found.entries == 1 + 2 * 30
    with Store.open(where) as store:
        assert {row.version for row in store.list_reviews()} == {3}
        writers = "".join(entry.subject[0] for entry in store.entries(limit=60))
    assert set(writers) == {"a", "b"}


def test_programs_that_change_one_review_lose_no_change(where: str) -> None:
    with Store.open(where) as store:
        store.save(review(SHARED, notes="0"))
    together(where, [SHARED, SHARED], 15)
    with Store.open(where) as store:
        found = store.get(SHARED)
        assert (found.review.notes, found.version) == ("30", 31)
        assert store.verify().intact


@pytest.mark.slow
def test_four_programs_at_once(where: str) -> None:
    with Store.open(where) as store:
        store.save(review(SHARED, notes="0"))
    together(where, ["a", "b", SHARED, SHARED], 150)
    found = verify(where)
    assert found.intact, [str(p) for p in found.problems]
    assert found.entries == 2 + 4 * 150
