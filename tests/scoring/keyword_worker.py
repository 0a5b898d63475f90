"""The worker of a batch job with the keyword rule in place of the language model; `$KEYWORD_SECONDS` a batch of 24."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from keyword_model import KeywordModel

from ddx.case import Case
from ddx.differential import Differential
from ddx.scoring.job_worker import main

COMMAND = (sys.executable, __file__)


class Slow(KeywordModel):
    """Takes its time over every 24 cases, and says when they are done, as the model does."""

    def predict_many(self, cases: Sequence[Case], on_done: Callable[[int], None] | None = None) -> list[Differential]:
        answers = []
        for first in range(0, len(cases), 24):
            time.sleep(float(os.environ.get("KEYWORD_SECONDS", "0")))
            answers += super().predict_many(cases[first : first + 24], on_done)
        return answers


if __name__ == "__main__":
    main(sys.argv[1:], load=lambda name: Slow())
