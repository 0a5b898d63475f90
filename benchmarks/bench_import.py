"""Seconds that `import ddx` takes in a fresh process, beside `import numpy` and an empty process.

The target is under 0.3 s. Figures only, no verdict: they depend on the machine and what else it does.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 7
STATEMENTS = {
    "nothing": "pass",
    "import numpy": "import numpy",
    "import ddx": "import ddx",
    "ddx, with the vocabulary": "import ddx.vocabulary; ddx.vocabulary.load_vocabulary()",
}


def seconds(statement: str) -> float:
    """Wall time of one fresh interpreter that runs a statement, its start included."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Run the statements in turn, so that a busy moment falls on all of them; the first round warms the disk cache."""
    taken: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for number in range(RUNS + 1):
        for name, statement in STATEMENTS.items():
            elapsed = seconds(statement)
            if number:
                taken[name].append(elapsed)
    empty = statistics.median(taken["nothing"])
    print(f"{'fresh process':26} {'median s':>9} {'min s':>7} {'max s':>7} {'over empty s':>13}   n={RUNS}")
    for name, values in taken.items():
        median = statistics.median(values)
        print(f"{name:26} {median:9.3f} {min(values):7.3f} {max(values):7.3f} {median - empty:13.3f}")


if __name__ == "__main__":
    main()
