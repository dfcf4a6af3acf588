"""Draw an evidence map over its photograph: colours that every reader can tell apart, and an outline."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

OUTLINE = 0.5  # of the largest evidence
# Viridis: lightness rises with the value, so that it reads the same with any colour blindness and in grey.
_COLOURS = cv2.COLORMAP_VIRIDIS


def colours(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Colour of each value in 0..1: (...) to (..., 3) uint8 RGB."""
    levels = np.asarray(np.clip(values, 0, 1) * 255 + 0.5, np.uint8)
    painted = cv2.applyColorMap(levels.reshape(-1, 1), _COLOURS)[:, 0, ::-1]
    return np.ascontiguousarray(painted.reshape(*values.shape, 3))


def layer(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A map as a layer to put over its photograph: (H, W) in 0..1 to (H, W, 4) uint8 RGBA.

    What has no evidence is transparent; half of the largest evidence is outlined in white on black.
    """
    painted = np.dstack([colours(values), np.asarray(np.clip(values * 2, 0, 1) * 255, np.uint8)])
    inside = np.asarray(values >= OUTLINE, np.uint8)
    outlines, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    width = max(1, round(max(values.shape) / 400))
    cv2.drawContours(painted, outlines, -1, (0, 0, 0, 255), 3 * width, cv2.LINE_8)
    cv2.drawContours(painted, outlines, -1, (255, 255, 255, 255), width, cv2.LINE_8)
    return painted


def drawn_over(
    image: NDArray[np.uint8], values: NDArray[np.float32], opacity: float = 0.6
) -> NDArray[np.uint8]:
    """Draw a map (H, W) over its photograph (H, W, 3) uint8 RGB: (H, W, 3) uint8."""
    top = layer(values).astype(np.float32)
    share = opacity * top[:, :, 3:] / 255
    return np.asarray(image * (1 - share) + top[:, :, :3] * share + 0.5, np.uint8)


def png(picture: NDArray[np.uint8]) -> bytes:
    """Encode (H, W), (H, W, 3) or (H, W, 4) uint8 as PNG without metadata."""
    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=4)
    return file.getvalue()
