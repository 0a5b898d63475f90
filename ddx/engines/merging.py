"""A model folder's base and adapter as one folder of plain weights, for servers that take no adapter.

vLLM's CPU build is far too slow with an adapter beside the base; the merged folder it serves at full speed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ddx.engines.base_models import resolve
from ddx.errors import InputError


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
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.to(getattr(torch, dtype)).save_pretrained(partial)
    AutoTokenizer.from_pretrained(folder).save_pretrained(partial)
    os.replace(partial, out)
    return out
