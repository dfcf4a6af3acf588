"""What tells a colour fundus photograph from other pictures, in a handful of numbers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from retizero.data import FieldOfView, field_of_view

_SIDE = 256
NAMES = (
    "red_share", "green_share", "hue_spread", "saturation", "brightness", "illumination_spread",
    "fine_detail", "edge_density", "grey_levels", "roundness_gap", "outside_brightness",
)  # fmt: skip


@dataclass(frozen=True)
class Appearance:
    """Measurements of one picture.

    Attributes:
        numbers: (11,) float64 in the order of ``NAMES``; skewed ones on a logarithmic or root scale.
        field_found: Whether the round field of view is seen.
        sharpness: Standard deviation of the Laplacian inside the field, of values in 0 to 1.
        brightness: Mean inside the field, 0 to 1.
        clipped: Fraction of the field that is black or saturated white.
    """

    numbers: NDArray[np.float64]
    field_found: bool
    sharpness: float
    brightness: float
    clipped: float


def measure(image: NDArray[np.uint8]) -> Appearance:
    """Measure (H, W, 3) uint8 RGB; works for any picture of at least one pixel."""
    height, width = image.shape[:2]
    scale = _SIDE / max(height, width)
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)
    field = field_of_view(small)
    inside = _inside(field, small.shape[:2])
    light = small.astype(np.float32) / 255
    grey = light.mean(axis=2)
    pixels = light[inside]
    total = pixels.sum(axis=1) + 1e-3
    shares = pixels / total[:, None]
    chroma = pixels.max(axis=1) - pixels.min(axis=1)
    broad = cv2.GaussianBlur(grey, (0, 0), 20)
    fine = np.abs(grey - cv2.GaussianBlur(grey, (0, 0), 1.5))
    gradient = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    laplacian = cv2.Laplacian(grey, cv2.CV_32F)
    histogram = np.bincount((grey[inside] * 63).astype(int), minlength=64) / inside.sum()
    outside = grey[~_inside(field, small.shape[:2], margin=1.06)]
    numbers = (
        float(shares[:, 0].mean()),
        float(shares[:, 1].mean()),
        float(np.log(shares.std(axis=0).mean() + 0.003)),
        float((chroma / (pixels.max(axis=1) + 1e-3)).mean()),
        float(grey[inside].mean()),
        float(np.log(broad[inside].std() + 0.01)),
        float(np.log(fine[inside].mean() + 1e-4)),
        float(np.sqrt((gradient[inside] > 0.25).mean())),
        float(-(histogram * np.log(histogram + 1e-9)).sum()),
        min(0.4, float(abs(1 - 2 * field.radius / max(small.shape[:2])))),
        float(outside.mean()) if outside.size else 0.0,
    )
    return Appearance(
        np.array(numbers, np.float64),
        field_found=field.found,
        sharpness=float(laplacian[inside].std()),
        brightness=float(grey[inside].mean()),
        clipped=float(((grey[inside] < 0.03) | (grey[inside] > 0.97)).mean()),
    )


def _inside(field: FieldOfView, shape: tuple[int, ...], margin: float = 0.92) -> NDArray[np.bool_]:
    """Pixels within ``margin`` radii of the centre; everything when that leaves nothing."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    mask = np.hypot(columns - field.center_x, rows - field.center_y) <= margin * field.radius
    return np.asarray(mask if mask.any() else np.ones(shape, bool))
