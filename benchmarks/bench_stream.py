"""Memory and time of `score_table` for short and long tables, with an engine that costs nothing.

Each length runs in a process of its own: peak memory (VmHWM), seconds, processor seconds and microseconds of them a
row (other work on the machine stretches the seconds), and the size of the journal.
The target: 1,000,000 rows within 1.2 times the memory of 10,000, and the same time a row.

    python benchmarks/bench_stream.py [rows ...]        10,000 and 1,000,000 by default
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROWS = (10_000, 1_000_000)
TIMES = 1.2


class Trivial:
    """Three diagnoses for whatever the case, picked by its age."""

    def __init__(self) -> None:
        from ddx.vocabulary import load_vocabulary

        self.info: dict[str, Any] = {"id": "trivial", "versions": {}}
        self.conditions = list(load_vocabulary())

    def predict_many(self, cases: Sequence[Any], on_done: Callable[[int], None] | None = None) -> list[Any]:
        from ddx.differential import Diagnosis, Differential

        answers = []
        for case in cases:
            at = int(case.age or 0)
            diagnoses = []
            for rank, stated in enumerate((0.61, 0.2, 0.07), start=1):
                c = self.conditions[(at + rank) % len(self.conditions)]
                diagnoses.append(
                    Diagnosis(rank, c.name, stated / 1.0137, c.key, c.icd10, c.severity, c.short, stated, "exact", 1.0)
                )
            answers.append(Differential(case.case_id, tuple(diagnoses), tokens=31, prompt_tokens=140, model=self.info))
        if on_done:
            on_done(len(cases))
        return answers


def write_table(path: Path, rows: int) -> None:
    """Distinct short cases, one in a hundred with an age that is none."""
    with open(path, "w", encoding="utf-8") as handle:
        handle.write("case_id,age,sex,text,note\n")
        for i in range(rows):
            age = "old" if i % 100 == 99 else i % 97
            text = f"cough and fever for {i} hours; no chest pain; smokes"
            handle.write(f"p{i},{age},{'FM'[i % 2]},{text},ward {i % 7}\n")


def peak_mib() -> float:
    """The largest resident size of this process so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("no VmHWM in /proc/self/status: this benchmark needs Linux")


def measure(folder: Path) -> None:
    """Score the table in a folder, in this process, and print what it took as JSON."""
    from ddx.scoring.journal import journal_path
    from ddx.scoring.readers import open_table
    from ddx.scoring.runner import score_table

    out = folder / "out.csv"
    began, used = time.perf_counter(), time.process_time()
    summary = score_table(open_table(folder / "cases.csv"), out, Trivial(), keep_journal=True)
    seconds, used = time.perf_counter() - began, time.process_time() - used
    size = journal_path(out).stat().st_size / 2**20
    print(json.dumps({"rows": summary.rows, "mib": peak_mib(), "seconds": seconds, "used": used, "journal": size}))


def main() -> None:
    if sys.argv[1:2] == ["--in"]:
        measure(Path(sys.argv[2]))
        return
    lengths = [int(n) for n in sys.argv[1:]] or ROWS
    results = []
    print(f"{'rows':>10} {'peak MiB':>9} {'seconds':>8} {'processor s':>12} {'us a row':>9} {'journal MiB':>12}")
    for rows in lengths:
        with tempfile.TemporaryDirectory() as name:
            write_table(Path(name) / "cases.csv", rows)
            done = subprocess.run([sys.executable, __file__, "--in", name], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        r = json.loads(done.stdout)
        results.append(r)
        taken = f"{r['seconds']:>8.1f} {r['used']:>12.1f} {1e6 * r['used'] / r['rows']:>9.0f}"
        print(f"{r['rows']:>10,} {r['mib']:>9.1f} {taken} {r['journal']:>12.1f}", flush=True)
    first, last = results[0], results[-1]
    print(f"memory: {last['mib'] / first['mib']:.3f} times (target: at most {TIMES})")
    times = (last["used"] / last["rows"]) / (first["used"] / first["rows"])
    print(f"processor time a row: {times:.2f} times")


if __name__ == "__main__":
    main()
