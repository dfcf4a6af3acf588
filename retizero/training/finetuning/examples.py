"""What a step takes: a view of each photograph and its class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from retizero.data import Preprocess
from retizero.training.augment import Augmentation
from retizero.training.running.state import seeded

Example = tuple[NDArray[np.float32], int]


class LabelledViews(Dataset[Example]):
    """Views that depend on seed, epoch and place in the epoch alone.

    Args:
        squares: (N, S, S, 3) uint8.
        classes: (N,) class of each.
        preprocess: Of the model; its size is the input's.
        augmentation: Of the views; None for plain photographs.
        seed: Of the run.
    """

    def __init__(
        self,
        squares: NDArray[np.uint8],
        classes: NDArray[np.int64],
        preprocess: Preprocess,
        augmentation: Augmentation | None,
        seed: int,
    ) -> None:
        self._squares, self._classes = squares, classes
        self._preprocess, self._augmentation, self._seed = preprocess, augmentation, seed

    def __len__(self) -> int:
        return len(self._classes)

    def __getitem__(self, place: tuple[int, int, int]) -> Example:
        """Return one example of (epoch, place in the epoch, photograph)."""
        epoch, at, index = place
        square = np.asarray(self._squares[index])
        if self._augmentation is not None:
            square = self._augmentation(square, self._preprocess.size, seeded(self._seed, epoch, at))
        return self._preprocess.normalise(square), int(self._classes[index])


def collated(examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """Make a batch: pixels (N, 3, S, S) and classes (N,)."""
    pixels = torch.from_numpy(np.stack([pixels for pixels, _ in examples]))
    return pixels.contiguous(memory_format=torch.channels_last), torch.tensor([k for _, k in examples])
