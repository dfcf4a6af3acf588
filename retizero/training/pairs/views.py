"""Views of photographs, as training draws them."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retizero.data import ImageReadError, Preprocess, crop_to_field
from retizero.training.augment import Augmentation
from retizero.training.pairs.pair import Pair


class Views:
    """Reads photographs and draws views of them.

    A photograph that has become unreadable is told once, and the next one takes its place.

    Args:
        pairs: Whose photographs.
        preprocess: Of the model.
        augmentation: How far views differ; None for plain photographs.
    """

    def __init__(
        self, pairs: Sequence[Pair], preprocess: Preprocess, augmentation: Augmentation | None
    ) -> None:
        self._pairs, self._preprocess, self._augmentation = pairs, preprocess, augmentation
        self._least = None if augmentation is None else _pixels_needed(preprocess, augmentation)
        self._told: set[int] = set()

    def __len__(self) -> int:
        return len(self._pairs)

    def draw(self, index: int, rng: np.random.Generator) -> tuple[NDArray[np.float32], Pair]:
        """Draw a view, (3, S, S) float32, normalised, and return whose it is.

        Raises:
            ImageReadError: None of the photographs can be read any more.
        """
        image, pair = self._read(index)
        prepare = self._preprocess
        if self._augmentation is None:
            return prepare(image), pair
        square = crop_to_field(image) if prepare.crop == "field" else prepare.resize(image)
        return prepare.normalise(self._augmentation(square, prepare.size, rng)), pair

    def _read(self, index: int) -> tuple[NDArray[np.uint8], Pair]:
        for further in range(len(self._pairs)):
            chosen = (index + further) % len(self._pairs)
            pair = self._pairs[chosen]
            try:
                return pair.picture.read(self._least), pair
            except ImageReadError as error:
                if chosen not in self._told:
                    self._told.add(chosen)
                    print(f"{pair.place}: {error}", file=sys.stderr, flush=True)
        raise ImageReadError("None of the photographs can be read any more.")


def _pixels_needed(preprocess: Preprocess, augmentation: Augmentation) -> int:
    """Shortest side of a photograph that gives every view its pixels; a field of view may fill half of it."""
    if preprocess.crop != "field":
        return preprocess.size
    return 2 * math.ceil(preprocess.size / augmentation.min_scale)
