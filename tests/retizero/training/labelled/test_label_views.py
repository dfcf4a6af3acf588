"""Views of labelled photographs: kept ones and new ones."""

import numpy as np
import torch
from torch import nn

from retizero.data import Preprocess
from retizero.model.image_stages import ImageStages
from retizero.training.augment import Augmentation
from retizero.training.labelled.examples import FreshViews, KeptViews, LabelExamples, collated

SIDE, SIZE = 96, 64
STILL = Augmentation(min_scale=1.0, rotation=0.0, gain=0.0, gamma=0.0, contrast=0.0)


def fresh(augmentation=None):
    squares = np.random.default_rng(1).integers(60, 200, (3, SIDE, SIDE, 3), dtype=np.uint8)
    return FreshViews(squares, augmentation or Augmentation(), Preprocess(SIZE))


def drawn(views, places, seed=0):
    labels = np.ones((3, 1), np.float32)
    examples = LabelExamples(views, labels, np.zeros(3, np.int64), np.zeros(2, np.int64), seed)
    return collated([examples[place] for place in places]).views


def test_a_view_depends_on_seed_epoch_and_place_and_not_on_what_was_drawn_before():
    first = drawn(fresh(), [(1, 0, 2), (1, 1, 2)])
    assert first.shape == (2, 3, SIZE, SIZE)
    assert first.dtype == torch.float32
    assert not torch.equal(first[0], first[1])  # one photograph, two places
    assert torch.equal(drawn(fresh(), [(1, 1, 2)])[0], first[1])
    assert not torch.equal(drawn(fresh(), [(2, 1, 2)])[0], first[1])
    assert not torch.equal(drawn(fresh(), [(1, 1, 2)], seed=1)[0], first[1])


def test_new_views_are_those_of_the_augmentation():
    rng = np.random.default_rng
    expected = Preprocess(SIZE).normalise(STILL(fresh().squares[2], SIZE, rng(5)))
    assert np.array_equal(fresh(STILL).draw(2, rng(5)), expected)


def test_kept_views_are_drawn_evenly_and_mirrored_half_of_the_time():
    activations = np.arange(2 * 3 * 2).reshape(2, 3, 1, 1, 2).astype(np.float16)
    rng = np.random.default_rng(0)
    seen = [tuple(KeptViews(activations).draw(1, rng).ravel()) for _ in range(1200)]
    expected = {pair for low in (6, 8, 10) for pair in ((low, low + 1), (low + 1, low))}
    assert set(seen) == expected
    assert all(abs(seen.count(each) - 200) < 60 for each in expected)


def test_the_real_stages_take_new_views():
    class Visual(nn.Module):
        def __init__(self):
            super().__init__()
            from timm import create_model

            self.trunk = create_model("tf_efficientnet_lite0", num_classes=0)
            self.head = nn.Linear(1280, 8)

    stages = ImageStages(Visual(), 1)
    batch = stages.activations(drawn(fresh(), [(1, 0, 0), (1, 1, 1)]))
    assert not batch.requires_grad
    assert stages.back(batch.float()).shape == (2, 8)
