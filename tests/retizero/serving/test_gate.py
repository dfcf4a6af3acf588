"""The gate before any answer."""

import cv2
import numpy as np
import pytest
from skimage import data

from retizero import phantom
from retizero.data import read_image, read_manifest
from retizero.serving.gate import judge

LABELS = phantom.LABELS[::4]


@pytest.mark.parametrize("label", LABELS)
def test_phantoms_pass(label):
    gate = judge(phantom.render(label, 11, size=256))
    assert gate.is_fundus
    assert 0 <= gate.quality <= 1


@pytest.mark.parametrize(
    "name", ["astronaut", "brick", "camera", "chelsea", "coins", "page", "text", "moon", "grass", "rocket"]
)
def test_other_pictures_are_refused(name):
    image = getattr(data, name)()
    gate = judge(image if image.ndim == 3 else np.repeat(image[:, :, None], 3, 2))
    assert (gate.is_fundus, gate.quality, gate.reason) == (False, 0.0, "not_fundus")


@pytest.mark.parametrize("size", [(8, 8), (1, 1), (5, 900), (300, 300)])
@pytest.mark.parametrize("kind", ["black", "white", "noise"])
def test_odd_pictures_are_refused_and_never_raise(size, kind):
    rng = np.random.default_rng(0)
    picture = {
        "black": np.zeros((*size, 3), np.uint8),
        "white": np.full((*size, 3), 255, np.uint8),
        "noise": rng.integers(0, 256, (*size, 3), dtype=np.uint8),
    }[kind]
    assert not judge(picture).is_fundus


def test_a_blurred_photograph_has_less_quality_than_a_sharp_one():
    sharp = phantom.render(LABELS[0], 3, size=512)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 12)
    assert judge(blurred).quality < judge(sharp).quality


def test_real_photographs_pass(shared):
    rows = read_manifest(shared / "fundus" / "metadata.csv").where("test").rows[::40]
    passed = [judge(read_image(row.image)).is_fundus for row in rows]
    assert np.mean(passed) >= 0.9
