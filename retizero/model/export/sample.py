"""The photographs and labels on which an export must agree with its model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retizero import phantom
from retizero.data import ImageReadError, read_image
from retizero.knowledge import label_set, prompts
from retizero.model.dual_encoder import DualEncoder
from retizero.model.errors import ModelError

LABELS = "broad52"
MOST = 64  # photographs of a manifest, spread evenly over it
_SEED, _SIDE = 5, 384


@dataclass(frozen=True)
class Sample:
    """What the agreement is measured on.

    Attributes:
        pixels: (N, 3, S, S) float32, preprocessed.
        prompts: One per candidate label.
        words: What the photographs are.
    """

    pixels: NDArray[np.float32]
    prompts: tuple[str, ...]
    words: str


def phantom_sample(model: DualEncoder, labels: Sequence[str] = phantom.LABELS, size: int = _SIDE) -> Sample:
    """One synthetic photograph of each diagnosis, of ``size`` pixels."""
    images = [phantom.render(label, _SEED, size=size) for label in labels]
    return _sample(model, images, f"{len(images)} phantoms, seed {_SEED}")


def photograph_sample(model: DualEncoder, paths: Sequence[Path], source: str) -> Sample:
    """Photographs of the user's, at most ``MOST`` of them.

    Raises:
        ModelError: There is none, or one cannot be read.
    """
    if not paths:
        raise ModelError(f"{source} holds no photographs to compare on.")
    chosen = [paths[index] for index in np.unique(np.linspace(0, len(paths) - 1, MOST).round().astype(int))]
    try:
        images = [read_image(path) for path in chosen]
    except ImageReadError as error:
        raise ModelError(str(error)) from error
    return _sample(model, images, f"{len(images)} photographs of {source}")


def _sample(model: DualEncoder, images: Sequence[NDArray[np.uint8]], words: str) -> Sample:
    labels = label_set(LABELS)
    asked = [
        prompts(each, "template", model.identity.template, name=name)[0]
        for each, name in zip(labels.ids, labels.names, strict=True)
    ]
    return Sample(np.stack([model.preprocess(image) for image in images]), tuple(asked), words)
