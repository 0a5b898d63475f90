"""What a result was made with: versions, hashes, ids."""

from __future__ import annotations

import hashlib
import json
from importlib import metadata
from pathlib import Path
from typing import Any

from ddx.errors import InputError

_PACKAGES = ("torch", "transformers", "peft", "numpy", "scikit-learn")


def versions() -> dict[str, str]:
    """Versions of ddx and of the libraries that a result depends on (without importing them)."""
    found = {}
    for name in ("ddx", *_PACKAGES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def ids_hash(ids: list[str]) -> str:
    """SHA-256 of a set of case or patient ids, whatever their order."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def shipped_folder() -> Path:
    """The folder of the model that ships with the package."""
    return Path(__file__).parent / "assets" / "model"


def read_model_card(folder: Path) -> dict[str, Any]:
    """A model folder's `model.json`: id, base, format, k, semantics."""
    return json.loads((folder / "model.json").read_text(encoding="utf-8"))


def base_of(folder: Path, card: dict[str, Any]) -> str:
    """The base of a model folder, as `ddx.engines.base_models.resolve` takes it; "./…" lies in the folder itself.

    Raises InputError when it should lie there and does not.
    """
    base = str(card["base"])
    if not base.startswith("./"):
        return base
    if not (folder / base).is_dir():
        raise InputError(f"{folder}: model.json names the base {base}, which is missing; copy the whole folder")
    return str(folder / base)
