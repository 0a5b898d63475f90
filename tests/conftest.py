"""Shared settings of the tests: no network, no deadlines, where outside data lies."""

from __future__ import annotations

import os
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
