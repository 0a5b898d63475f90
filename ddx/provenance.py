"""What a result was made with: versions, hashes, ids."""

from __future__ import annotations

import hashlib
import json
from importlib import metadata
from pathlib import Path
from typing import Any

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
