"""The project's own split of DDXPlus patients: 80 % train, 5 % dev, 5 % calibration, 10 % test.

By hash of the presentation, so that it needs no stored list and duplicates stay together. It is not the
published split (the official train release is not required), and figures on it must not be set beside
published ones as if it were.
"""

from __future__ import annotations

import hashlib
from typing import Literal

Split = Literal["train", "dev", "calibration", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "calibration", "test")
_UPPER = {"train": 80, "dev": 85, "calibration": 90, "test": 100}


def split_of(patient_id: str) -> Split:
    """The split of a patient, from its id alone.

    >>> split_of("0011223344556677") in SPLITS
    True
    """
    bucket = int(hashlib.sha256(f"split|{patient_id}".encode()).hexdigest()[:8], 16) % 100
    return next(name for name in SPLITS if bucket < _UPPER[name])
