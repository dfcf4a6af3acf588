"""Activations of the frozen image stages for several views of every photograph, computed once, kept on disk.

Training the later stages then costs a fraction of a full forward pass, which is what makes it possible on two
CPU cores.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from retizero.data import ManifestRow, Preprocess, crop_to_field, read_image
from retizero.model.image_stages import ImageStages
from retizero.training.augment import Augmentation


def cached_activations(
    rows: Sequence[ManifestRow],
    stages: ImageStages,
    preprocess: Preprocess,
    augmentation: Augmentation,
    views: int,
    seed: int,
    folder: Path,
) -> NDArray[np.float16]:
    """Return activations (N, views, C, H, W) float16 as a memory map; view 0 is the photograph itself.

    A finished file for the same rows, weights and settings is reused; an interrupted one is started again.

    Raises:
        ImageReadError: A photograph cannot be read.
    """
    key = _key(rows, stages, preprocess, augmentation, views, seed)
    path = folder / f"activations-{key}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npy")
        _write(partial, rows, stages, preprocess, augmentation, views, seed)
        partial.rename(path)
    loaded: NDArray[np.float16] = np.load(path, mmap_mode="r")
    return loaded


def _write(
    path: Path,
    rows: Sequence[ManifestRow],
    stages: ImageStages,
    preprocess: Preprocess,
    augmentation: Augmentation,
    views: int,
    seed: int,
) -> None:
    def prepare(index: int) -> NDArray[np.float32]:
        image = read_image(rows[index].image)
        square = crop_to_field(image) if preprocess.crop == "field" else preprocess.resize(image)
        pixels = [preprocess(image)]
        for view in range(1, views):
            rng = np.random.default_rng([seed, index, view])
            pixels.append(preprocess.normalise(augmentation(square, preprocess.size, rng)))
        return np.stack(pixels)

    store: Any = None
    device = next(stages.front.parameters()).device
    per_batch = max(1, 32 // views)
    batches = [range(start, min(start + per_batch, len(rows))) for start in range(0, len(rows), per_batch)]
    with ThreadPoolExecutor(1) as pool:  # prepares the next batch while the tower computes this one
        following = pool.submit(lambda batch: [prepare(index) for index in batch], batches[0])
        for number, batch in enumerate(tqdm(batches, desc="activations", mininterval=10)):
            pixels = np.concatenate(following.result())
            if number + 1 < len(batches):
                following = pool.submit(
                    lambda batch: [prepare(index) for index in batch], batches[number + 1]
                )
            out = stages.activations(torch.from_numpy(pixels).to(device)).cpu().half().contiguous().numpy()
            if store is None:
                shape = (len(rows), views, *out.shape[1:])
                store = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
            store[batch.start : batch.stop] = out.reshape(len(batch), views, *out.shape[1:])
    store.flush()


def _key(
    rows: Sequence[ManifestRow],
    stages: ImageStages,
    preprocess: Preprocess,
    augmentation: Augmentation,
    views: int,
    seed: int,
) -> str:
    digest = hashlib.sha256()
    settings = [
        preprocess.to_dict(),
        asdict(augmentation) if views > 1 else None,
        views,
        seed if views > 1 else None,
    ]
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for row in rows:
        status = row.image.stat()
        digest.update(f"{row.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    for name, tensor in stages.front.state_dict().items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()[:16]
