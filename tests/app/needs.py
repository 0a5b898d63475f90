"""What tests of the app need of the machine: marks that leave them out where it is missing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from served import chromium

from ddx.engines.base_models import SMOLLM2, cache_dir
from ddx.provenance import shipped_folder

BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="no chromium on this machine"),
]
MODEL = [
    pytest.mark.model,
    pytest.mark.skipif(not (shipped_folder() / "model.json").exists(), reason="no model in ddx/assets/model"),
    pytest.mark.skipif(not (cache_dir() / SMOLLM2).exists(), reason=f"run `ddx models get {SMOLLM2}` first"),
]


def needs_model(test: Callable) -> Callable:
    """The marks of `MODEL` on one test."""
    for mark in MODEL:
        test = mark(test)
    return test
