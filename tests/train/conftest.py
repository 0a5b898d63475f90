"""Patients and a tiny language model that the training tests share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ddx.cli.main import app

# Enough to write lists that can be read, in seconds.
TINY_NANO = [
    "layers=2", "width=64", "heads=2", "vocabulary=700", "patients=1200", "k=2", "narrative_share=0", "compile=false",
    "answer_weight=4", "learning_rate=0.006", "points={full: 1}", "tokens_per_batch=1024", "save_steps=40",
]  # fmt: skip


@pytest.fixture(scope="session")
def tiny_nano_options() -> list[str]:
    """The keys of the config behind `tiny_nano`."""
    return TINY_NANO


@pytest.fixture(scope="session")
def tiny_data(some_patients: Callable[[int], Path]) -> Path:
    """1,800 real DDXPlus patients, prepared."""
    return some_patients(1800)


@pytest.fixture(scope="session")
def tiny_nano(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a nano base of two layers, trained on them."""
    folder = tmp_path_factory.mktemp("nano")
    config = folder / "c.yaml"
    config.write_text("method: nano\n")
    arguments = ["train", str(config), *TINY_NANO, f"data={tiny_data}", f"out={folder}/whole"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return folder / "whole"
