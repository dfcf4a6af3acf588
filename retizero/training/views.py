"""Views of training photographs as the learning stages take them: kept on disk, or drawn anew each time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from retizero.data import ManifestRow, Preprocess, read_image
from retizero.model.image_stages import ImageStages
from retizero.training.augment import Augmentation

Picked = NDArray[np.int64]


class Views(Protocol):
    """Where the train loop gets its photographs from."""

    def batch(self, order: Picked, epoch: int, step: int, rng: np.random.Generator) -> Tensor:
        """One view of each photograph of a step, (B, C, H, W) float32 activations.

        Args:
            order: (steps, B) photographs of the epoch.
            epoch: Counted from 1.
            step: Row of ``order``.
            rng: May be drawn from; a resumed run finds it where it was.
        """
        ...


@dataclass(frozen=True)
class KeptViews:
    """One of the kept views of each photograph, mirrored half of the time.

    Attributes:
        activations: (N, V, C, H, W) float16, view 0 the plain photograph.
    """

    activations: NDArray[np.float16]

    def batch(self, order: Picked, epoch: int, step: int, rng: np.random.Generator) -> Tensor:
        """See ``Views``."""
        picked = order[step]
        views = rng.integers(0, self.activations.shape[1], len(picked))
        chosen = torch.from_numpy(self.activations[picked, views].astype(np.float32))
        mirrored = torch.from_numpy(rng.random(len(picked)) < 0.5)
        return torch.where(mirrored[:, None, None, None], chosen.flip(-1), chosen)


class FreshViews:
    """A new view at every draw, decided by seed, epoch, step and place; the next step's are drawn ahead.

    Args:
        squares: (N, S, S, 3) uint8, from ``kept_squares``.
        augmentation: How far views differ.
        preprocess: Size and normalisation of views.
        stages: Its frozen front turns pixels into activations.
        seed: Of all draws.
    """

    def __init__(
        self,
        squares: NDArray[np.uint8],
        augmentation: Augmentation,
        preprocess: Preprocess,
        stages: ImageStages,
        seed: int,
    ) -> None:
        self._squares = squares
        self._augmentation = augmentation
        self._preprocess = preprocess
        self._stages = stages
        self._seed = seed
        self._pool = ThreadPoolExecutor(1)
        self._ahead: tuple[tuple[int, int], Future[Tensor]] | None = None

    def batch(self, order: Picked, epoch: int, step: int, rng: np.random.Generator) -> Tensor:
        """See ``Views``."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == (epoch, step):
            pixels = ahead[1].result()
        else:
            pixels = self._draw(order[step], epoch, step)
        if step + 1 < len(order):
            following = self._pool.submit(self._draw, order[step + 1], epoch, step + 1)
            self._ahead = (epoch, step + 1), following
        return self._stages.activations(pixels).float()

    def _draw(self, picked: Picked, epoch: int, step: int) -> Tensor:
        views = []
        for place, index in enumerate(picked):
            rng = np.random.default_rng([self._seed, epoch, step, place])
            view = self._augmentation(self._squares[index], self._preprocess.size, rng)
            views.append(self._preprocess.normalise(view))
        return torch.from_numpy(np.stack(views))


def kept_squares(rows: Sequence[ManifestRow], preprocess: Preprocess, folder: Path) -> NDArray[np.uint8]:
    """Photographs framed and resized, not normalised, (N, S, S, 3) uint8, as a memory map; computed once.

    Raises:
        ImageReadError: A photograph cannot be read.
    """
    side = preprocess.size
    digest = hashlib.sha256(json.dumps(preprocess.to_dict(), sort_keys=True).encode())
    for row in rows:
        status = row.image.stat()
        digest.update(f"{row.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    path = folder / f"squares-{digest.hexdigest()[:16]}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npy")
        store = np.lib.format.open_memmap(
            partial, mode="w+", dtype=np.uint8, shape=(len(rows), side, side, 3)
        )
        for number, row in enumerate(tqdm(rows, desc="squares", mininterval=10)):
            store[number] = preprocess.resize(read_image(row.image))
        store.flush()
        partial.rename(path)
    loaded: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return loaded
