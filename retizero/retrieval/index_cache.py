"""FAISS indices on disk: a cache, opened memory-mapped, built again whenever missing, stale or damaged."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from retizero.data.atomic_write import atomic_write
from retizero.retrieval.index_kinds import build_index, is_current

INDEX_FILES = ("index-*.faiss", "index-*.sha256")
_BLOCK, _BLOCKS = 65_536, 1_024  # what the checksum reads at most: 64 MB, so that opening stays quick


def index_file(folder: Path, segment: str, kind: str) -> Path:
    """Where the index of a segment lies."""
    return folder / f"index-{segment}-{kind}.faiss"


def cached_index(folder: Path, segment: str, kind: str, vectors: NDArray[np.floating[Any]]) -> faiss.Index:
    """Open the index of a segment, or build it and keep it.

    Beside the file lies its checksum: SHA-256 over the whole file, or over evenly spread blocks of a file
    above 64 MB. A folder that cannot be written to is no error.

    Args:
        folder: The gallery's folder.
        segment: Names the vectors, which never change.
        kind: ``ivf`` or ``hnsw``.
        vectors: (N, D) what is indexed, N at least 1.
    """
    file = index_file(folder, segment, kind)
    index = _read(file)
    if index is not None and is_current(index) and (index.ntotal, index.d) == vectors.shape:
        return index
    return store_index(folder, segment, kind, vectors)


def store_index(folder: Path, segment: str, kind: str, vectors: NDArray[np.floating[Any]]) -> faiss.Index:
    """Build the index of a segment and write it, whole or not at all, where the folder allows it."""
    index = build_index(vectors, kind)
    file = index_file(folder, segment, kind)
    with contextlib.suppress(OSError):
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".tmp", dir=folder)
        os.close(descriptor)
        temporary = Path(name)
        try:
            faiss.write_index(index, name)
            digest = _checksum(temporary)
            temporary.chmod(0o644)
            temporary.replace(file)
            atomic_write(_checksum_file(file), lambda out: out.write(digest.encode()))
        finally:
            temporary.unlink(missing_ok=True)
        return _read(file) or index  # memory-mapped from now on
    return index


def _read(file: Path) -> faiss.Index | None:
    """Return the index of a file, or None where there is no such file or it is damaged."""
    try:
        if _checksum_file(file).read_text(encoding="ascii") != _checksum(file):
            return None
        mapped: Any = faiss.IO_FLAG_MMAP_IFC
        return faiss.read_index(str(file), mapped)
    except (OSError, RuntimeError, UnicodeDecodeError):
        return None


def _checksum_file(file: Path) -> Path:
    return file.with_suffix(".sha256")


def _checksum(file: Path) -> str:
    size = file.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    blocks = -(-size // _BLOCK)
    with file.open("rb") as opened:
        for block in np.linspace(0, max(blocks - 1, 0), min(blocks, _BLOCKS)).round().astype(int).tolist():
            opened.seek(block * _BLOCK)
            digest.update(opened.read(_BLOCK))
    return digest.hexdigest()
