"""Names of the files below ``heads/``: short, and of each domain its own, whatever a user calls it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

_LONGEST = 80  # characters of a name that are kept


def file_stems(names: Iterable[str]) -> dict[str, str]:
    """Return what the files of each domain begin with.

    A name of letters, digits, ``.+-`` and single spaces is kept, with ``_`` for spaces. Any other, or one
    that differs from an earlier one in capital letters alone, gets a part of its SHA-256.

    >>> file_stems(["A to B", "A/to/B", "外部"])
    {'A to B': 'A_to_B', 'A/to/B': 'A_to_B-0f271a1b', '外部': 'domain-72d71f2d'}
    """
    stems: dict[str, str] = {}
    taken: set[str] = set()
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9.+-]+", "_", name)
        if stem.replace("_", " ") != name or len(stem) > _LONGEST or stem.casefold() in taken:
            digest = hashlib.sha256(name.encode()).hexdigest()[:8]
            stem = f"{stem[:_LONGEST].strip('_') or 'domain'}-{digest}"
        taken.add(stem.casefold())
        stems[name] = stem
    return stems
