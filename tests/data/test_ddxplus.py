"""DDXPlus as published: read in any of its forms, split by patient, prepared once."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import pytest

from ddx.data.ddxplus import patient_id, read_patients
from ddx.data.prepare import load_split, prepare, sample
from ddx.data.splits import SPLITS, split_of
from ddx.errors import InputError

HEADER = "AGE,DIFFERENTIAL_DIAGNOSIS,SEX,PATHOLOGY,EVIDENCES,INITIAL_EVIDENCE\n"
ROW = "49,\"[['Bronchite', 0.6], ['GERD', 0.3], ['URTI', 0.01]]\",F,Bronchite,\"['E_91', 'E_201']\",E_201\n"


def write(path: Path, text: str) -> Path:
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("release_test_patients", text)
    else:
        path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["patients.csv", "patients.csv.gz", "release_test_patients.zip"])
def test_every_published_form_reads_alike_in_either_language(tmp_path: Path, name: str) -> None:
    english = ROW.replace("Bronchite", "Bronchitis")
    french, other = read_patients(write(tmp_path / name, HEADER + ROW + english))
    assert french == other
    assert (french.age, french.sex, french.pathology) == (49, "F", "bronchitis")
    assert french.gold == ("bronchitis", "gerd")  # 0.01 is not above DDXPlus's threshold
    assert french.gold_probs == (0.6, 0.3)
    assert french.initial == "E_201"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("AGE,SEX\n1,F\n", "column EVIDENCES is missing"),
        (HEADER + ROW.replace("49", "abc"), "row 2, column AGE"),
        (HEADER + ROW + ROW.replace("GERD", "Gout"), "row 3, column DIFFERENTIAL_DIAGNOSIS: 'Gout'"),
        (HEADER + ROW.replace("['E_91', 'E_201']", "[E_91"), "row 2, column EVIDENCES"),
    ],
)
def test_a_fault_names_file_row_and_column(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        list(read_patients(write(tmp_path / "patients.csv", text)))
    assert str(tmp_path) in str(caught.value)
    assert reason in str(caught.value)


def test_a_damaged_archive_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "release_test_patients.zip"
    path.write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(InputError, match="cannot be read"):
        list(read_patients(path))


def test_the_same_presentation_is_the_same_patient() -> None:
    assert patient_id(49, "F", ("E_91", "E_201")) == patient_id(49.0, "F", ("E_201", "E_91"))
    assert patient_id(49, "F", ("E_91",)) != patient_id(49, "M", ("E_91",))


def test_the_shares_of_the_split() -> None:
    found = [split_of(f"{i:016x}") for i in range(20_000)]
    for split, share in zip(SPLITS, (0.80, 0.05, 0.05, 0.10), strict=True):
        assert found.count(split) / len(found) == pytest.approx(share, abs=0.01)


def test_prepare_writes_each_patient_once_and_counts_the_rest(tmp_path: Path) -> None:
    rows = [ROW.replace("49", str(age)) for age in range(20, 80)]
    ambiguous = ROW.replace(",Bronchite,", ",,")
    write(tmp_path / "release_test_patients.csv", HEADER + "".join(rows) + rows[0] + ambiguous)
    counts = prepare(tmp_path, tmp_path / "out")
    assert (counts["read"], counts["duplicate"], counts["ambiguous"]) == (62, 1, 1)
    found = {split: load_split(tmp_path / "out", split) for split in SPLITS}
    assert sum(map(len, found.values())) == 60
    assert all(split_of(p.patient_id) == split for split, patients in found.items() for p in patients)
    assert not list((tmp_path / "out").glob("*.partial"))


def test_a_missing_split_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ddx data prepare"):
        load_split(tmp_path, "test")


def test_a_sample_is_fixed_and_its_stages_share_no_patient(tmp_path: Path) -> None:
    rows = [ROW.replace("49", f"{age / 4}") for age in range(400)]
    patients = list(read_patients(write(tmp_path / "patients.csv", HEADER + "".join(rows))))
    small, large = sample(patients, "20"), sample(list(reversed(patients)), "50")
    ids = {stage: [p.patient_id for p in chosen] for stage, chosen in small.items()}
    assert len({i for part in ids.values() for i in part}) == 80
    assert all([p.patient_id for p in large[stage]][:20] == ids[stage] for stage in small)
    with pytest.raises(InputError, match="needs 500"):
        sample(patients, "standard")
