"""A twin differs from its case by the named change and by nothing else."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from ddx.case import Case, Finding
from ddx.data.ddxplus import Patient, read_patients
from ddx.data.prepare import load_split
from ddx.evaluation.perturb import _REMARKS, ONE_SEX, PERTURBATIONS, Decisive, ablate, seeded
from ddx.evaluation.sample import draw
from ddx.vignette import Item, group, render
from ddx.vocabulary import load_vocabulary
from ddx.vocabulary.findings import load_findings

CASE = Case(
    "p-full",
    58,
    "M",
    (
        Finding("E_53"), Finding("E_55", True, "V_29"), Finding("E_55", True, "V_101"), Finding("E_91", False),
        Finding("E_201"), Finding("E_66"), Finding("E_56", True, "7"), Finding("E_79"),
    ),
)  # fmt: skip
TEXT = render(CASE, seed=5)


def text_of(name: str, case: Case = CASE, wording: int = 5, seed: int = 0) -> str:
    twin = PERTURBATIONS[name](case, wording, seeded(name, case, seed))
    assert twin is not None
    assert render(twin, seed=99) == twin.text and twin.case_id == case.case_id
    return twin.text


def applies(name: str, case: Case) -> bool:
    return PERTURBATIONS[name](case, 5, seeded(name, case, 0)) is not None


def pieces(text: str) -> list[str]:
    return text.split(". ", 1)[1].removesuffix(".").lower().split("; ")


def test_no_wording_holds_a_semicolon() -> None:
    """`reorder` and `ablate` take a note apart at semicolons."""
    for finding in load_findings().values():
        wordings = [w for by_register in finding.phrases.values() for w in by_register.get("terse", ())]
        wordings += [w for _, by_register in finding.bands for w in by_register["terse"]]
        assert not any(";" in w for w in [*wordings, *finding.values.values()]), finding.code


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_same_seed_same_twin(name: str) -> None:
    assert text_of(name) == text_of(name)
    texts = {text_of(name, seed=seed) for seed in range(12)}
    assert (len(texts) == 1) == (name in ("repeat", "sex"))


def test_repeat_is_the_text_itself() -> None:
    assert text_of("repeat") == TEXT


def test_reorder_keeps_the_words_and_the_first_complaint() -> None:
    text = text_of("reorder")
    assert text != TEXT and sorted(pieces(text)) == sorted(pieces(TEXT))
    assert pieces(text)[0] == pieces(TEXT)[0] and text.startswith(TEXT[:20])
    assert not applies("reorder", replace(CASE, findings=CASE.findings[:3]))  # two items: one order
    assert not applies("reorder", Case("t", text="cough, fever"))


def test_paraphrase_is_a_wording_of_the_same_case() -> None:
    text = text_of("paraphrase")
    assert text != TEXT and len(pieces(text)) == len(pieces(TEXT))
    for item, phrase in zip(group(CASE.findings), pieces(text), strict=True):
        wordings = load_findings()[item.code].wordings("terse", item.present, item.values)
        assert phrase in [w.lower() for w in wordings]
    assert not applies("paraphrase", Case("t", text="cough, fever"))


def test_irrelevant_adds_one_remark() -> None:
    assert text_of("irrelevant").removeprefix(TEXT + " ") in _REMARKS
    names = {f.name.lower() for f in load_findings().values()}
    names |= {label.lower() for c in load_vocabulary() for label in c.labels if len(label) > 3}
    for remark in _REMARKS:
        assert not [name for name in names if re.search(rf"\b{re.escape(name)}\b", remark.lower())]
    assert len(set(_REMARKS)) == 12


def test_sex_changes_one_word_and_only_where_nothing_depends_on_it() -> None:
    assert text_of("sex") == TEXT.replace("-old man.", "-old woman.")
    pregnant = (Finding("E_167", False),)
    testicle = (Finding("E_55", True, "V_168"),)
    for case in (
        replace(CASE, sex=None),
        *(replace(CASE, findings=CASE.findings + more) for more in (pregnant, testicle)),
    ):
        assert not applies("sex", case)


def test_one_sex_is_what_the_frequencies_say(ddxplus_folder: Path) -> None:
    by_sex: dict[str, Counter[str]] = {"F": Counter(), "M": Counter()}
    for patient in islice(read_patients(ddxplus_folder / "patients_test_release.csv.gz"), 12_000):
        by_sex[patient.sex].update({e.split("_@_")[0] for e in patient.evidences})
    common = {code for code in load_findings() if by_sex["F"][code] + by_sex["M"][code] >= 20}
    one_sided = {code for code in common if not (by_sex["F"][code] and by_sex["M"][code])}
    assert one_sided == ONE_SEX & common and len(one_sided) >= 4


def test_typos_spare_numbers_and_touch_two_percent() -> None:
    long = Case("t", text=" ".join(["crushing central chest pain 12mg 7/10 spreading to the left arm"] * 30))
    text = text_of("typos", long)
    assert re.findall(r"\S*\d\S*", text) == re.findall(r"\S*\d\S*", long.text)
    letters = len(re.findall(r"[a-z]", re.sub(r"\S*\d\S*", "", long.text)))
    before, after = long.text.split(), text.split()
    changed = sum(a != b for a, b in zip(before, after, strict=True))
    assert 0.6 * 0.02 * letters <= changed <= round(0.02 * letters)
    assert text_of("typos", Case("s", text="Gout.")) != "Gout."
    assert not applies("typos", Case("n", text="38.5"))


def patient(pathology: str, *evidences: str) -> Patient:
    return Patient("x", 40, "F", evidences, None, pathology, (), None)


def test_decisive_by_hand() -> None:
    patients = [patient("gerd", "E_53", "E_201")] * 3 + [patient("croup", "E_53", "E_91")] * 5
    decisive = Decisive(patients)
    # (3 + .5)/(3 + 1) against (0 + .5)/(5 + 1)
    assert decisive.log_ratio(Item("E_201", True), "gerd") == pytest.approx(2.3514, abs=1e-4)
    case = Case("c", findings=(Finding("E_53"), Finding("E_91"), Finding("E_201"), Finding("E_66", False)))
    assert decisive.of(case, "gerd") == Item("E_201", True)
    assert decisive.of(case, "croup") == Item("E_91", True)
    assert decisive.of(replace(case, findings=(Finding("E_91"), Finding("E_201", False))), "gerd") is None


def test_the_most_telling_value_counts() -> None:
    patients = [patient("gerd", "E_55_@_V_29", "E_55_@_V_101")] + [patient("croup", "E_55_@_V_29")] * 3
    item = Item("E_55", True, ("V_29", "V_101"))
    assert Decisive(patients).log_ratio(item, "gerd") == pytest.approx(1.7918, abs=1e-4)  # ln(.75/.125)


def test_ablate_takes_out_the_finding_and_its_words() -> None:
    items = group(CASE.findings)
    for gone, item in enumerate(items):
        found = ablate(CASE, 5, item)
        assert found is not None
        twin, case = found
        assert group(case.findings) == items[:gone] + items[gone + 1 :]
        assert pieces(twin.text) == pieces(TEXT)[:gone] + pieces(TEXT)[gone + 1 :]
        assert twin.text.split(". ", 1)[1][0].isupper() or twin.text.split(". ", 1)[1][0].isdigit()
    assert ablate(replace(CASE, findings=CASE.findings[:1]), 5, items[0]) is None


def test_real_cases(some_patients: Callable[[int], Path]) -> None:
    folder, vocabulary = some_patients(3000), load_vocabulary()
    sample = draw(folder, "train", "40", vocabulary)
    decisive, keys = Decisive(load_split(folder, "train")), [c.key for c in vocabulary]
    applied: dict[str, int] = dict.fromkeys([*PERTURBATIONS, "ablate"], 0)
    for case, wording, truth in zip(sample.cases, sample.seeds, sample.truth, strict=True):
        text = render(case, seed=wording)
        for name, change in PERTURBATIONS.items():
            twin = change(case, wording, seeded(name, case, 0))
            if twin is not None:
                applied[name] += 1
                assert (twin.text == text) == (name == "repeat")
        item = decisive.of(case, keys[truth])
        if item is not None and (found := ablate(case, wording, item)):
            applied["ablate"] += 1
            assert len(found[0].text) < len(text)
    assert applied["repeat"] == applied["irrelevant"] == applied["typos"] == 160
    assert min(applied["sex"], applied["paraphrase"]) > 120
    assert min(applied["reorder"], applied["ablate"]) > 100
