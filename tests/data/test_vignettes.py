"""The reviewed table is sound; the loader reads the sources, and says what is wrong when it cannot."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from ddx.data.vignettes import VignetteSource, load_vignettes, vignette_gold
from ddx.errors import InputError
from ddx.vocabulary import Vocabulary, load_vocabulary

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("DDX_DATA") or ROOT.parent / "shared" / "data") / "vignettes"
needs_data = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="no vignettes folder: set DDX_DATA to the folder that holds it"
)


def write(folder: Path, name: str, *rows: object) -> Path:
    (folder / name).write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    return folder


def craft_row(**changes: object) -> dict[str, object]:
    """A made-up case under a gold name of the table."""
    row: dict[str, object] = {"id": 79, "answer": "Systemic lupus erythematosus "}
    row |= {"context": ["One ", "Two."], "patient": {"age": "18 months", "gender": "female"}}
    return row | changes


def test_every_key_is_a_condition() -> None:
    vocabulary = load_vocabulary()
    for key in {row.key for row in vignette_gold() if row.key}:
        assert vocabulary.by_key(key).key == key


def test_no_case_is_listed_twice_and_none_is_left_out() -> None:
    rows = vignette_gold()
    assert Counter((row.source, row.ref) for row in rows).most_common(1)[0][1] == 1
    assert [row.ref for row in rows if row.source == "semigran"] == [str(i) for i in range(1, 46)]
    assert [row.ref for row in rows if row.source == "craft-md"] == [str(i) for i in range(140)]


def test_rows_are_trimmed_and_named() -> None:
    for row in vignette_gold():
        assert row.gold and row.gold == " ".join(row.gold.split())
        assert row.key == row.key.strip() and row.why == row.why.strip()


def test_the_same_name_is_decided_the_same_way() -> None:
    decided: dict[str, set[str]] = {}
    for row in vignette_gold():
        decided.setdefault(row.gold.lower(), set()).add(row.key)
    assert all(len(keys) == 1 for keys in decided.values())


def test_counts_in_vocabulary() -> None:
    assert Counter(row.source for row in vignette_gold() if row.key) == {"semigran": 14, "craft-md": 3}


def test_craft_md_row_becomes_a_case(tmp_path: Path) -> None:
    [vignette] = load_vignettes(write(tmp_path, "craft_md.jsonl", craft_row()), "craft-md", load_vocabulary())
    assert (vignette.key, vignette.ref, vignette.gold) == ("sle", "79", "Systemic lupus erythematosus")
    assert (vignette.case.age, vignette.case.sex, vignette.case.text) == (1.5, "F", "One. Two.")


@pytest.mark.parametrize("patient", [{"age": "elderly", "gender": "unavailable"}, {}, None])
def test_unstated_age_and_sex_are_none(tmp_path: Path, patient: object) -> None:
    [vignette] = load_vignettes(write(tmp_path, "craft_md.jsonl", craft_row(patient=patient)), "craft-md")
    assert (vignette.case.age, vignette.case.sex) == (None, None)


def test_semigran_ref_is_the_line_number(tmp_path: Path) -> None:
    row = {"correct_diagnosis": "Appendicitis", "case_description": "Made\nup.", "urgency_level": "em"}
    (tmp_path / "semigran_vignettes.jsonl").write_text("\n" + json.dumps(row), encoding="utf-8")
    [vignette] = load_vignettes(tmp_path, "semigran")
    assert (vignette.ref, vignette.key) == ("2", None)
    assert (vignette.case.text, vignette.case.age) == ("Made up.", None)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (craft_row(answer="Gout"), r"line 1: case 79 with diagnosis 'Gout' is not in the table"),
        (craft_row(id=999), r"case 999 .* is not in the table"),
        (craft_row(id=None), "column id"),
        (craft_row(answer=None), "column answer"),
        (craft_row(context="text"), "column context"),
        (craft_row(context=[" "]), "column context"),
        ([1], "line 1: expected an object"),
    ],
)
def test_bad_row_is_named(tmp_path: Path, row: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_vignettes(write(tmp_path, "craft_md.jsonl", row), "craft-md")


def test_broken_or_empty_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "craft_md.jsonl"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"line 1: not JSON"):
        load_vignettes(tmp_path, "craft-md")
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(InputError, match="no cases"):
        load_vignettes(tmp_path, "craft-md")


def test_missing_folder_file_or_source(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        load_vignettes(tmp_path / "none", "semigran")
    with pytest.raises(InputError, match="no such file"):
        load_vignettes(tmp_path, "semigran")
    with pytest.raises(InputError, match="is not one of semigran, craft-md"):
        load_vignettes(tmp_path, "other")  # type: ignore[arg-type]


def test_vocabulary_without_the_key_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, "craft_md.jsonl", craft_row())
    with pytest.raises(InputError, match="has no condition 'sle'"):
        load_vignettes(folder, "craft-md", Vocabulary([]))


@needs_data
@pytest.mark.parametrize(("source", "total", "known"), [("semigran", 45, 14), ("craft-md", 140, 3)])
def test_published_files_load(source: VignetteSource, total: int, known: int) -> None:
    vignettes = load_vignettes(FOLDER, source, load_vocabulary())
    assert len(vignettes) == total and sum(v.key is not None for v in vignettes) == known
    assert len({v.case.case_id for v in vignettes}) == total
    assert all("\n" not in v.case.text and len(v.case.text) > 50 for v in vignettes)


@needs_data
def test_craft_md_ages_and_sexes() -> None:
    cases = [v.case for v in load_vignettes(FOLDER, "craft-md")]
    assert sum(case.age is None for case in cases) == 1
    assert sum(case.sex is None for case in cases) == 1
    assert all(case.text.endswith((".", "?", "!")) and ".." not in case.text for case in cases)
