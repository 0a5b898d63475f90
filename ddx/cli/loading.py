"""Load the model for a command: a sign of life for whoever is watching, and no other output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ddx.model import Model

__all__ = ["ENGINE_HELP", "load_for_command"]

ENGINE_HELP = "transformers, vllm, or the URL of a server that serves this model (docs/engines.md)."


def load_for_command(name: str | None, engine: str = "transformers") -> Model:
    """`ddx.model.load_model`, with a spinner in place of the progress bars of transformers."""
    from ddx.cli.show import stderr_console

    with stderr_console().status("loading the model …"):
        from ddx.model import load_model

        transformers = sys.modules.get("transformers")
        if transformers is not None:
            transformers.utils.logging.disable_progress_bar()
        return load_model(name, engine=engine)
