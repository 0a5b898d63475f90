"""Load the model for a command: a sign of life for whoever is watching, and no other output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ddx.cli.show import stderr_console

if TYPE_CHECKING:
    from ddx.model import Model

__all__ = ["load_for_command"]


def load_for_command(name: str | None) -> Model:
    """`ddx.model.load_model`, with a spinner in place of the progress bars of transformers."""
    with stderr_console().status("loading the model …"):
        from ddx.model import load_model

        transformers = sys.modules.get("transformers")
        if transformers is not None:
            transformers.utils.logging.disable_progress_bar()
        return load_model(name)
