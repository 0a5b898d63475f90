"""A case set in the documented form: read alike from CSV and JSON lines, no row lost, every fault named."""

import csv
import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ddx.data.case_sets import COLUMNS, load_case_set
from ddx.data.vignettes import Vignette
from ddx.errors import InputError
from ddx.vocabulary import load_vocabulary

TEXT = "A man of 60 has crushing chest pain, and he sweats."


def row(**changes: Any) -> dict[str, Any]:
    return {"case_id": "a", "text": TEXT} | changes


def as_json(folder: Path, *rows: Any) -> Path:
    path = folder / "mine.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    return path


def as_csv(folder: Path, *rows: dict[str, Any], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    columns = list(dict.fromkeys(column for r in rows for column in r))
    out = StringIO(newline="")
    writer = csv.DictWriter(out, columns, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path = folder / "mine.csv"
    path.write_bytes(out.getvalue().encode(encoding))
    return path


def only(path: Path) -> Vignette:
    [vignette] = load_case_set(path, load_vocabulary())
    return vignette


def test_a_row_becomes_a_case(tmp_path: Path) -> None:
    given_row = row(case_id=7, age=60, sex="male", gold="Heart attack", text="Chest  pain.\nSweating.", source="trial")
    vignette = only(as_json(tmp_path, given_row))
    assert (vignette.ref, vignette.gold, vignette.key) == ("7", "Heart attack", "myocardial_infarction")
    assert (vignette.case.case_id, vignette.case.age, vignette.case.sex) == ("7", 60.0, "M")
    assert (vignette.case.text, vignette.source) == ("Chest pain. Sweating.", "trial")


def test_source_is_the_name_of_the_file_unless_given(tmp_path: Path) -> None:
    assert only(as_json(tmp_path, row())).source == "mine"


@pytest.mark.parametrize(
    ("gold", "key"),
    [
        ("Pulmonary embolism", "pulmonary_embolism"),
        ("PE", "pulmonary_embolism"),
        ("pulmonary_embolism", "pulmonary_embolism"),
        ("I26.9", "pulmonary_embolism"),
        ("Pulmonary embolsm", None),  # a slip of spelling is not a match: gold is not guessed
        ("Gout", None),
        ("", None),
    ],
)
def test_gold_is_matched_strictly(tmp_path: Path, gold: str, key: str | None) -> None:
    for path in (as_json(tmp_path, row(gold=gold)), as_csv(tmp_path, row(gold=gold))):
        vignette = only(path)
        assert (vignette.gold, vignette.key) == (gold, key)


@pytest.mark.parametrize(
    ("key", "gold", "expected"),
    [
        ("pneumonia", "Hospital chest infection", ("Hospital chest infection", "pneumonia")),
        ("none", "Pneumonia", ("Pneumonia", None)),
        ("pneumonia", "", ("Pneumonia", "pneumonia")),
    ],
)
def test_a_reviewed_key_comes_first(tmp_path: Path, key: str, gold: str, expected: tuple[str, str | None]) -> None:
    vignette = only(as_csv(tmp_path, row(key=key, gold=gold)))
    assert (vignette.gold, vignette.key) == expected


def test_gold_differential_from_json(tmp_path: Path) -> None:
    entries = [
        "STEMI",
        {"name": "Aortic dissection", "probability": 0.2, "quotes": ["Crushing chest pain", "he faints"]},
        {"name": "Chest infection", "key": "pneumonia"},
    ]
    vignette = only(as_json(tmp_path, row(gold_differential=entries)))
    assert [(d.name, d.key, d.probability) for d in vignette.differential] == [
        ("STEMI", "myocardial_infarction", None),
        ("Aortic dissection", None, 0.2),
        ("Chest infection", "pneumonia", None),
    ]
    located, missing = vignette.differential[1].quotes
    assert located.span is not None and TEXT[slice(*located.span)] == "crushing chest pain"
    assert missing.span is None
    assert vignette.gold_keys == ("myocardial_infarction", "pneumonia")


def test_gold_differential_from_csv(tmp_path: Path) -> None:
    vignette = only(as_csv(tmp_path, row(gold_differential=" PE | Gout|| pulmonary embolus")))
    assert [(d.name, d.key) for d in vignette.differential] == [
        ("PE", "pulmonary_embolism"),
        ("Gout", None),
        ("pulmonary embolus", "pulmonary_embolism"),
    ]
    assert vignette.gold_keys == ("pulmonary_embolism",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_spreadsheets_forms(tmp_path: Path, delimiter: str, encoding: str) -> None:
    rows = [row(case_id="é", gold="Asthma", age="1,5"), row(case_id="b", gold="", age="")]
    first, second = load_case_set(as_csv(tmp_path, *rows, delimiter=delimiter, encoding=encoding))
    assert (first.ref, first.key, first.case.age) == ("é", "asthma_exacerbation", 1.5)
    assert (second.key, second.case.age) == (None, None)


cells = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)


@given(st.lists(st.tuples(cells.filter(str.strip), cells, cells.filter(str.strip)), min_size=1, max_size=5))
def test_no_row_is_lost_and_both_forms_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, parts: list[tuple[str, str, str]]
) -> None:
    rows = [row(case_id=f"{i} {ref}", gold=gold, text=text) for i, (ref, gold, text) in enumerate(parts)]
    folder = tmp_path_factory.mktemp("sets")
    from_json, from_csv = load_case_set(as_json(folder, *rows)), load_case_set(as_csv(folder, *rows))
    assert from_json == from_csv and len(from_json) == len(rows)
    assert [v.gold for v in from_json] == [" ".join(gold.split()) for _, gold, _ in parts]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row(case_id=""), r"line 2, column case_id: empty"),
        (row(case_id="first"), r"line 2, column case_id: 'first' is also that of .*line 1"),
        (row(case_id=True), "column case_id: expected text"),
        (row(text=" "), "column text: empty"),
        ({"case_id": "a"}, "column text: missing"),
        (row(text=["x"]), "column text: expected text"),
        (row(age="old"), "column age: age 'old' is not a number"),
        (row(age=True), "column age: expected a number"),
        (row(age=130), "column age: age 130 is outside"),
        (row(sex="x"), "column sex: sex 'x' is not one of"),
        (row(gold=3), "column gold: expected text"),
        (row(key="gout", gold="Gout"), "column key: 'gout' is no condition's key"),
        (row(key="none"), "column key: 'none' without gold"),
        (row(pathology="Gout"), r"column 'pathology': unknown; the columns are case_id"),
        (row(gold_differential="PE|Gout"), "column gold_differential: expected a list"),
        (row(gold_differential=[3]), "column gold_differential, entry 1: expected a name, or an object"),
        (row(gold_differential=["PE", {"nam": "PE"}]), "entry 2: expected a name, or an object"),
        (row(gold_differential=[{"name": " "}]), "entry 1: the name is empty"),
        (row(gold_differential=[{"name": "PE", "probability": 1.2}]), "the probability is not a number from 0 to 1"),
        (row(gold_differential=[{"name": "PE", "probability": float("nan")}]), "the probability is not a number"),
        (row(gold_differential=[{"name": "PE", "quotes": "x"}]), "quotes must be a list"),
        ([1], "line 2: expected an object; docs/case_sets.md"),
    ],
)
def test_a_bad_row_of_json_is_named(tmp_path: Path, bad: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_case_set(as_json(tmp_path, row(case_id="first"), bad))
    assert "\n" not in str(caught.value) and TEXT not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("case_id,text\na,one,two\n", r"row 2: 3 cells for 2 columns; quote a cell that holds ','"),
        ("case_id,text\na,x\n\nb,\n", r"row 4, column text: empty"),
        ("case_id,gold\na,x\n", r"row 1, column text: missing"),
        ("case_id,text,text\na,x,y\n", r"row 1, column 'text': twice"),
        ('case_id,text\na,x\nb,"never closed\n', r"row 3: not CSV"),
        ("case_id,text\n", "no cases"),
        ("", "row 1, column case_id: missing"),
    ],
)
def test_a_bad_table_is_named(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "mine.csv").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_case_set(tmp_path / "mine.csv")


def test_what_is_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"neither in \.csv nor in \.jsonl"):
        load_case_set(tmp_path / "mine.xlsx")
    with pytest.raises(InputError, match="no such file; check the path"):
        load_case_set(tmp_path / "mine.csv")
    (tmp_path / "mine.csv").write_bytes("case_id,text\na,\xe9\n".encode("latin-1"))
    with pytest.raises(InputError, match="save it as UTF-8"):
        load_case_set(tmp_path / "mine.csv")


def test_the_document_names_every_column() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "case_sets.md").read_text(encoding="utf-8")
    assert all(f"`{column}`" in text for column in COLUMNS)


def test_the_documents_examples_load(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "case_sets.md").read_text(encoding="utf-8")
    blocks = text.split("```")[1::2]
    [table] = [block.strip() for block in blocks if "case_id,text" in block]
    [line] = [" ".join(block.split()) for block in blocks if '"case_id"' in block]
    (tmp_path / "doc.csv").write_text(table + "\n", encoding="utf-8")
    (tmp_path / "doc.jsonl").write_text(line + "\n", encoding="utf-8")
    from_csv, from_json = only(tmp_path / "doc.csv"), only(tmp_path / "doc.jsonl")
    assert from_csv.key == from_json.key == "myocardial_infarction"
    assert from_csv.gold_keys == ("myocardial_infarction", "pericarditis")
    assert from_json.differential[1].quotes[0].span == (0, 19)
