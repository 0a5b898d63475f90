"""What every run folder has: metrics as JSON lines, JSON files written whole, and a checkpoint to go on from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback
from transformers.trainer_utils import get_last_checkpoint

from ddx.errors import InputError
from ddx.files import write_text
from ddx.train.processes import processes


class JsonLines(TrainerCallback):
    """Metrics as JSON lines in the run folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        """Called by the trainer."""
        if not state.is_world_process_zero:
            return
        with open(self.path, "a", encoding="utf-8") as handle:
            handle.write(json.dumps({"step": state.global_step, **(logs or {})}) + "\n")


def checkpoint_to_resume(out: Path, resume: bool) -> str | None:
    """The checkpoint to go on from; None for a fresh run, which may not land on an earlier one."""
    last = get_last_checkpoint(str(out / "checkpoints")) if (out / "checkpoints").is_dir() else None
    if resume and last is None:
        raise InputError(f"{out}: no checkpoint to resume from; start without --resume")
    if last and not resume:
        raise InputError(
            f"{out}: holds an earlier run; add --resume to go on with it, or name another folder with out=DIR"
        )
    if last and processes() > 1:
        _load_to_numbered_cpus()
    return last


def _load_to_numbered_cpus() -> None:
    """With several processes on a CPU, transformers loads the optimiser to "cpu:0"; torch has no rule for it."""
    torch.serialization.register_package(
        100, lambda storage: None, lambda storage, location: storage if location.startswith("cpu:") else None
    )


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file beside its place and rename it."""
    write_text(path, json.dumps(content, indent=1) + "\n")
