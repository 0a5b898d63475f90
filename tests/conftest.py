"""Shared settings of the tests: no network, no deadlines, where outside data lies."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import settings

# Before anything imports transformers: a test never reaches a model hub, and two workers share two cores.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[1]

# A busy machine must not fail a property test.
settings.register_profile("ddx", deadline=None)
settings.load_profile("ddx")


@pytest.fixture(scope="session")
def ddxplus_folder() -> Path:
    """The folder with DDXPlus as published: `$DDX_DATA/ddxplus`; skips where there is none."""
    folder = Path(os.environ.get("DDX_DATA") or ROOT.parent / "shared" / "data") / "ddxplus"
    if not folder.is_dir():
        pytest.skip("no DDXPlus: set DDX_DATA to the folder that holds ddxplus/")
    return folder


@pytest.fixture(scope="session")
def some_patients(ddxplus_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """The first n rows of a DDXPlus file, prepared: `some_patients(60)` is a folder as `ddx data prepare` writes it."""
    from ddx.data.prepare import prepare

    def prepared(rows: int) -> Path:
        folder = tmp_path_factory.mktemp("ddxplus")
        with gzip.open(ddxplus_folder / "patients_other_splits.csv.gz", "rt", encoding="utf-8") as handle:
            (folder / "patients.csv").write_text("".join(islice(handle, rows)), encoding="utf-8")
        prepare(folder, folder / "out")
        return folder / "out"

    return prepared
