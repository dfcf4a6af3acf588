"""Random views of a photograph."""

import math

import numpy as np
import pytest

from retizero.training.augment import Augmentation

STILL = {"min_scale": 1.0, "rotation": 0.0, "gain": 0.0, "gamma": 0.0, "contrast": 0.0}


def test_another_cameras_frame_blackens_corners_and_nothing_near_the_middle():
    white = np.full((200, 200, 3), 255, np.uint8)
    views = [Augmentation(**STILL, frame=1.0)(white, 100, np.random.default_rng(seed)) for seed in range(20)]
    assert all(not view[0, 0].any() and not view[-1, -1].any() for view in views)
    # the smallest frame has .86 of the diameter and .66 of the height
    assert all((view[34:66, 10:90] == 255).all() for view in views)
    assert len({view.any(axis=2).sum() for view in views}) > 10


def test_without_a_frame_the_corners_stay():
    white = np.full((200, 200, 3), 255, np.uint8)
    assert (Augmentation(**STILL)(white, 100, np.random.default_rng(0)) == 255).all()


def test_the_same_seed_draws_the_same_view():
    square = np.random.default_rng(1).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    draw = Augmentation(frame=0.5)
    one, two = (draw(square, 32, np.random.default_rng(7)) for _ in range(2))
    assert (one == two).all()


@pytest.mark.parametrize(
    ("name", "outside", "sentence"),
    [
        ("min_scale", [0, 1.1, math.nan], "above 0 and at most 1"),
        ("rotation", [-1, 181], "from 0 to 180 degrees"),
        ("gain", [-0.1, 1], "at least 0 and below 1"),
        ("gamma", [-0.1, 5.1, math.inf], "from 0 to 5"),
        ("contrast", [-0.1, 1], "at least 0 and below 1"),
        ("frame", [-0.1, 1.1], "from 0 to 1"),
    ],
)
def test_a_number_outside_its_range_is_refused_with_the_range(name, outside, sentence):
    for value in outside:
        with pytest.raises(ValueError, match=f"^{name} must be {sentence}$"):
            Augmentation(**{name: value})


def test_the_ends_of_the_ranges_make_views():
    square = np.full((16, 16, 3), 128, np.uint8)
    for ends in (STILL, {"min_scale": 0.1, "rotation": 180, "gain": 0.99, "gamma": 5, "frame": 1}):
        assert Augmentation(**ends)(square, 8, np.random.default_rng(0)).shape == (8, 8, 3)
