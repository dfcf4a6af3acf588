"""Random views of a photograph: geometry and colour, in 0..1 before normalising, seeded per view."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, ConfigDict

_DARKEST = 0.03 * 255  # below it in every channel lies what the camera did not see


@dataclass(frozen=True)
class Augmentation:
    """How far a view may differ from the photograph.

    Attributes:
        min_scale: Smallest side of the random crop, as a fraction of the field of view.
        rotation: Largest rotation, degrees.
        gain: Largest relative change of a colour channel; unlearns the camera's white balance.
        gamma: Largest change of the exponent of brightness, as a factor's logarithm.
        contrast: Largest relative change of contrast.
        frame: Chance that a view gets the frame of another camera: a smaller circle, cut at top and bottom.

    Raises:
        ValueError: A number lies outside its range.
    """

    __pydantic_config__ = ConfigDict(strict=False)  # strict settings take it by the names of its numbers

    min_scale: float = 0.75
    rotation: float = 20.0
    gain: float = 0.2
    gamma: float = 0.25
    contrast: float = 0.2
    frame: float = 0.0

    def __post_init__(self) -> None:
        ranges = {
            "min_scale must be above 0 and at most 1": 0 < self.min_scale <= 1,
            "rotation must be from 0 to 180 degrees": 0 <= self.rotation <= 180,
            "gain must be at least 0 and below 1": 0 <= self.gain < 1,
            "gamma must be from 0 to 5": 0 <= self.gamma <= 5,
            "contrast must be at least 0 and below 1": 0 <= self.contrast < 1,
            "frame must be from 0 to 1": 0 <= self.frame <= 1,
        }
        for sentence, kept in ranges.items():
            if not kept:
                raise ValueError(sentence)

    def __call__(self, square: NDArray[np.uint8], size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Draw one view: (S, S, 3) uint8 square to (size, size, 3) uint8."""
        side = square.shape[0]
        scale = rng.uniform(self.min_scale, 1.0)
        slack = (1 - scale) * side / 2
        angle = math.radians(rng.uniform(-self.rotation, self.rotation))
        mirror = -1.0 if rng.random() < 0.5 else 1.0
        middle = side / 2 + rng.uniform(-slack, slack, 2)
        zoom = scale * side / size
        turn = zoom * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        turn = turn @ np.diag([mirror, 1.0])
        # Pixel numbers are those of pixel centres, half a pixel from the edges that sizes measure.
        shift = middle - 0.5 * max(zoom, 1.0) - turn @ np.array([size / 2 - 0.5, size / 2 - 0.5])
        matrix = np.column_stack([turn, shift])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        view = cv2.warpAffine(_shrunk(square, zoom), _scaled(matrix, zoom), (size, size), flags=flags)
        red, green, blue = channels = cv2.split(view)
        background = np.maximum(np.maximum(red, green), blue) < _DARKEST
        # Brightness, colour and contrast change each of the 256 values alike: worked out once for all pixels.
        levels = (np.arange(256) / 255) ** math.exp(rng.uniform(-self.gamma, self.gamma))
        light = levels[:, None] * (1 + rng.uniform(-self.gain, self.gain, 3))
        counts = np.stack([np.bincount(each.ravel(), minlength=256) for each in channels], axis=1)
        mean = (counts * light).sum() / view.size
        light = (light - mean) * (1 + rng.uniform(-self.contrast, self.contrast)) + mean
        if self.frame and rng.random() < self.frame:
            background |= _outside_frame(size, rng.uniform(0.86, 1.0), rng.uniform(0.66, 1.0))
        table = (light.clip(0, 1) * 255 + 0.5).astype(np.uint8)
        changed = np.asarray(cv2.LUT(view, table[:, None, :]), np.uint8)
        changed[background] = 0
        return changed


def _only_known(values: object) -> object:
    names = {each.name for each in fields(Augmentation)}
    if isinstance(values, dict) and (unknown := sorted(set(map(str, values)) - names)):
        raise ValueError(f"there is no {unknown[0]}; it takes {', '.join(sorted(names))}")
    return values


AugmentationSettings = Annotated[Augmentation, BeforeValidator(_only_known)]
"""An augmentation as a field of settings, which name one that it does not have."""


def _outside_frame(size: int, diameter: float, height: float) -> NDArray[np.bool_]:
    """What a round field cut at top and bottom does not show, (size, size); lengths as shares of ``size``."""
    away = np.abs(np.arange(size) - (size - 1) / 2) * 2 / size
    outside = (away[:, None] ** 2 + away[None, :] ** 2 > diameter**2) | (away[:, None] > height)
    return np.asarray(outside, np.bool_)


def _shrunk(square: NDArray[np.uint8], zoom: float) -> NDArray[np.uint8]:
    """Scale down with area averaging first, so that the warp does not alias."""
    if zoom <= 1:
        return square
    side = max(1, round(square.shape[0] / zoom))
    return np.asarray(cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _scaled(matrix: NDArray[np.float64], zoom: float) -> NDArray[np.float64]:
    return matrix / max(zoom, 1.0)
