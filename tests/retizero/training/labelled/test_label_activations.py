"""Random views and cached activations of the frozen stages."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from timm import create_model
from torch import nn

from retizero import phantom
from retizero.data import ManifestRow, Preprocess
from retizero.model.errors import ModelError
from retizero.model.image_stages import ImageStages
from retizero.training.augment import Augmentation
from retizero.training.labelled import activations
from retizero.training.labelled.activations import Activations


def square(seed=0):
    return phantom.render(phantom.LABELS[0], seed, size=120)


def test_a_view_is_decided_by_its_seed():
    view = [Augmentation()(square(), 64, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert view[0].shape == (64, 64, 3)
    assert np.array_equal(view[0], view[1])
    assert not np.array_equal(view[0], view[2])


def test_without_freedom_a_view_is_the_photograph_or_its_mirror_image():
    still = Augmentation(min_scale=1, rotation=0, gain=0, gamma=0, contrast=0)
    plain = np.asarray(Image.fromarray(square()).resize((120, 120)))
    gaps = [
        np.abs(still(square(), 120, np.random.default_rng(n)).astype(int) - plain).mean() for n in range(8)
    ]
    mirrored = [
        np.abs(still(square(), 120, np.random.default_rng(n)).astype(int) - plain[:, ::-1]).mean()
        for n in range(8)
    ]
    assert all(min(pair) < 1 for pair in zip(gaps, mirrored, strict=True))
    assert min(gaps) < 1
    assert min(mirrored) < 1


def test_the_black_background_stays_black():
    for seed in range(5):
        view = Augmentation(min_scale=1, rotation=0)(
            np.zeros((50, 50, 3), np.uint8), 32, np.random.default_rng(seed)
        )
        assert view.max() == 0


class Visual(nn.Module):
    """An image tower in open_clip's shape: a trunk and a head."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.trunk = create_model("tf_efficientnet_lite0", num_classes=0).eval()
        self.head = nn.Linear(1280, 8)


@pytest.fixture(scope="module")
def visual():
    return Visual().eval()


def test_front_and_back_together_are_the_whole_tower(visual):
    pixels = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        whole = visual.head(visual.trunk(pixels))
        for frozen in (0, 4, 7):
            stages = ImageStages(visual, frozen)
            assert torch.allclose(stages.back(stages.front(pixels)), whole, atol=1e-5)


@pytest.mark.parametrize("frozen", [-1, 8])
def test_a_cut_outside_the_tower_is_refused(visual, frozen):
    with pytest.raises(ModelError, match="0 to 7"):
        ImageStages(visual, frozen)


def test_activations_are_computed_once_and_again_when_a_setting_changes(visual, tmp_path, monkeypatch):
    rows = []
    for number in range(3):
        path = tmp_path / f"{number}.png"
        Image.fromarray(square(number)).save(path)
        rows.append(ManifestRow(path, path.name, "drusen", ("drusen",), str(number), "", "train", number + 2))
    stages, preprocess = ImageStages(visual, 5), Preprocess(size=64)
    first = Activations(stages, preprocess, Augmentation(), 0, tmp_path / "cache").of(rows, 2)
    assert first.shape[:2] == (3, 2)
    plain = stages.activations(torch.from_numpy(preprocess(square(1)))[None]).half().numpy()
    assert np.abs(first[1, 0] - plain[0]).max() < 0.05 * np.abs(plain).max()
    other = Activations(stages, preprocess, Augmentation(), 1, tmp_path / "cache").of(rows, 2)
    assert np.array_equal(first[:, 0], other[:, 0])
    assert not np.array_equal(first[:, 1], other[:, 1])
    monkeypatch.setattr(activations, "read_image", lambda path: pytest.fail("computed again"))
    again = Activations(stages, preprocess, Augmentation(), 0, tmp_path / "cache").of(rows, 2)
    assert np.array_equal(first, again)
    assert sorted(path.suffix for path in Path(tmp_path / "cache").iterdir()) == [".npy", ".npy"]
