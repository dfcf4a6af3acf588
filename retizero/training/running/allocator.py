"""Memory that one step frees and the next one needs again."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGEST_MMAP_THRESHOLD = 32 * 2**20
_KEPT = 2**30


def keep_freed_memory() -> None:
    """Let glibc keep up to 1 GiB of freed memory instead of giving it back to the system after every step.

    Taking it again costs a page fault for each 4 KiB. Other C libraries are left alone.
    """
    if not sys.platform.startswith("linux"):
        return
    adjust = getattr(ctypes.CDLL(None), "mallopt", None)
    if adjust is not None:
        adjust(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        adjust(_TRIM_THRESHOLD, _KEPT)
