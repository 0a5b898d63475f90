"""How many processes a run has, and which one this is: what torchrun and accelerate say."""

from __future__ import annotations

import os


def processes() -> int:
    """Processes of the run, as torchrun or accelerate launched it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which of them this is; 0 writes the run folder."""
    return int(os.environ.get("RANK", "0"))
