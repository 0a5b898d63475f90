"""Files are written beside their place and renamed, so that a stop leaves the old one or the new one, never half."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to `path`, replacing what is there at once."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet to `path`, replacing what is there at once."""
    partial = path.with_name(path.name + ".partial")
    table.to_parquet(partial, index=False, compression="zstd")
    os.replace(partial, path)
