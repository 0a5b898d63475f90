"""The report, the table of cases and the comparison of two evaluations, from real stored answers."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import ddx
from ddx.cli.main import app
from ddx.errors import InputError
from ddx.evaluation.cases import METRICS, read_cases
from ddx.evaluation.compare import Run, compare, to_table
from ddx.evaluation.report import to_html
from ddx.files import write_table

STANDARD = Path(ddx.__file__).parent / "assets" / "evaluation" / "standard.json"


class Reader(HTMLParser):
    """Counts elements, and checks that every one is closed where it should be."""

    VOID = ("meta", "link", "br", "hr", "img", "path", "line", "rect", "use", "stop")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.count: dict[str, int] = {}

    def handle_starttag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.count[tag] = self.count.get(tag, 0) + 1

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def result() -> dict:
    return json.loads(STANDARD.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(result: dict) -> str:
    return to_html(result)


def test_the_report_stands_alone_and_says_what_it_is(page: str, result: dict) -> None:
    reader = Reader()
    reader.feed(page)
    assert not reader.open and reader.count["svg"] >= 9 and reader.count["table"] >= 6
    links = re.findall(r'(?:src|href)="(?!#)([^"]{0,20})', page)
    assert links and all(link.startswith("data:") for link in links), "nothing is fetched from elsewhere"
    assert "not a medical device" in page and "diagnosed with" not in page
    for needed in (result["model"]["adapter_sha256"], "ddx verify", "TRIPOD-LLM", "CC-BY 4.0"):
        assert needed in page


def test_every_cell_of_a_subgroup_has_its_n_and_few_cases_are_grey(result: dict) -> None:
    changed = json.loads(json.dumps(result))
    changed["subgroups"]["sex"]["men and boys"]["full"]["pass@1"]["n"] = 49
    page = to_html(changed)
    assert page.count('class="few"') == to_html(result).count('class="few"') + 1
    cells = sum(len(by_stage) for groups in result["subgroups"].values() for by_stage in groups.values())
    section = page.split("<h2>By sex and age</h2>")[1].split("<h2>")[0]
    assert section.count('<span class="n">n=') == 3 * cells


def test_what_a_model_wrote_is_escaped(result: dict) -> None:
    changed = json.loads(json.dumps(result))
    changed["examples"][0]["listed"][0][0] = "<script>alert(1)</script>"
    changed["model"]["id"] = "<img src=x>"
    page = to_html(changed)
    assert "<script>alert" not in page and "<img" not in page and "&lt;script&gt;" in page


def cases(n: int = 400, seed: int = 0, shift: float = 0.0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"case_id": [f"p{i}" for i in range(n)], "stage": ["initial", "full"] * (n // 2)})
    for metric in METRICS:
        table[metric] = (rng.random(n) < 0.5).astype(float) + shift
    return table.assign(confidence1=0.5)


def test_differences_are_paired_by_case_whatever_the_order() -> None:
    first = cases()
    second = first.assign(**{m: first[m] + 0.1 for m in METRICS}).sample(frac=1, random_state=1)
    found = compare([Run("a", {}, first), Run("a", {}, second)])
    assert found["runs"] == ["a", "a (2)"] and found["n"] == 400
    e = found["stages"]["full"]["pass@1"]["a (2)"]["minus_first"]
    assert e["n"] == 200 and e["low"] == pytest.approx(0.1) and e["high"] == pytest.approx(0.1)
    unpaired = compare([Run("a", {}, first), Run("b", {}, cases(seed=1, shift=0.1))])["stages"]["full"]["pass@1"]["b"]
    assert unpaired["minus_first"]["high"] - unpaired["minus_first"]["low"] > 0.1
    table = to_table(found)
    assert table.count("*") > 10 and "| n | | 400 | 200 | 200 |" in table


def test_runs_on_other_cases_are_refused_and_few_missing_ones_left_out() -> None:
    first = cases()
    some = compare([Run("a", {}, first), Run("b", {}, first.iloc[:300])])
    assert (some["n"], some["left_out"]) == (300, 100)
    with pytest.raises(InputError, match="share 0 of 400 cases"):
        compare([Run("a", {}, first), Run("b", {}, first.assign(case_id=[f"q{i}" for i in range(400)]))])


def test_a_table_of_cases_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.cases.parquet"
    with pytest.raises(InputError, match="evaluate again"):
        read_cases(path)
    path.write_bytes(b"\x00\x01no parquet")
    with pytest.raises(InputError, match="cannot be read as Parquet"):
        read_cases(path)
    write_table(path, pd.DataFrame({"case_id": ["1"]}))
    with pytest.raises(InputError, match="has no column"):
        read_cases(path)


def test_bad_runs_get_one_line(tmp_path: Path) -> None:
    for arguments, words in (
        ([str(STANDARD)], "at least two"),
        ([str(tmp_path / "no.json"), str(STANDARD)], "cannot be read"),
        ([str(tmp_path), str(STANDARD)], "cannot be read"),
    ):
        done = CliRunner().invoke(app, ["compare", *arguments])
        assert done.exit_code == 2 and words in done.stderr and len(done.stderr.splitlines()) == 1
