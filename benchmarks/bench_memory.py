"""Peak memory of reading, checking and writing a table, at 10,000 rows and at many, for every kind that is streamed.

The target is a ratio of at most 1.2. The engine is trivial (one fixed differential), so that only the tables are
measured; `--journal` runs all of `score_table`, with its journal. Each figure is the maximum resident set of a
process of its own, of which there is one for each number of rows. Figures only, no verdict.

    python benchmarks/bench_memory.py [csv jsonl parquet xlsx] [--rows N] [--journal]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

FEW = 10_000
MANY = {"csv": 1_000_000, "jsonl": 1_000_000, "parquet": 1_000_000, "xlsx": 200_000}
OUTPUTS = {"csv": "out.csv", "jsonl": "out.jsonl", "parquet": "out.parquet", "xlsx": "out.csv"}
HEADER = ["case_id", "age", "sex", "text", "findings", "note"]


def rows(count: int) -> Iterator[list[Any]]:
    """Rows that all differ, so that nothing is saved by seeing a text twice."""
    for i in range(count):
        text = f"Patient number {i} has had a cough, a fever and pain in the chest for {i % 30} days. " * 3
        yield [f"case-{i}", i % 100, "FM"[i % 2], text, "E_91;E_201", i * 0.5]


def make(kind: str, count: int, path: Path) -> None:
    """Write the input; in chunks, but for its memory nobody asks."""
    if kind == "xlsx":
        import openpyxl

        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet("Cases")
        sheet.append(HEADER)
        for row in rows(count):
            sheet.append(row)
        book.save(path)
    elif kind == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        # one row group, as a data frame is written: the hardest case for a reader
        columns = dict(zip(HEADER, map(list, zip(*rows(count), strict=True)), strict=True))
        pq.write_table(pa.table(columns), path)
    else:
        with open(path, "w", encoding="utf-8") as handle:
            if kind == "csv":
                handle.write(",".join(HEADER) + "\n")
            for row in rows(count):
                if kind == "csv":
                    handle.write(",".join(f'"{cell}"' for cell in row) + "\n")
                else:
                    handle.write(json.dumps(dict(zip(HEADER, row, strict=True))) + "\n")


def score(source: Path, out: Path, journal: bool) -> None:
    """Read, check and write every row."""
    from ddx.case import Case
    from ddx.differential import Diagnosis, Differential
    from ddx.scoring.readers import open_table
    from ddx.scoring.rows import read_case
    from ddx.scoring.runner import score_table
    from ddx.scoring.writers import open_writer

    answers = tuple(Diagnosis(i, f"Condition {i}", 0.15, f"c{i}", "A00", 3) for i in range(1, 6))

    class Trivial:
        info: dict[str, Any] = {"id": "trivial"}

        def predict_many(
            self, cases: Sequence[Case], on_done: Callable[[int], None] | None = None
        ) -> list[Differential]:
            return [Differential(case.case_id, answers, model=self.info) for case in cases]

    table = open_table(source)
    if journal:
        score_table(table, out, Trivial(), force=True)
        return
    with open_writer(table, out, 5, "trivial") as writer:
        for record in table.records():
            case = read_case(table, record)
            writer.write(record, "ok", Trivial().predict_many([case])[0])


def measured(kind: str, count: int, journal: bool) -> tuple[float, float]:
    """(peak MiB, seconds) of scoring `count` rows in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        source, out = Path(folder, f"in.{kind}"), Path(folder, OUTPUTS[kind])
        me = [sys.executable, __file__, kind, "--rows", str(count)]
        subprocess.run([*me, "--make", str(source)], check=True)
        began = time.perf_counter()
        child = [*me, "--score", str(source), str(out), *(["--journal"] if journal else [])]
        peak = float(subprocess.run(child, check=True, capture_output=True, text=True).stdout)
        return peak, time.perf_counter() - began


def main() -> None:
    """Measure, or (as a process of its own) make or score one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[*MANY, []], default=[])
    parser.add_argument("--rows", type=int)
    parser.add_argument("--journal", action="store_true")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--score", type=Path, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.make:
        make(args.kinds[0], args.rows, args.make)
        return
    if args.score:
        score(*args.score, args.journal)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)  # KiB on Linux
        return
    print(f"{'kind':8} {'rows':>10} {'peak MiB':>9} {'rows':>10} {'peak MiB':>9} {'ratio':>6} {'seconds':>8}")
    for kind in args.kinds or MANY:
        many = args.rows or MANY[kind]
        small, _ = measured(kind, FEW, args.journal)
        large, seconds = measured(kind, many, args.journal)
        print(
            f"{kind:8} {FEW:10,} {small:9.1f} {many:10,} {large:9.1f} {large / small:6.3f} {seconds:8.1f}", flush=True
        )


if __name__ == "__main__":
    main()
