"""The files that hold a gallery's vectors: written once, never changed, read memory-mapped."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.data.atomic_write import atomic_write
from retizero.retrieval.errors import GalleryError
from retizero.retrieval.record_store import Facts, Stored

VECTOR_FILES = "vectors-*.npy"


def vector_file_name(facts: Facts) -> str:
    """The file that the vectors of one change go to."""
    return f"vectors-{facts.generation}.npy"


def write_vectors(file: Path, facts: Facts, vectors: NDArray[np.floating[Any]]) -> None:
    """Write vectors (N, D) in the gallery's precision, whole or not at all."""
    stored = np.ascontiguousarray(vectors, _precision(facts))
    atomic_write(file, lambda out: np.lib.format.write_array(out, stored, allow_pickle=False))


def gather_vectors(folder: Path, facts: Facts, stored: Sequence[Stored]) -> NDArray[np.floating[Any]]:
    """Return the vectors of the records in their order, (N, D).

    Where nothing was added or removed since the gallery was built, this is the memory-mapped file itself.

    Raises:
        OSError, ValueError, IndexError: A file is missing or damaged.
    """
    files = {
        name: np.load(folder / name, mmap_mode="r", allow_pickle=False)
        for name in dict.fromkeys(each.vectors for each in stored)
    }
    if any(array.ndim != 2 or array.shape[1] != facts.dimension for array in files.values()):
        raise ValueError("vectors of another length")
    if len(files) == 1:
        only = next(iter(files.values()))
        if [each.row for each in stored] == list(range(len(only))):
            return np.asarray(only)
    vectors = np.empty((len(stored), facts.dimension), _precision(facts))
    for name, array in files.items():
        places = [place for place, each in enumerate(stored) if each.vectors == name]
        vectors[places] = array[[stored[place].row for place in places]]
    return vectors


def _precision(facts: Facts) -> type[np.floating[Any]]:
    return np.float16 if facts.kind == "fp16" else np.float32


@contextmanager
def new_folder(directory: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``directory`` at the end of the block, or goes away."""
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise GalleryError(f"{directory} exists and is not a gallery; choose another folder.")
    directory.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{directory.name}.", suffix=".tmp", dir=directory.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        os.replace(temporary, directory)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
