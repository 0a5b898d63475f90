"""`ddx data prepare`: DDXPlus releases to Parquet, one file per split, and the fixed evaluation samples."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ddx.data.ddxplus import Patient, patient_files, read_patients
from ddx.data.splits import SPLITS, Split, split_of
from ddx.data.stages import STAGES, Stage
from ddx.errors import InputError
from ddx.files import write_text
from ddx.vocabulary import load_vocabulary

SAMPLES = {"standard": 500, "release": 2000}  # cases at each stage
_SCHEMA = pa.schema(
    [
        ("patient_id", pa.string()),
        ("age", pa.float64()),
        ("sex", pa.string()),
        ("evidences", pa.list_(pa.string())),
        ("initial", pa.string()),
        ("pathology", pa.string()),
        ("gold", pa.list_(pa.string())),
        ("gold_probs", pa.list_(pa.float64())),
    ]
)


def prepare(source: Path, out: Path, on_rows: Callable[[int], None] = lambda n: None) -> dict[str, int]:
    """Write `<split>.parquet` and `manifest.json` to `out`; returns the rows per split and what was left out.

    Patients whose pathology is ambiguous in the source have no label and are left out (and counted). Of rows
    with the same presentation the first stays. `datasets.load_dataset("parquet", data_files=…)` reads the files.
    """
    vocabulary = load_vocabulary()
    rows: dict[str, list[Patient]] = {split: [] for split in SPLITS}
    counts = {"read": 0, "ambiguous": 0, "duplicate": 0}
    seen: set[str] = set()
    for path in patient_files(source):
        for patient in read_patients(path, vocabulary):
            counts["read"] += 1
            if counts["read"] % 1000 == 0:
                on_rows(1000)
            if patient.pathology is None:
                counts["ambiguous"] += 1
            elif patient.patient_id in seen:
                counts["duplicate"] += 1
            else:
                seen.add(patient.patient_id)
                rows[split_of(patient.patient_id)].append(patient)
    out.mkdir(parents=True, exist_ok=True)
    manifest: dict = {"counts": counts, "vocabulary_sha256": vocabulary.content_hash, "splits": {}}
    for split in SPLITS:
        _write(rows[split], out / f"{split}.parquet")
        digest = hashlib.sha256("\n".join(sorted(p.patient_id for p in rows[split])).encode()).hexdigest()
        manifest["splits"][split] = {"patients": len(rows[split]), "ids_sha256": digest}
        counts[split] = len(rows[split])
    write_text(out / "manifest.json", json.dumps(manifest, indent=1))
    return counts


def load_split(folder: Path, split: Split) -> list[Patient]:
    """Patients of a prepared split. Raises InputError saying how to prepare when the file is missing."""
    path = folder / f"{split}.parquet"
    if not path.exists():
        raise InputError(f"{path} is missing; run `ddx data prepare --source DIR -o {folder}` first")
    return list(_rows(path))


def sample(patients: list[Patient], size: str) -> dict[Stage, list[Patient]]:
    """A fixed evaluation sample: `size` "standard" (500 at each stage), "release" (2,000) or a number.

    Chosen by the hash of the patient, a different set of patients at each stage, so that a stage's cases are
    independent of another's. The standard sample of a stage is the beginning of its release sample.
    """
    each = SAMPLES.get(size) or int(size)
    chosen: dict[Stage, list[Patient]] = {}
    ordered = sorted(patients, key=lambda p: hashlib.sha256(f"sample|{p.patient_id}".encode()).hexdigest())
    for number, stage in enumerate(STAGES):
        mine = ordered[number :: len(STAGES)]
        if len(mine) < each:
            raise InputError(f"only {len(mine)} patients for stage {stage}, the sample needs {each}")
        chosen[stage] = mine[:each]
    return chosen


def _write(patients: list[Patient], path: Path) -> None:
    columns = {
        name: [
            getattr(p, name) if not isinstance(getattr(p, name), tuple) else list(getattr(p, name)) for p in patients
        ]
        for name in _SCHEMA.names
    }
    partial = path.with_suffix(".partial")
    pq.write_table(pa.table(columns, schema=_SCHEMA), partial, compression="zstd")
    os.replace(partial, path)


def _rows(path: Path) -> Iterator[Patient]:
    for batch in pq.ParquetFile(path).iter_batches():
        for row in batch.to_pylist():
            for name in ("evidences", "gold", "gold_probs"):
                row[name] = None if row[name] is None else tuple(row[name])
            yield Patient(**row)
