"""Preprocessing is deterministic, antialiased, and travels as plain values."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as reference

from retizero.data import Preprocess


def picture(height=300, width=400):
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_squash_agrees_with_torchvision():
    image = picture()
    preprocess = Preprocess(size=96, crop="squash", mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    resized = reference.resize(tensor, [96, 96], antialias=True).float() / 255
    expected = reference.normalize(resized, [0.5, 0.4, 0.3], [0.2, 0.25, 0.3]).numpy()
    actual = preprocess(image)
    assert actual.dtype == np.float32
    assert actual.shape == (3, 96, 96)
    assert np.abs(actual - expected).max() < 0.03  # one grey level of rounding between the two resizers


def test_shrinking_is_antialiased():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    resized = Preprocess(size=64, crop="squash").resize(stripes)
    assert np.abs(resized[:, 1:-1].astype(int) - 127).max() <= 2


def test_the_same_picture_gives_the_same_numbers():
    image = picture()
    np.testing.assert_array_equal(Preprocess()(image), Preprocess()(image.copy()))


def test_it_survives_the_way_through_plain_values():
    preprocess = Preprocess(
        size=128, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), crop="squash", interpolation="bicubic"
    )
    assert Preprocess.from_dict(preprocess.to_dict()) == preprocess


@pytest.mark.parametrize(
    "values",
    [{"size": 0}, {"crop": "middle"}, {"interpolation": "nearest"}, {"std": (0, 1, 1)}, {"colour": "x"}],
)
def test_impossible_values_are_refused(values):
    with pytest.raises(ValueError, match="Preprocess"):
        Preprocess.from_dict(values)
