"""The files that hold a gallery's vectors: written once, never changed, read memory-mapped."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.data.atomic_write import atomic_write

VECTOR_FILES = "vectors-*.npy"


def new_name() -> str:
    """A name that no other segment has."""
    return uuid.uuid4().hex


def vector_file(folder: Path, segment: str) -> Path:
    """Where the vectors of a segment lie."""
    return folder / f"vectors-{segment}.npy"


def write_vectors(folder: Path, segment: str, blocks: Sequence[NDArray[np.floating[Any]]]) -> None:
    """Write blocks (n, D) of one precision one after the other, whole or not at all."""
    rows, dimension = sum(len(block) for block in blocks), blocks[0].shape[1]
    header = {
        "descr": np.lib.format.dtype_to_descr(blocks[0].dtype),
        "fortran_order": False,
        "shape": (rows, dimension),
    }

    def write(out: Any) -> None:  # noqa: ANN401 - an open file
        np.lib.format.write_array_header_2_0(out, header)
        for block in blocks:
            for start in range(0, len(block), 16_384):
                out.write(np.ascontiguousarray(block[start : start + 16_384]).data)

    atomic_write(vector_file(folder, segment), write)


def open_vectors(folder: Path, segment: str, rows: int, dimension: int) -> NDArray[np.floating[Any]]:
    """Map the vectors of a segment into memory, (rows, dimension).

    Raises:
        FileNotFoundError: The file is not there.
        OSError, ValueError: It is damaged.
    """
    # "c": nobody may change the file through it, and torch takes it without copying.
    vectors = np.load(vector_file(folder, segment), mmap_mode="c", allow_pickle=False)
    if vectors.shape != (rows, dimension) or vectors.dtype not in (np.float16, np.float32):
        raise ValueError("vectors of another shape")
    return np.asarray(vectors)
