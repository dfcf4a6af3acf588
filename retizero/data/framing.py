"""How a photograph becomes the square that an image tower takes, and back.

``field`` and ``squash`` are ours and the RetiZero release's. ``shortest`` and ``longest`` are open_clip's
resize modes (scale the shorter side and cut the middle; scale the longer side and pad around). ``corner`` is
FLAIR's: scale the longer side and pad below and to the right.
"""

from __future__ import annotations

from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from retizero.data.field_of_view import Box, crop_to_field, field_box

Framing = Literal["field", "squash", "shortest", "longest", "corner"]
FRAMINGS: tuple[str, ...] = get_args(Framing)


def framed(
    image: NDArray[np.uint8], size: int, framing: Framing, resampling: Image.Resampling
) -> NDArray[np.uint8]:
    """Turn (H, W, 3) uint8 into (size, size, 3) uint8, antialiased; black where nothing of the picture is."""
    if framing == "field":
        image = crop_to_field(image)
    if framing in ("field", "squash"):
        return np.asarray(Image.fromarray(image).resize((size, size), resampling))
    height, width = image.shape[:2]
    side = min(height, width) if framing == "shortest" else max(height, width)
    scaled = (_scaled(width, size, side, framing), _scaled(height, size, side, framing))
    small = np.asarray(Image.fromarray(image).resize(scaled, resampling))
    if framing == "shortest":
        top, left = round((scaled[1] - size) / 2), round((scaled[0] - size) / 2)
        return np.ascontiguousarray(small[top : top + size, left : left + size])
    square = np.zeros((size, size, 3), np.uint8)
    top, left = ((size - scaled[1]) // 2, (size - scaled[0]) // 2) if framing == "longest" else (0, 0)
    square[top : top + scaled[1], left : left + scaled[0]] = small
    return square


def _scaled(length: int, size: int, side: int, framing: Framing) -> int:
    """Rounded as each model's own code does: open_clip rounds for ``longest``, torchvision and FLAIR cut."""
    exact = length * size / side
    return max(1, round(exact) if framing == "longest" else int(exact))


def unframed(values: NDArray[np.float32], image: NDArray[np.uint8], framing: Framing) -> NDArray[np.float32]:
    """Lay values of the square, (G, G) of any resolution, over the picture (H, W, 3) it was made from.

    Returns:
        (H, W) float32, interpolated linearly; 0 where the square shows nothing of the picture.
    """
    box = _box(image, framing)
    height, width = image.shape[:2]
    whole = np.zeros((height, width), np.float32)
    top, left = max(box.top, 0), max(box.left, 0)
    bottom, right = min(box.top + box.height, height), min(box.left + box.width, width)
    stretched = cv2.resize(values, (box.width, box.height), interpolation=cv2.INTER_LINEAR)
    rows, columns = slice(top - box.top, bottom - box.top), slice(left - box.left, right - box.left)
    whole[top:bottom, left:right] = stretched[rows, columns]
    return whole


def _box(image: NDArray[np.uint8], framing: Framing) -> Box:
    """The part of the picture that the square shows; it may reach beyond the picture."""
    height, width = image.shape[:2]
    if framing == "field":
        return field_box(image)
    if framing == "squash":
        return Box(0, 0, width, height)
    side = min(height, width) if framing == "shortest" else max(height, width)
    if framing == "corner":
        return Box(0, 0, side, side)
    return Box((width - side) // 2, (height - side) // 2, side, side)
