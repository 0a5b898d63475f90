"""Storage of reviews: SQLite or PostgreSQL, saved as they change, with a log in which a later change shows.

`docs/storage.md` says what is stored, and what the log can and can't show.
"""

from ddx.store.backup import backup
from ddx.store.chain import CalibratorAction, Entry
from ddx.store.errors import Conflict, StoreError
from ddx.store.store import Saved, Store
from ddx.store.verify import Problem, Verification, verify
from ddx.store.views import DecisionRow, Reviewed, ReviewRow, Stored

__all__ = [
    "CalibratorAction",
    "Conflict",
    "DecisionRow",
    "Entry",
    "Problem",
    "Reviewed",
    "ReviewRow",
    "Saved",
    "Store",
    "StoreError",
    "Stored",
    "Verification",
    "backup",
    "verify",
]
