"""The reviewed table of Open-XDDx is sound; the loader reads the workbook, and says what is wrong when it cannot."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from ddx.data.open_xddx import load_open_xddx, open_xddx_gold
from ddx.data.quotes import locate
from ddx.data.vignettes import strict_key
from ddx.errors import InputError
from ddx.vocabulary import Matcher, Vocabulary, load_vocabulary, normalise

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("DDX_DATA") or ROOT.parent / "shared" / "data") / "vignettes"
needs_data = pytest.mark.skipif(
    not (FOLDER / "open_xddx.xlsx").is_file(), reason="no Open-XDDx: set DDX_DATA to the folder that holds vignettes/"
)
HEAD = ("Index", "patient_info", "disease_num", "rationale_num", "interpretation", "specialty")


def book(folder: Path, *rows: tuple[Any, ...], head: tuple[str, ...] = HEAD) -> Path:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    for cells in (head, *rows):
        sheet.append(cells)
    workbook.save(folder / "open_xddx.xlsx")
    return folder


def case(
    index: Any = 1, text: Any = "A made-up man has  a cough.\nWhat is it?", found: Any = "{'TB': ['a cough']}"
) -> tuple:
    return (index, text, 1, 1, found, "Respiratory disease")


def test_every_key_is_a_condition_and_no_name_is_decided_twice() -> None:
    rows = open_xddx_gold()
    keys = {condition.key for condition in load_vocabulary()}
    assert {row.key for row in rows} - {""} <= keys
    assert Counter(normalise(row.name) for row in rows).most_common(1)[0][1] == 1
    assert all(row.name == " ".join(row.name.split()) for row in rows)


def test_a_decision_against_the_obvious_has_a_reason() -> None:
    matcher = Matcher(load_vocabulary())
    for row in open_xddx_gold():
        assert row.why or strict_key(row.name, matcher) == row.key, row.name


def test_a_row_becomes_a_case(tmp_path: Path) -> None:
    found = "{'Iron-deficiency anemia': ['A  cough', 'pallor'], 'Angina': [], 'Pneumonia': ['has a cough']}"
    [vignette] = load_open_xddx(book(tmp_path, case(index=7, found=found)))
    assert (vignette.case.case_id, vignette.ref, vignette.source) == ("open-xddx-7", "7", "open-xddx")
    assert (vignette.gold, vignette.key) == ("", None)  # the patient's own diagnosis is not stated
    assert vignette.case.text == "A made-up man has a cough. What is it?"  # the question stays
    assert [(d.name, d.key) for d in vignette.differential] == [
        ("Iron-deficiency anemia", "anemia"),  # by the table: the matcher does not know it
        ("Angina", None),
        ("Pneumonia", "pneumonia"),
    ]
    assert [quote.span for quote in vignette.differential[0].quotes] == [(18, 25), None]


def test_rows_without_any_cell_are_passed_over(tmp_path: Path) -> None:
    empty = (None,) * len(HEAD)
    assert [v.ref for v in load_open_xddx(book(tmp_path, empty, case(2), empty, case(5)))] == ["2", "5"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (case(index="x"), r"row 3, column Index"),
        (case(index=1), r"row 3, column Index"),
        (case(2, text=None), r"row 3, column patient_info"),
        (case(2, found=None), r"row 3, column interpretation"),
        (case(2, found="{'TB': ['a']"), r"row 3, column interpretation"),
        (case(2, found="__import__('os').getcwd()"), r"row 3, column interpretation"),
        (case(2, found="(" * 5000), r"row 3, column interpretation"),
        (case(2, found="{}"), r"row 3, column interpretation"),
        (case(2, found="{'TB': 'a cough'}"), r"row 3, column interpretation"),
        (case(2, found="{3: ['a cough']}"), r"row 3, column interpretation"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, bad: tuple, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_open_xddx(book(tmp_path, case(), bad))


def test_what_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        load_open_xddx(tmp_path / "none")
    with pytest.raises(InputError, match="no such file"):
        load_open_xddx(tmp_path)
    (tmp_path / "open_xddx.xlsx").write_text("not a workbook")
    with pytest.raises(InputError, match="not a workbook"):
        load_open_xddx(tmp_path)
    with pytest.raises(InputError, match="no column 'Index'"):
        load_open_xddx(book(tmp_path, case(), head=("No", *HEAD[1:])))
    with pytest.raises(InputError, match="no cases"):
        load_open_xddx(book(tmp_path))


def test_a_vocabulary_without_the_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no condition 'tuberculosis'"):
        load_open_xddx(book(tmp_path, case(found="{'tuberculosis': []}")), Vocabulary([]))


@needs_data
def test_the_published_workbook_loads() -> None:
    vignettes = load_open_xddx(FOLDER)
    assert len(vignettes) == 570 and len({v.ref for v in vignettes}) == 570
    assert sum(bool(v.gold_keys) for v in vignettes) == 149
    quotes = [quote for v in vignettes for d in v.differential for quote in d.quotes]
    assert len(quotes) == 8245
    assert sum(quote.score == 1 for quote in quotes) == 7661
    assert sum(quote.span is not None for quote in quotes) == 7789


@needs_data
def test_every_name_that_the_matcher_takes_was_reviewed() -> None:
    matcher = Matcher(load_vocabulary())
    reviewed = {normalise(row.name) for row in open_xddx_gold()}
    names = {d.name for v in load_open_xddx(FOLDER) for d in v.differential}
    assert {name for name in names if strict_key(name, matcher) and normalise(name) not in reviewed} == set()
    assert reviewed <= {normalise(name) for name in names}


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("CHEST pain , for 2 hours", "chest pain for 2 hours"),  # capitals, blanks and punctuation don't count
        ("chest pains for 2 hours", "chest pain for 2 hours"),  # a few letters don't either
        ("rest", None),  # a word is not a part of another
        ("fever for 2 days", None),
        ("", None),
        ("38.5", "38.5"),
    ],
)
def test_quotes_are_found_by_their_words(quote: str, found: str | None) -> None:
    text = "Crest: he had chest pain for 2 hours, and a temperature of 38.5."
    [located] = locate([quote], text)
    assert (located.span is None) == (found is None)
    if found is not None and located.span is not None:
        assert normalise(text[slice(*located.span)]) in (normalise(found), normalise(found + ","))
