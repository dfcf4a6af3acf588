"""Keep freed memory in the process, where a network on a processor would ask for it again at once."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # names of glibc's <malloc.h>


@cache
def keep_freed_memory() -> bool:
    """Tell glibc not to hand large blocks back to the kernel after every layer.

    Each block that comes back must be faulted in page by page, which costs most in a virtual machine. The
    process keeps the memory of its largest pass.

    Returns:
        Whether it was done; False on systems without glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, 2**31 - 1))
