"""What a tower sees of a photograph can be laid back over it."""

import numpy as np
import pytest
from PIL import Image

from retizero.data.framing import FRAMINGS, framed, unframed

SIZE = 60


def eye(x, y, height=200, width=300):
    """A bright disc on black with a white spot at (x, y)."""
    rows, columns = np.mgrid[:height, :width]
    image = np.zeros((height, width, 3), np.uint8)
    image[np.hypot(columns - 150, rows - 100) <= 95] = (150, 80, 40)
    image[np.hypot(columns - x, rows - y) <= 6] = 255
    return image


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(("x", "y"), [(120, 60), (190, 130)])
def test_a_spot_is_found_again_where_it_was(framing, x, y):
    image = eye(x, y)
    square = framed(image, SIZE, framing, Image.Resampling.BILINEAR)
    assert square.shape == (SIZE, SIZE, 3)
    back = unframed(square[:, :, 2].astype(np.float32), image, framing)
    assert back.shape == image.shape[:2]
    row, column = np.unravel_index(back.argmax(), back.shape)
    assert np.hypot(column - x, row - y) <= 8


def test_what_a_tower_does_not_see_has_no_value():
    image = eye(150, 100)
    seen = unframed(np.ones((4, 4), np.float32), image, "shortest")
    assert seen[:, 60:240].min() == 1
    assert seen[:, :45].max() == seen[:, 255:].max() == 0


def test_a_picture_is_scaled_to_the_upper_left_corner_of_a_black_canvas():
    square = framed(np.full((50, 100, 3), 200, np.uint8), SIZE, "corner", Image.Resampling.BILINEAR)
    assert square[:30].min() == 200
    assert square[30:].max() == 0
