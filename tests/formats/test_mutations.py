"""Broken outputs: nothing raises, one text reads one way, reasoning yields no answer, time is linear."""

import random
import time

import pytest

from ddx.formats import LinesFormat, TagsFormat

LINES, TAGS = LinesFormat(5), TagsFormat(3)
PIECES = [
    "<think>",
    "</think>",
    "<answer1>",
    "</answer1>",
    "<answer2>",
    "</answer2>",
    "<confidence1>",
    "</confidence1>",
    "<confidence2>",
    "<analysis>",
    "</analysis>",
    "<answer>",
    "</answer>",
    "<",
    ">",
    "</",
    "<b>",
    "**",
    "1. ",
    "- ",
    "\n",
    "\r\n",
    "\u2028",
    "\x00",
    "\x1b[0m",
    "\u200b",
    "\u202e",
    "\ufeff",
    "\ud800",
    "\u0301",
    "\U0001f9ec",
    "\uff05",
    "%",
    "0.",
    "7/10",
    "nan",
    "-1",
    "1e999",
    "|",
    "(",
    ")",
    ":",
    "\u00e9",
    "\u80ba\u708e 30",
    "9" * 30,
    " " * 30,
    "Asthma 5\n",
    "<answer3>Asthma</answer3><confidence3>5%</confidence3>",
]


def seeds() -> list[str]:
    reasoning = "Zebra 90\n1. Zebra: 80%\n<answer1>Zebra</answer1><confidence1>0.9</confidence1>\n"
    lines = LINES.render([("Pneumonia", 0.62), ("Covid 19", 0.2), ("GERD", 0.1)])
    tags = TagsFormat(3, think=False).render([("Pneumonia", 0.62), ("Covid 19", 0.2), ("GERD", 0.1)])
    bodies = [lines, tags, "1. **Pneumonia**: 62%\n2. GERD (20%)\n", "Pneumonia\nGERD\n"]
    return [f"<think>\n{reasoning}</think>\n{body}" for body in bodies]


def mutate(text: str, rng: random.Random) -> str:
    for _ in range(rng.randint(1, 4)):
        at, to = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
        kind = rng.randrange(5)
        if kind == 0:
            text = text[:to]
        elif kind == 1:
            text = text[:at] + rng.choice(PIECES) + text[at:]
        elif kind == 2:
            text = text[:at] + text[min(to, at + 12) :]
        elif kind == 3:
            text = text[:to] + text[at:]
        else:
            text = text[:at] + chr(rng.randrange(0x10FFFF)) + text[at + 1 :]
    return text


def check(count: int) -> None:
    rng = random.Random(20_260)
    start, kinds = seeds(), set()
    for _ in range(count):
        text, truncated = mutate(rng.choice(start), rng), rng.random() < 0.3
        form = rng.choice((LINES, TAGS))
        parsed = form.parse(text, truncated)
        assert parsed == form.parse(text, truncated)
        kinds.add(parsed.status)
        assert (parsed.status in ("ok", "repaired", "partial")) <= bool(parsed.answers)
        assert len(parsed.answers) <= form.k
        assert all(a.confidence is None or 0 <= a.confidence <= 1 for a in parsed.answers)
        if parsed.status in ("ok", "repaired"):
            assert all(a.confidence is not None for a in parsed.answers)
        tail = text.rpartition("</think>")[2]
        if "</think>" in text and "ebra" not in tail:
            assert not any("ebra" in a.text for a in parsed.answers), text
        if "</think>" in text and parsed.answers:
            assert parsed.answers == form.parse("</think>" + tail, truncated).answers
    assert kinds == {"ok", "repaired", "partial", "truncated", "empty"}


def test_mutated_outputs() -> None:
    check(3_000)


@pytest.mark.slow
def test_many_mutated_outputs() -> None:
    check(100_000)


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "< ",
        " ",
        "1",
        "9 ",
        "\n",
        "\r",
        "- ",
        "1. ",
        "a 1\n",
        "a.",
        "**",
        "(",
        "\x00",
        "a\u0301",
        "<think>",
        "</think>",
        "<answer1>",
        "<answer1",
        "<analysis>",
        "<answer1>a</answer1>",
        "62% ",
        ":",
        "|",
    ],
)
@pytest.mark.parametrize("before", ["", "</think>a ", "</think><answer1>", "</think><answer1>a</answer1><confidence1>"])
def test_a_megabyte_is_read_in_linear_time(piece: str, before: str) -> None:
    text = before + piece * (1_000_000 // len(piece))
    for form in (LINES, TAGS):
        began = time.process_time()
        form.parse(text)
        form.parse(text, truncated=True)
        assert time.process_time() - began < 1.5
