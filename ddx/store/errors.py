"""What a store refuses, each with one line that says what to do."""

from __future__ import annotations

from ddx.errors import InputError

__all__ = ["Conflict", "StoreError"]


class StoreError(InputError):
    """The store can't be opened, or can't do what was asked of it."""


class Conflict(StoreError):
    """A review was saved over a version that is no longer the newest: someone else changed or deleted it."""
