"""What a step takes: a view of each photograph, and a prompt that speaks of one of its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from retizero.data import Preprocess
from retizero.training.augment import Augmentation
from retizero.training.running.state import seeded

_FURTHER = 0.3  # how often a caption speaks of a further label, where there is one


class Views(Protocol):
    """Where views of photographs come from."""

    def __len__(self) -> int:
        """Number of photographs."""

    def draw(self, index: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Draw a view, (C, H, W): pixels or activations of the frozen stages."""


@dataclass(frozen=True)
class KeptViews:
    """One of the kept views of each photograph, mirrored half of the time.

    Attributes:
        activations: (N, V, C, H, W) float16, view 0 the plain photograph.
    """

    activations: NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.activations)

    def draw(self, index: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """See ``Views``; (C, H, W) activations."""
        kept = self.activations[index, rng.integers(self.activations.shape[1])]
        return np.asarray(kept[..., ::-1] if rng.random() < 0.5 else kept, np.float32)


@dataclass(frozen=True)
class FreshViews:
    """A new view at every draw.

    Attributes:
        squares: (N, S, S, 3) uint8, large enough for the smallest crop.
        augmentation: How far views differ.
        preprocess: Size and normalisation of views.
    """

    squares: NDArray[np.uint8]
    augmentation: Augmentation
    preprocess: Preprocess

    def __len__(self) -> int:
        return len(self.squares)

    def draw(self, index: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """See ``Views``; (3, S, S) pixels, normalised."""
        view = self.augmentation(np.asarray(self.squares[index]), self.preprocess.size, rng)
        return self.preprocess.normalise(view)


@dataclass(frozen=True)
class Batch:
    """Photographs of one step.

    Attributes:
        views: (N, C, H, W) float32, pixels or activations.
        rows: (N,) which photographs.
        spoken: (N,) label that each one's caption speaks of.
        captions: (N,) which prompt that is.
    """

    views: Tensor
    rows: Tensor
    spoken: Tensor
    captions: Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        tensors = (self.views, self.rows, self.spoken, self.captions)
        return Batch(*(each.to(device, non_blocking=True) for each in tensors))


Example = tuple[NDArray[np.float32], int, int, int]


class LabelExamples(Dataset[Example]):
    """View and caption depend on seed, epoch and place in the epoch alone.

    Args:
        views: Of N photographs.
        labels: (N, K) 0/1, every label of a photograph.
        primary: (N,) index of the primary label.
        owner: (P,) disease that a prompt speaks of.
        seed: Of the run.
    """

    def __init__(
        self,
        views: Views,
        labels: NDArray[np.float32],
        primary: NDArray[np.int64],
        owner: NDArray[np.int64],
        seed: int,
    ) -> None:
        self._views, self._labels, self._primary, self._seed = views, labels, primary, seed
        self._prompts = [np.flatnonzero(owner == label) for label in range(labels.shape[1])]

    def __len__(self) -> int:
        return len(self._views)

    def __getitem__(self, place: tuple[int, int, int]) -> Example:
        """Return one example of (epoch, place in the epoch, photograph)."""
        epoch, at, index = place
        rng = seeded(self._seed, epoch, at)
        view = self._views.draw(index, rng)
        spoken = int(self._primary[index])
        shown = np.flatnonzero(self._labels[index])
        if len(shown) > 1 and rng.random() < _FURTHER:
            spoken = int(rng.choice(shown))
        return view, index, spoken, int(rng.choice(self._prompts[spoken]))


def collated(examples: Sequence[Example]) -> Batch:
    """Make a batch of examples."""
    views, *numbers = zip(*examples, strict=True)
    return Batch(torch.from_numpy(np.stack(views)), *(torch.tensor(each) for each in numbers))


def drawing_weights(kind: NDArray[np.int64], balance: float) -> NDArray[np.float64]:
    """Weight of each photograph, ``count(its kind) ** -balance``, (N,)."""
    return np.asarray(np.bincount(kind)[kind].astype(np.float64) ** -balance)
