"""The project's own vignettes to calibrate with: where they belong, and what a calibrator learns from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ddx.errors import InputError
from ddx.evaluation.free_text import calibration_vignettes
from ddx.train.examples import teaching_vignettes
from ddx.vocabulary import load_vocabulary

OURS = Path(__file__).parents[2] / "training" / "data"
VOCABULARY = load_vocabulary()
GOUT = {"id": "co-1", "condition": "Gout", "age": 61, "sex": "M", "text": "61-year-old man, a red hot big toe."}


def folder(tmp_path: Path, name: str, *rows: object) -> Path:
    (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_every_condition_of_the_vocabulary_and_many_others_are_there() -> None:
    found = calibration_vignettes(OURS, VOCABULARY)
    inside = [t for t in found.truth if t < len(VOCABULARY)]
    assert set(inside) == set(range(len(VOCABULARY)))
    assert len(found) - len(inside) >= 100
    assert len({case.case_id for case in found.cases}) == len(found) == len(found.shown)


def test_none_of_them_teaches() -> None:
    texts = {case.text for case in calibration_vignettes(OURS, VOCABULARY).cases}
    assert not texts & {vignette["text"] for vignette in teaching_vignettes(OURS)}


def test_a_condition_stands_where_its_file_says(tmp_path: Path) -> None:
    assert calibration_vignettes(folder(tmp_path, "calibration_outside.jsonl", GOUT), VOCABULARY).truth == [49]
    with pytest.raises(InputError, match=r"inside.jsonl, line 1: 'Gout' is not in the vocabulary"):
        calibration_vignettes(folder(tmp_path, "calibration_inside.jsonl", GOUT), VOCABULARY)


@pytest.mark.parametrize("row", [{"id": "x"}, [1]])
def test_a_line_that_is_no_vignette_is_named(tmp_path: Path, row: object) -> None:
    with pytest.raises(InputError, match=r"calibration_outside.jsonl, line 2: not a vignette"):
        calibration_vignettes(folder(tmp_path, "calibration_outside.jsonl", GOUT, row), VOCABULARY)


def test_a_text_may_hold_any_separator_and_a_file_in_another_encoding_is_one_line(tmp_path: Path) -> None:
    text = GOUT["text"] + "\u2028Tophi."
    path = tmp_path / "calibration_outside.jsonl"
    path.write_text(json.dumps({**GOUT, "text": text}, ensure_ascii=False) + "\n", encoding="utf-8")
    assert [case.text for case in calibration_vignettes(tmp_path, VOCABULARY).cases] == [text]
    path.write_bytes(json.dumps({**GOUT, "text": "café"}, ensure_ascii=False).encode("cp1252"))
    with pytest.raises(InputError, match=r"calibration_outside.jsonl, line 1: not a vignette"):
        calibration_vignettes(tmp_path, VOCABULARY)


def test_a_folder_without_any_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no calibration_inside"):
        calibration_vignettes(tmp_path, VOCABULARY)
