"""The FAISS index of a gallery on disk: a cache, built again whenever it is missing, stale or damaged."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from retizero.data.atomic_write import atomic_write
from retizero.retrieval.index_kinds import build_index

_PREFIX = "index-"
_DIGEST = hashlib.sha256().digest_size


def cached_index(folder: Path, generation: str, kind: str, vectors: NDArray[np.floating[Any]]) -> faiss.Index:
    """Read the index of one generation of a gallery, or build it and keep it.

    The file is the serialised index followed by its SHA-256. A flat index holds nothing but the vectors and
    is never kept. A folder that cannot be written to is no error.

    Args:
        folder: The gallery's folder.
        generation: Names the state of the gallery that the index must belong to.
        kind: One of ``retizero.retrieval.index_kinds.KINDS``.
        vectors: (N, D) what is indexed, N at least 1.
    """
    if kind == "flat":
        return build_index(vectors, kind)
    file = folder / f"{_PREFIX}{generation}-{kind}.faiss"
    index = _read(file)
    if index is not None and (index.ntotal, index.d) == vectors.shape:
        return index
    index = build_index(vectors, kind)
    with contextlib.suppress(OSError):
        content = faiss.serialize_index(index)
        digest = hashlib.sha256(content.data).digest()
        atomic_write(file, lambda out: (out.write(content.data), out.write(digest)))
        for old in folder.glob(f"{_PREFIX}*.faiss"):
            if old != file:
                old.unlink(missing_ok=True)
    return index


def _read(file: Path) -> faiss.Index | None:
    """Return the index of a file, or None where there is no such file or it is damaged."""
    try:
        content = np.fromfile(file, np.uint8)
    except OSError:
        return None
    body, digest = content[:-_DIGEST], content[-_DIGEST:].tobytes()
    if hashlib.sha256(body.data).digest() != digest:
        return None
    return faiss.deserialize_index(body)
