"""Activations of the frozen image stages for several views of every photograph, computed once, kept on disk.

Training the later stages then costs a fraction of a full forward pass, which is what makes it possible on two
CPU cores.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from retizero.data import ManifestRow, Preprocess, crop_to_field, read_image
from retizero.data.atomic_write import unfinished
from retizero.model.image_stages import ImageStages
from retizero.training.augment import Augmentation

_TOGETHER = 32  # views that are computed at once


@dataclass(frozen=True)
class Activations:
    """Activations of frozen stages, found on disk or computed.

    Attributes:
        stages: Their front is frozen.
        preprocess: How photographs become pixels.
        augmentation: How far views differ from the photograph.
        seed: Of the views.
        folder: Where they are kept.
    """

    stages: ImageStages
    preprocess: Preprocess
    augmentation: Augmentation
    seed: int
    folder: Path

    def of(self, rows: Sequence[ManifestRow], views: int) -> NDArray[np.float16]:
        """Return activations (N, views, C, H, W) as a memory map; view 0 is the photograph itself.

        A finished file for the same rows, weights and settings is reused; an interrupted one is begun again.

        Raises:
            ImageReadError: A photograph cannot be read.
        """
        path = self.folder / f"activations-{self._key(rows, views)}.npy"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            with unfinished(path) as partial:
                self._write(partial, rows, views)
        loaded: NDArray[np.float16] = np.load(path, mmap_mode="r")
        return loaded

    def _pixels(self, row: ManifestRow, place: int, views: int) -> NDArray[np.float32]:
        """Views of one photograph, (views, 3, S, S)."""
        prepare = self.preprocess
        image = read_image(row.image)
        square = crop_to_field(image) if prepare.crop == "field" else prepare.resize(image)
        pixels = [prepare(image)]
        for view in range(1, views):
            rng = np.random.default_rng([self.seed, place, view])
            pixels.append(prepare.normalise(self.augmentation(square, prepare.size, rng)))
        return np.stack(pixels)

    def _write(self, path: Path, rows: Sequence[ManifestRow], views: int) -> None:
        def prepared(begin: int) -> NDArray[np.float32]:
            places = range(begin, min(begin + at_once, len(rows)))
            return np.concatenate([self._pixels(rows[place], place, views) for place in places])

        store: Any = None
        device = next(self.stages.front.parameters()).device
        at_once = max(1, _TOGETHER // views)
        with ThreadPoolExecutor(1) as pool:  # prepares the next photographs while the tower computes these
            following = pool.submit(prepared, 0)
            for begin in tqdm(range(0, len(rows), at_once), desc="activations", mininterval=10):
                pixels = torch.from_numpy(following.result())
                if begin + at_once < len(rows):
                    following = pool.submit(prepared, begin + at_once)
                out = self.stages.activations(pixels.to(device)).cpu().half().contiguous().numpy()
                if store is None:
                    shape = (len(rows), views, *out.shape[1:])
                    store = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
                store[begin : begin + at_once] = out.reshape(-1, views, *out.shape[1:])
        store.flush()

    def _key(self, rows: Sequence[ManifestRow], views: int) -> str:
        drawn = [asdict(self.augmentation), self.seed] if views > 1 else None
        settings = [self.preprocess.to_dict(), views, drawn]
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        for row in rows:
            status = row.image.stat()
            digest.update(f"{row.name} {status.st_size} {status.st_mtime_ns}\n".encode())
        for name, tensor in self.stages.front.state_dict().items():
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
        return digest.hexdigest()[:16]
