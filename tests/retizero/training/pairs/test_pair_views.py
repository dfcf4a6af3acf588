"""Views are drawn of photographs that are read no larger than the views need."""

import numpy as np
import pytest

from retizero.data import Preprocess
from retizero.training.augment import Augmentation
from retizero.training.pairs.pair import Pair
from retizero.training.pairs.views import Views


class Camera:
    """A picture that remembers how large it had to be."""

    name = "picture"

    def read(self, least=None):
        self.least = least
        return np.full((96, 96, 3), 120, np.uint8)


@pytest.mark.parametrize(
    ("crop", "augmentation", "least"),
    [
        ("squash", Augmentation(min_scale=0.5), 32),
        (
            "field",
            Augmentation(min_scale=0.5),
            128,
        ),  # the crop may be half of a field that is half the picture
        ("field", None, None),
    ],
)
def test_photographs_are_read_with_the_pixels_that_views_need(crop, augmentation, least):
    camera = Camera()
    views = Views([Pair(camera, ("said",), (), "train", "Row 1")], Preprocess(32, crop=crop), augmentation)
    pixels, _ = views.draw(0, np.random.default_rng(0))
    assert camera.least == least
    assert pixels.shape == (3, 32, 32)
