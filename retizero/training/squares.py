"""Photographs cropped and scaled once, kept on disk, so that an epoch neither decodes nor crops."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from retizero.data import ImageReadError, ManifestRow, Preprocess, read_image
from retizero.data.atomic_write import atomic_write_text, unfinished

_CHUNK = 64


@dataclass(frozen=True)
class Squares:
    """Cropped photographs.

    Attributes:
        pixels: (N, S, S, 3) uint8, memory-mapped; black where a photograph cannot be read.
        problems: Place of a row that cannot be read, and why.
    """

    pixels: NDArray[np.uint8]
    problems: dict[int, str]


def cached_squares(rows: Sequence[ManifestRow], preprocess: Preprocess, folder: Path) -> Squares:
    """Crop every photograph as a model does, to ``preprocess.size`` pixels; a finished file is read again.

    Args:
        rows: N photographs, at least one.
        preprocess: Of the model.
        folder: Where the file lies.
    """
    path = folder / f"squares-{_key(rows, preprocess)}.npy"
    told = path.with_suffix(".json")
    if not told.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with unfinished(path) as partial:
            problems = _write(partial, rows, preprocess)
        atomic_write_text(told, json.dumps(problems) + "\n")
    stored = json.loads(told.read_text(encoding="utf-8"))
    return Squares(np.load(path, mmap_mode="r"), {int(place): said for place, said in stored.items()})


def _write(path: Path, rows: Sequence[ManifestRow], preprocess: Preprocess) -> dict[int, str]:
    def prepare(row: ManifestRow) -> NDArray[np.uint8] | str:
        try:
            return preprocess.resize(read_image(row.image))
        except ImageReadError as error:
            return str(error)

    side = preprocess.size
    store = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(len(rows), side, side, 3))
    problems: dict[int, str] = {}
    with (
        ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool,
        tqdm(total=len(rows), desc="Cropping", unit="image", mininterval=10) as progress,
    ):
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            for place, found in enumerate(pool.map(prepare, part), start=start):
                if isinstance(found, str):
                    problems[place] = f"Row {rows[place].row}: {found}"
                else:
                    store[place] = found
            progress.update(len(part))
    store.flush()
    return problems


def _key(rows: Sequence[ManifestRow], preprocess: Preprocess) -> str:
    digest = hashlib.sha256(json.dumps(preprocess.to_dict(), sort_keys=True).encode())
    for row in rows:
        status = row.image.stat()
        digest.update(f"{row.image.resolve()} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]
