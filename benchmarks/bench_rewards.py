"""Completions scored a second on one core with K = 3, against parsing alone, in one run.

The texts vary (names, confidences, slips), so that caches meet what a training run gives them.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
import random
import time

from ddx.errors import InputError
from ddx.formats import LinesFormat, TagsFormat
from ddx.rewards import Reward, RewardOptions
from ddx.vocabulary import Matcher, load_vocabulary

N = 40_000


def texts(format: LinesFormat | TagsFormat, rng: random.Random) -> list[str]:
    """N completions: three conditions by a name or synonym each, some with repeats or invented names."""
    labels = sorted({label for c in load_vocabulary() for label in c.labels if "," not in label})
    labels += ["Hepatitis A", "Migraine", "Acute appendicitis"]
    made: list[str] = []
    while len(made) < N:
        answers = [(name, rng.randint(0, 100) / 100) for name in rng.sample(labels, 3)]
        try:
            made.append(format.render(answers))
        except InputError:  # two labels that normalise alike
            continue
    return made


def main() -> None:
    """Print completions a second for both formats."""
    matcher = Matcher(load_vocabulary())
    for format in (LinesFormat(3), TagsFormat(3, think=False)):
        reward = Reward(RewardOptions(k=3), format, matcher)
        gold = reward.gold(["GERD", "Unstable angina", "Pneumonia", "Bronchitis"], "GERD")
        sample = texts(format, random.Random(0))
        start = time.perf_counter()
        for text in sample:
            format.parse(text)
        parsing = time.perf_counter() - start
        start = time.perf_counter()
        for text in sample:
            reward(text, gold)
        whole = time.perf_counter() - start
        print(
            f"{format.name}: {N / whole:,.0f} completions/s scored (n={N:,}, k=3), "
            f"of which parsing alone takes {parsing / whole:.0%}"
        )


if __name__ == "__main__":
    main()
