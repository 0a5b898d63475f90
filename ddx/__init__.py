"""ddx: a case in, a ranked differential with calibrated confidence out. Decision support for research use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ddx.case import Case, Finding
from ddx.differential import Diagnosis, Differential
from ddx.errors import DdxError, InputError

if TYPE_CHECKING:
    from ddx.model import Model

__all__ = ["Case", "DdxError", "Diagnosis", "Differential", "Finding", "InputError", "load_model"]


def load_model(name: str | None = None) -> Model:
    """Load a model (the shipped one without a name); imports torch only now. See `ddx.model.load_model`."""
    from ddx.model import load_model as load

    return load(name)
