"""Embed the photographs of a manifest: read in threads, encode in batches, list what cannot be read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from retizero.data import ImageReadError, ManifestRow, read_image

_BATCH = 16


class ImageEncoder(Protocol):
    """What turns photographs into vectors, such as ``retizero.Engine``."""

    def embed_image(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed (H, W, 3) uint8 RGB photographs: (N, D) float32, unit norm."""
        ...


@dataclass(frozen=True)
class Embedded:
    """Vectors (N, D) float32 of N rows, and a sentence for each row that could not be read."""

    vectors: NDArray[np.float32]
    rows: tuple[ManifestRow, ...]
    problems: tuple[str, ...]


def embed_rows(rows: Sequence[ManifestRow], encoder: ImageEncoder, title: str = "Embedding") -> Embedded:
    """Embed photographs in their order.

    Args:
        rows: What to embed.
        encoder: The model.
        title: Shown beside the progress bar on stderr, where that is a terminal.
    """
    vectors: list[NDArray[np.float32]] = []
    read: list[ManifestRow] = []
    problems: list[str] = []
    with tqdm(total=len(rows), desc=title, unit="image", disable=None) as progress:
        for batch in _read_ahead(rows):
            images = [(row, image) for row, image in batch if not isinstance(image, ImageReadError)]
            problems += [
                f"Row {row.row}: {error}" for row, error in batch if isinstance(error, ImageReadError)
            ]
            if images:
                vectors.append(encoder.embed_image([image for _, image in images]))
                read += [row for row, _ in images]
            progress.update(len(batch))
    stacked = np.concatenate(vectors) if vectors else np.empty((0, 0), np.float32)
    return Embedded(np.asarray(stacked, np.float32), tuple(read), tuple(problems))


_Read = list[tuple[ManifestRow, Any]]


def _read_ahead(rows: Sequence[ManifestRow]) -> Iterator[_Read]:
    """Read one batch in threads while the one before is being encoded; two batches are in memory at most."""
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        waiting: list[tuple[ManifestRow, Future[Any]]] = []
        for start in range(0, len(rows), _BATCH):
            coming = [(row, pool.submit(_read_or_error, row)) for row in rows[start : start + _BATCH]]
            if waiting:
                yield [(row, future.result()) for row, future in waiting]
            waiting = coming
        if waiting:
            yield [(row, future.result()) for row, future in waiting]


def _read_or_error(row: ManifestRow) -> NDArray[np.uint8] | ImageReadError:
    try:
        return read_image(row.image)
    except ImageReadError as error:
        return error
