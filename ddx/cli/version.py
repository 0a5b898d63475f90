"""`ddx --version`: versions of ddx and its libraries, and the model that ships with it. Imports no torch."""

from __future__ import annotations

import json
import platform

__all__ = ["version_lines"]


def version_lines() -> list[str]:
    """One line each: ddx, Python, the libraries, the shipped model's id and the SHA-256 of its adapter."""
    from ddx.provenance import file_hash, read_model_card, shipped_folder, versions

    found = versions()
    lines = [f"ddx {found.pop('ddx', '(not installed as a package)')}", f"python {platform.python_version()}"]
    lines += [f"{name} {version}" for name, version in found.items()]
    folder = shipped_folder()
    try:
        card = read_model_card(folder)
        adapter = folder / "adapter" / "adapter_model.safetensors"
        digest = card.get("adapter_sha256") or (file_hash(adapter) if adapter.exists() else "no adapter")
        lines.append(f"model {card.get('id', '(no id)')} {digest}")
    except FileNotFoundError:
        lines.append("model none shipped")
    except (OSError, json.JSONDecodeError) as error:
        lines.append(f"model unreadable ({type(error).__name__} in {folder.name}/model.json)")
    return lines
