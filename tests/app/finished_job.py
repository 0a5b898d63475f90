"""A batch job that has finished, of any size, for tests and benchmarks: scored by the keyword rule, not by a model."""

from __future__ import annotations

import io
import sys

from served import ROOT

from ddx.scoring.jobs import FORMS, Job, Status, create
from ddx.scoring.readers import open_table
from ddx.scoring.runner import score_table

sys.path.insert(0, str(ROOT / "tests"))
from keyword_model import KeywordModel

WORDS = ("chest pain", "wheezing", "cough")


def finished_job(rows: int) -> Job:
    """In `$DDX_JOBS`. Row i says one of `WORDS` "for i hours"; only CSV can be downloaded."""
    lines = ["case_id,age,sex,text", *(f"c{i},{i % 90},F,{WORDS[i % 3]} for {i} hours" for i in range(rows))]
    job = create("many.csv", io.BytesIO("\n".join(lines).encode()))
    score_table(open_table(job.input), job.output(), KeywordModel())
    for form in FORMS[1:]:
        job.output(form).write_text("")
    job.note(Status("finished", done=rows, total=rows))
    return job
