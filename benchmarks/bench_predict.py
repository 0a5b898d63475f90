"""One case from submit to differential: the first after a cold start, and p50 and p95 over the bundled examples.

Named alternative in the same run: the same model without drafts and without the cached prompt prefix.
"""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np

COLD = """
import time; began = time.perf_counter()
from ddx import Case, load_model
load_model().predict(Case("1", age=61, sex="M", text="crushing chest pain for an hour, sweating"))
print(time.perf_counter() - began)
"""


def main() -> None:
    cold = subprocess.run([sys.executable, "-c", COLD], capture_output=True, text=True, check=True)
    print(f"first answer after a cold start: {float(cold.stdout.split()[-1]):.1f} s")
    from ddx.data.demo import demo_cases
    from ddx.model import load_model

    model, cases = load_model(), [demo.case for demo in demo_cases()]
    model.predict(cases[0])
    ours = timed(lambda case: model.predict(case), cases)
    draft, prefix = model._draft, model.engine._prefix
    model._draft, model.engine._prefix = None, lambda chats, prompts: None  # type: ignore[assignment,method-assign,return-value]
    plain = timed(lambda case: model.predict(case), cases)
    model._draft, model.engine._prefix = draft, prefix  # type: ignore[method-assign]
    for name, seconds in (("ddx", ours), ("without drafts and prefix", plain)):
        p50, p95 = np.quantile(seconds, (0.5, 0.95))
        print(f"{name}: p50 {p50:.2f} s, p95 {p95:.2f} s, n={len(seconds)} cases")
    print(f"ratio of medians: {np.median(plain) / np.median(ours):.2f}")


def timed(call, cases) -> list[float]:  # type: ignore[no-untyped-def]
    seconds = []
    for case in cases:
        began = time.perf_counter()
        call(case)
        seconds.append(time.perf_counter() - began)
    return seconds


if __name__ == "__main__":
    main()
