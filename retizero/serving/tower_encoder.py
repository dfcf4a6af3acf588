"""An image tower's own features, before any projection, as ``embed_rows`` and classifiers want them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from retizero.model.image_towers import ImageTower


class TowerEncoder:
    """Photographs to a tower's features.

    Args:
        tower: On the CPU.
    """

    def __init__(self, tower: ImageTower) -> None:
        self._tower = tower
        self._preprocess = tower.preprocess
        tower.features.to(memory_format=torch.channels_last)

    def embed_image(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """(H, W, 3) uint8 RGB photographs to (N, F) float32, the mean with the mirror image's where asked."""
        pixels = torch.from_numpy(np.stack([self._preprocess(image) for image in images]))
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            found = self._tower.features(pixels)
            if self._tower.identity.mirror:
                found = (found + self._tower.features(pixels.flip(-1))) / 2
        return np.asarray(found.numpy(), np.float32)
