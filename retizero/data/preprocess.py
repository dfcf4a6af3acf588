"""Turn a photograph into the tensor that an image tower takes. Travels with the weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retizero.data.framing import FRAMINGS, Framing, framed, unframed

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@dataclass(frozen=True)
class Preprocess:
    """Crop, resize with antialiasing, normalise. Deterministic.

    Attributes:
        size: Side of the square in pixels.
        mean: Per-channel mean, of values in 0 to 1.
        std: Per-channel standard deviation, of values in 0 to 1.
        crop: ``field`` cuts the square around the field of view; ``squash`` scales the whole picture to the
            square regardless of its shape, as the RetiZero release does; others see ``framing``.
        interpolation: ``bilinear`` or ``bicubic``.
    """

    size: int = 224
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    crop: Framing = "field"
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"Preprocess size must be at least 1 pixel, not {self.size}.")
        if self.crop not in FRAMINGS:
            raise ValueError(f"Preprocess crop must be one of {', '.join(FRAMINGS)}, not {self.crop!r}.")
        if self.interpolation not in _RESAMPLING:
            raise ValueError(
                f"Preprocess interpolation must be one of {', '.join(_RESAMPLING)}, "
                f"not {self.interpolation!r}."
            )
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise ValueError("Preprocess mean and std need three numbers each, and std above zero.")

    def resize(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Crop and resize without normalising: (H, W, 3) uint8 to (size, size, 3) uint8."""
        return framed(image, self.size, self.crop, _RESAMPLING[self.interpolation])

    def normalise(self, square: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Scale to 0..1 and normalise per channel: (S, S, 3) uint8 to (3, S, S) float32."""
        scale = (1.0 / (255.0 * np.asarray(self.std))).astype(np.float32)
        offset = (np.asarray(self.mean) / np.asarray(self.std)).astype(np.float32)
        values = np.arange(256, dtype=np.uint8) * scale[:, None] - offset[:, None]  # of each channel's levels
        planes = np.empty((3, *square.shape[:2]), np.float32)
        for plane, channel, levels in zip(planes, cv2.split(square), values, strict=True):
            cv2.LUT(channel, levels, dst=plane)
        return planes

    def lay_over(self, values: NDArray[np.float32], image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Lay values of the square that the tower sees over the photograph it was made from.

        Args:
            values: (G, G) float32, any resolution.
            image: (H, W, 3) uint8 RGB, the photograph.

        Returns:
            (H, W) float32, interpolated linearly; 0 where the tower sees nothing of the photograph.
        """
        return unframed(values, image, self.crop)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Turn (H, W, 3) uint8 RGB into (3, size, size) float32."""
        return self.normalise(self.resize(image))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        values = asdict(self)
        return {**values, "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocess:
        """Build from ``to_dict``'s values.

        Raises:
            ValueError: A key is unknown or a value is out of range.
        """
        known = cls.__dataclass_fields__.keys()
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"Preprocess does not know {', '.join(unknown)}; it takes {', '.join(known)}.")
        fields = dict(values)
        for name in ("mean", "std"):
            if name in fields:
                fields[name] = tuple(float(value) for value in fields[name])
        return cls(**fields)
