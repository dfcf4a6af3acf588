"""From pairs to batches: a view of each photograph, one of its captions as token ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.utils.data import Dataset

from retizero.data import Preprocess
from retizero.training.augment import Augmentation
from retizero.training.pairs.pair import Pair, said
from retizero.training.pairs.views import Views
from retizero.training.running.state import seeded


@dataclass(frozen=True)
class Batch:
    """Pairs of one step and process.

    Attributes:
        pixels: (N, 3, S, S) float32, normalised.
        ids: (N, L) token ids, padded with zeros.
        mask: (N, L), 1 at tokens.
        keys: (N,) int64, equal where pairs say the same.
    """

    pixels: Tensor
    ids: Tensor
    mask: Tensor
    keys: Tensor

    def __len__(self) -> int:
        return len(self.keys)

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        moved = (each.to(device, non_blocking=True) for each in (self.pixels, self.ids, self.mask, self.keys))
        return Batch(*moved)

    def split(self, most: int) -> list[Batch]:
        """Cut into parts of at most ``most`` pairs, padding beyond a part's longest caption cut off."""
        parts = []
        for start in range(0, len(self), most):
            rows = slice(start, start + most)
            longest = int(self.mask[rows].sum(dim=1).max())
            parts.append(
                Batch(self.pixels[rows], self.ids[rows, :longest], self.mask[rows, :longest], self.keys[rows])
            )
        return parts


Example = tuple[NDArray[np.float32], list[int], int]


class PairExamples(Dataset[Example]):
    """Pairs as the towers take them; view and caption depend on seed, epoch and place in the epoch alone.

    Args:
        pairs: At least one.
        preprocess: Of the model.
        augmentation: Of the views; None for plain photographs.
        tokenizer: Without padding and truncation.
        context_length: Longest caption in tokens.
        same: ``caption`` or ``label``: what makes two pairs say the same.
        seed: Of the run.
    """

    def __init__(
        self,
        pairs: Sequence[Pair],
        preprocess: Preprocess,
        augmentation: Augmentation | None,
        tokenizer: Tokenizer,
        context_length: int,
        same: str,
        seed: int,
    ) -> None:
        self._views = Views(pairs, preprocess, augmentation)
        self._tokenizer, self._context_length = tokenizer, context_length
        self._same, self._seed = same, seed

    def __len__(self) -> int:
        return len(self._views)

    def __getitem__(self, place: tuple[int, int, int]) -> Example:
        """Return one example of (epoch, place in the epoch, pair)."""
        epoch, at, index = place
        rng = seeded(self._seed, epoch, at)
        pixels, pair = self._views.draw(index, rng)
        caption = pair.captions[int(rng.integers(len(pair.captions)))]
        key = said(pair.labels) if self._same == "label" and pair.labels else said((caption,))
        return pixels, self.tokens(caption), key

    def tokens(self, caption: str) -> list[int]:
        """Token ids of a caption, cut to the longest that the tower reads; the separator stays."""
        ids: list[int] = self._tokenizer.encode(caption).ids
        most = self._context_length
        return ids if len(ids) <= most else [*ids[: most - 1], ids[-1]]


def collated(examples: Sequence[Example]) -> Batch:
    """Make a batch of examples, captions padded to the longest."""
    pixels = torch.from_numpy(np.stack([example[0] for example in examples]))
    ids, mask = padded([example[1] for example in examples])
    return Batch(pixels, ids, mask, torch.tensor([example[2] for example in examples]))


def padded(tokens: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Pad token ids with zeros: ids and mask, (N, L) int64 each."""
    longest = max(len(each) for each in tokens)
    ids = torch.zeros((len(tokens), longest), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, numbers in enumerate(tokens):
        ids[row, : len(numbers)] = torch.tensor(numbers)
        mask[row, : len(numbers)] = 1
    return ids, mask


def balancing_weights(pairs: Sequence[Pair]) -> NDArray[np.float64]:
    """Chances of being drawn, (N,): ``count ** -0.5`` of what a pair says first."""
    kinds = [said(pair.labels[:1] or pair.captions[:1]) for pair in pairs]
    _, inverse, counts = np.unique(kinds, return_inverse=True, return_counts=True)
    return counts[inverse].astype(np.float64) ** -0.5
