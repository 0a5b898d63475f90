"""How many processes a run has, and which one this is: what torchrun and accelerate say."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


def processes() -> int:
    """Processes of the run, as torchrun or accelerate launched it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """Which of them this is; 0 writes the run folder."""
    return int(os.environ.get("RANK", "0"))


@contextmanager
def one_first() -> Iterator[None]:
    """The first process does what stands in the block, the others wait and do it after: then it is done already."""
    if processes() == 1:
        yield
        return
    import torch
    from accelerate import PartialState

    with PartialState(cpu=not torch.cuda.is_available()).main_process_first():
        yield
