"""A training config: what is refused, in one line that says what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ddx.cli.main import app
from ddx.errors import InputError
from ddx.train.config import SFTConfig, load_config


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text("method: sft\npatients: 10\n")
    return path


def test_overrides_come_after_the_file(config: Path) -> None:
    found = load_config(config, ["patients=7", "out=runs/x"])
    assert isinstance(found, SFTConfig)
    assert (found.patients, found.out) == (7, Path("runs/x"))


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("learning_rat=1", "did you mean 'learning_rate'?"),
        ("patients=many", "patients: input should be a valid integer"),
        ("patients=0", "greater than or equal to 1 (got 0)"),
        ("method=ppo", "is not one of sft, rl"),
        ("patients", "write it as key=value"),
        ("patients=[", "not valid YAML"),
    ],
)
def test_a_bad_value_is_one_line(config: Path, override: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        load_config(config, [override])
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n\x00\xff", b"- a\n- b\n", b"a: [\n"])
def test_a_file_that_is_no_config_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"c\.yaml: "):
        load_config(path)


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("data={tmp}/none", "run `ddx data prepare"),
        ("teacher={tmp}/none.safetensors", "no tabular classifier here"),
        ("base=smollm2-135", "smollm2-135"),
    ],
)
@pytest.mark.slow
def test_what_a_run_needs_and_lacks_is_one_line(config: Path, tmp_path: Path, override: str, reason: str) -> None:
    arguments = ["train", str(config), f"out={tmp_path}/out", override.format(tmp=tmp_path)]
    if not override.startswith("data="):
        arguments.append(f"data={tmp_path}/none")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("ddx: ")
    assert result.stderr.count("\n") == 1
    assert reason in result.stderr
