"""A copy of an SQLite store, made while the store is in use."""

from __future__ import annotations

import os
from pathlib import Path

from ddx.store.database import Database, read_url, sqlite_path
from ddx.store.errors import StoreError
from ddx.store.verify import Verification, verify

__all__ = ["backup"]


def backup(where: str | Path, out: Path, force: bool = False) -> Verification:
    """Copy a store as it is at one moment to the file `out`, readable by its owner alone, and verify the copy.

    The copy is one file without the free space of the original; it is written beside `out` and renamed. It is kept even
    when it does not verify: then neither does the store. Raises StoreError for PostgreSQL (`pg_dump` does it), and when
    `out` is there and `force` is off.
    """
    url = read_url(where)
    path = sqlite_path(url)
    if path is None:
        raise StoreError("a PostgreSQL store is backed up with pg_dump: pg_dump -Fc -f OUT URL")
    if out.resolve() == path:
        raise StoreError(f"{out}: is the store itself; name another file")
    if out.is_dir() or (out.exists() and not force):
        raise StoreError(f"{out}: is there already; name another file, or give --force")
    database = Database(url)
    partial = out.with_name(out.name + ".partial")
    try:
        with database.reading() as connection:
            if not database.check_version(connection):
                raise StoreError(f"{path}: holds no store, or one of an older ddx; open it once to update it")
        partial.unlink(missing_ok=True)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL, 0o600))  # VACUUM INTO takes an empty file as it is
        database.copy_to(partial)
        found = verify(partial)
        _to_disk(partial)
        os.replace(partial, out)
        _to_disk(out.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    finally:
        database.close()
    return found


def _to_disk(path: Path) -> None:
    """A file, or a folder's list of names, is on the disk before anyone relies on it."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
