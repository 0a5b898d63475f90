"""A program that saves reviews and says so after each one: `saving_worker.py STORE NAME COUNT`, to be killed.

With the name "shared" it counts up one number in one review that other programs count up too.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from kept_reviews import review

from ddx.review import Review
from ddx.store import Conflict, Store

SHARED = "shared"


def step(name: str, n: int) -> tuple[Review, int]:
    """The n-th review to save and the version that it follows: each review is opened, answered and decided."""
    review_id, version = f"{name}-{n // 3}", n % 3
    notes = f"note {n}"
    if version == 0:
        return review(review_id, notes=notes, differential=None, kept=()), version
    return review(review_id, "accepted" if version == 2 else "open", notes=notes), version


def work(store: Store, name: str, count: int) -> None:
    for n in range(count):
        saved = store.save(*step(name, n))
        print(n, saved.review_id, saved.version, flush=True)


def count_up(store: Store, count: int) -> None:
    done = 0
    while done < count:
        found = store.get(SHARED)
        try:
            store.save(replace(found.review, notes=str(int(found.review.notes) + 1)), found.version)
        except Conflict:
            continue
        done += 1


if __name__ == "__main__":
    where, name, count = sys.argv[1:]
    with Store.open(where) as opened:
        if name == SHARED:
            count_up(opened, int(count))
        else:
            work(opened, name, int(count))
