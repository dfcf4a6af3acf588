"""The photographs of a run: what is trained on, what chooses, what is tested on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retizero.data import Preprocess, read_manifest
from retizero.model.image_classifier import Classes
from retizero.training.domains import Part, divide, notes
from retizero.training.errors import ConfigError
from retizero.training.finetuning.recipe import FinetuneRecipe
from retizero.training.row_problems import tell_problems, without_repeats
from retizero.training.squares import cached_squares

ROOM = 1.25  # training squares are so much larger than the input, for views that cut out a part


@dataclass(frozen=True)
class Side:
    """Photographs of one side that can be read.

    Attributes:
        part: N rows with their labels.
        squares: (N, S, S, 3) uint8.
    """

    part: Part
    squares: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.part.rows)


@dataclass(frozen=True)
class Sides:
    """The classes and the three sides; ``choose`` and ``test`` may be empty."""

    classes: Classes
    learn: Side
    choose: Side
    test: Side


def read_sides(
    recipe: FinetuneRecipe, preprocess: Preprocess, strict: bool, tell: Callable[[str], None]
) -> Sides:
    """Read the manifest, tell what cannot be used, and crop the photographs of each side.

    Raises:
        ValueError: The manifest cannot be used, or with ``strict`` one of its rows.
    """
    manifest = without_repeats(read_manifest(recipe.manifest))
    partition = divide(manifest, recipe.domain, tested=False)
    for note in notes([(recipe.domain, partition)]):
        tell(note)
    if not partition.test.rows:
        tell("There are no rows to test on: the classifier will be written without a table of results.")
    size = round(preprocess.size * ROOM) if recipe.augmentation is not None else preprocess.size
    problems: list[str] = list(manifest.problems)
    learn = _readable(partition.train, replace(preprocess, size=size), recipe.cache, problems)
    choose = _readable(partition.val, preprocess, recipe.cache, problems)
    test = _readable(partition.test, preprocess, recipe.cache, problems)
    tell_problems(problems, strict, tell)
    if not len(learn):
        raise ConfigError("None of the photographs to train on can be read.")
    if partition.test.rows and not len(test):
        raise ConfigError("None of the photographs to test on can be read.")
    if not len(choose) and recipe.validation.patience is not None:
        raise ConfigError("validation.patience needs rows to validate on; there are none.")
    return Sides(Classes(partition.labels.ids, partition.labels.names), learn, choose, test)


def _readable(part: Part, preprocess: Preprocess, cache: Path, problems: list[str]) -> Side:
    if not part.rows:
        return Side(part, np.zeros((0, preprocess.size, preprocess.size, 3), np.uint8))
    squares = cached_squares(part.rows, preprocess, cache)
    problems += squares.problems.values()
    if not squares.problems:
        return Side(part, squares.pixels)
    kept = [place for place in range(len(part.rows)) if place not in squares.problems]
    rows = tuple(part.rows[place] for place in kept)
    return Side(Part(rows, part.truth[kept], part.primary[kept], part.left_out), squares.pixels[kept])
