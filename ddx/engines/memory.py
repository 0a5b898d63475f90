"""Keep the memory that the C library has, between one step of decoding and the next."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_freed_memory"]

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4  # of glibc's malloc.h
_TRIM, _PAD = 2**31 - 1, 64 << 20  # bytes


def keep_freed_memory() -> bool:
    """Have glibc hold on to freed memory (up to 2 GiB) instead of giving it back; whether this C library can.

    On a CPU every layer of every step makes tensors of some MiB and frees them. By default each is fetched from the
    system anew, page by page. On two cores, 96 cases took 36 s instead of 44 s, with half the page faults
    (`training/LOG.md`). A setting of the whole process; calling it again changes nothing.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library than glibc
        return False
    return all([mallopt(_MMAP_MAX, 0), mallopt(_TRIM_THRESHOLD, _TRIM), mallopt(_TOP_PAD, _PAD)])
