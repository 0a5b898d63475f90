"""The example cases bundled with the package, so that the app has something to show without any data.

The project wrote them itself (see data_cards/demo_cases.md). They illustrate; they measure nothing.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from ddx.case import Case

__all__ = ["DemoCase", "demo_cases"]

_META = ("title", "setting", "pathology", "in_vocabulary")


@dataclass(frozen=True, slots=True)
class DemoCase:
    """One bundled example.

    `title` is neutral, `setting` is "emergency department", "clinic", "telephone" or "ward". `pathology` is
    the DDXPlus name of the condition the text was written for, or its plain name when it is outside the
    vocabulary (`in_vocabulary` is False): there the right answer is "something else".
    """

    case: Case
    title: str
    setting: str
    pathology: str
    in_vocabulary: bool


@lru_cache(maxsize=1)
def _read() -> tuple[DemoCase, ...]:
    text = (files("ddx") / "assets" / "demo_cases.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.split("\n") if line.strip()]
    return tuple(
        DemoCase(
            case=Case.from_dict({k: v for k, v in row.items() if k not in _META}, row["case_id"]),
            **{k: row[k] for k in _META},
        )
        for row in rows
    )


def demo_cases() -> list[DemoCase]:
    """The 104 bundled examples in their fixed order, the most instructive eight first.

    >>> demo = demo_cases()[0]
    >>> demo.case.case_id, demo.title
    ('demo-001', 'Chest pressure while shoveling snow')
    """
    return list(_read())
