"""What an installed ddx is: light to import, complete in its wheel, pinned in full."""

from __future__ import annotations

import doctest
import importlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# The ground and floor 1: what a reward function, a notebook or a reader of results imports.
LIGHT = [
    "ddx.case",
    "ddx.differential",
    "ddx.vocabulary",
    "ddx.formats",
    "ddx.vignette",
    "ddx.prompt",
    "ddx.metrics",
]
MODEL_STACK = {"torch", "transformers", "peft", "accelerate", "sklearn", "streamlit", "datasets", "trl"}
TABLES = {"pandas", "polars", "pyarrow", "openpyxl", "scipy"}


def imported_by(*modules: str) -> set[str]:
    """Top-level packages in sys.modules after a fresh process has imported some modules."""
    code = "import sys, json\n" + "".join(f"import {m}\n" for m in modules) + "print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def test_import_ddx_is_light() -> None:
    assert not imported_by("ddx") & (MODEL_STACK | TABLES | {"numpy", "yaml", "pydantic", "typer"})


def test_ground_and_floor_one_import_no_model_stack() -> None:
    assert not imported_by(*LIGHT) & (MODEL_STACK | TABLES)


def test_data_imports_no_model_stack() -> None:
    assert not imported_by("ddx.data.prepare", "ddx.data.stages", "ddx.data.demo") & MODEL_STACK


def test_the_command_line_starts_without_the_model_stack() -> None:
    assert not imported_by("ddx.cli.main") & MODEL_STACK


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names in a wheel built from a copy of the sources, without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    shutil.copytree(ROOT / "ddx", source / "ddx", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, source / name)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--disable-pip-version-check",
    ]
    done = subprocess.run([*command, "-w", str(folder), str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(next(folder.glob("ddx-*.whl"))) as archive:
        return set(archive.namelist())


def test_every_file_of_the_package_is_in_the_wheel(wheel_names: set[str]) -> None:
    files = {p.relative_to(ROOT).as_posix() for p in (ROOT / "ddx").rglob("*") if p.is_file()}
    mine = {f for f in files if "__pycache__" not in f}
    assert {"ddx/vocabulary/tables/conditions.csv", "ddx/assets/demo_cases.jsonl"} <= mine
    assert mine - wheel_names == set()


def test_the_wheel_holds_the_package_and_nothing_else(wheel_names: set[str]) -> None:
    tops = {name.partition("/")[0] for name in wheel_names}
    assert tops == {"ddx", f"ddx-{PROJECT['version']}.dist-info"}
    assert any(name.endswith("licenses/LICENSE") for name in wheel_names)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required() -> set[str]:
    every = PROJECT["dependencies"] + [r for extra in PROJECT["optional-dependencies"].values() for r in extra]
    return {canonical(re.match(r"[A-Za-z0-9._-]+", r).group()) for r in every}  # type: ignore[union-attr]


def constraint_lines() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def test_the_extras_are_those_of_the_readme() -> None:
    assert set(PROJECT["optional-dependencies"]) == {"app", "train", "postgres", "vllm", "fhir", "ray", "serve", "dev"}


def test_constraints_are_exact_and_portable() -> None:
    for line in constraint_lines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line), line


def test_constraints_pin_every_requirement_once() -> None:
    names = [canonical(line.partition("==")[0]) for line in constraint_lines()]
    assert len(names) == len(set(names))
    assert required() - set(names) == set()


def test_constraints_pin_what_the_requirements_draw_in() -> None:
    """Every package that core, app, train and dev bring into this environment has its exact version."""
    from importlib.metadata import PackageNotFoundError, distribution

    pinned = {canonical(line.partition("==")[0]) for line in constraint_lines()}
    todo, seen = sorted(required()), set()
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            lines = distribution(name).requires or []
        except PackageNotFoundError:  # an extra that is not installed here, or a package for another system
            continue
        needed = [r for r in lines if "extra ==" not in r]
        todo += [canonical(re.match(r"[A-Za-z0-9._-]+", r).group()) for r in needed]  # type: ignore[union-attr]
        # The CUDA build of torch names its own exact versions of these.
        assert name in pinned or name.startswith(("nvidia-", "cuda-")) or name == "triton", f"{name} is not pinned"


DOCUMENTED = sorted(p for p in (ROOT / "ddx").rglob("*.py") if ">>> " in p.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", DOCUMENTED, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_the_examples_in_docstrings_hold(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted
    assert not results.failed
