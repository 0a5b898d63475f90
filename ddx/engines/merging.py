"""A model folder's base and adapter as one folder of plain weights, for engines that take no adapter.

vLLM's CPU build is far too slow with an adapter beside the base; the merged folder it serves at full speed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

from ddx.engines.base_models import cache_dir, resolve, sha256_of
from ddx.errors import InputError

__all__ = ["merge", "merged_folder"]


def merge(base: str, adapter: Path | None, out: Path, dtype: str = "float32") -> Path:
    """Write `base` with `adapter` merged into it, and its tokenizer, to the new folder `out`, for `from_pretrained`.

    The sum is made in float32, as the engine does. Stored in float32 the answers stay the same; "bfloat16" is half the
    size and may turn near-ties. Raises InputError when `out` exists, and for another `dtype`.
    """
    if dtype not in ("float32", "bfloat16"):
        raise InputError(f"dtype {dtype!r} is not one of float32, bfloat16")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    if out.exists():
        raise InputError(f"{out}: exists already; name a new folder")
    folder = resolve(base)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    if adapter is not None:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    partial = out.with_name(f"{out.name}.{os.getpid()}.partial")
    try:
        model.to(getattr(torch, dtype)).save_pretrained(partial)
        AutoTokenizer.from_pretrained(folder).save_pretrained(partial)
        os.replace(partial, out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return out


def merged_folder(base: str, adapter: Path | None) -> str:
    """Folder (or hub name) of plain weights: the base itself without an adapter, else both merged in float32, made
    once and kept in the cache of models under the hash of their weights."""
    folder = resolve(base)
    if adapter is None:
        return folder
    weights = [adapter / "adapter_model.safetensors", *sorted(Path(folder).glob("*.safetensors"))]
    key = hashlib.sha256("\n".join([folder, *map(sha256_of, weights)]).encode()).hexdigest()
    out = cache_dir() / "merged" / key[:16]
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            merge(base, adapter, out)
        except OSError:
            if not out.exists():  # else another process was first
                raise
    return str(out)
