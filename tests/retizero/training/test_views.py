"""Views drawn anew at every step."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from retizero.data import ImageReadError, ManifestRow, Preprocess
from retizero.training import views
from retizero.training.augment import Augmentation
from retizero.training.views import FreshViews, kept_squares

SIDE, SIZE = 96, 64
ORDER = np.array([[0, 2, 1], [1, 1, 0]])


class Doubling:
    """A frozen front that doubles pixels."""

    def activations(self, pixels):
        return (2 * pixels).to(torch.bfloat16)


class Broken:
    """A front whose first call fails."""

    def __init__(self):
        self.calls = 0

    def activations(self, pixels):
        self.calls += 1
        if self.calls == 1:
            raise RuntimeError("out of memory")
        return pixels


def fresh(stages=None, seed=0, augmentation=None):
    squares = np.random.default_rng(1).integers(60, 200, (3, SIDE, SIDE, 3), dtype=np.uint8)
    return FreshViews(
        squares, augmentation or Augmentation(), Preprocess(SIZE), stages or Doubling(), seed
    ), squares


def drawn(source, epoch, step):
    rng = np.random.default_rng(0)
    batch = source.batch(ORDER, epoch, step, rng)
    assert rng.random() == np.random.default_rng(0).random()  # nothing was taken from the run's own draws
    return batch


def test_a_view_depends_on_seed_epoch_step_and_place_and_not_on_what_was_drawn_before():
    source, _ = fresh()
    first, second = drawn(source, 1, 0), drawn(source, 1, 1)  # the second was drawn ahead
    assert first.shape == (3, 3, SIZE, SIZE)
    assert first.dtype == torch.float32
    assert torch.equal(drawn(fresh()[0], 1, 1), second)
    assert torch.equal(drawn(source, 1, 0), first)
    assert not torch.equal(drawn(source, 2, 0), first)
    assert not torch.equal(drawn(fresh(seed=1)[0], 1, 0), first)
    assert not torch.equal(second[0], second[1])  # one photograph, two places


def test_views_are_those_of_the_augmentation_run_through_the_frozen_front():
    still = Augmentation(min_scale=1.0, rotation=0.0, gain=0.0, gamma=0.0, contrast=0.0)
    source, squares = fresh(augmentation=still)
    expected = still(squares[2], SIZE, np.random.default_rng([0, 1, 0, 1]))
    pixels = torch.from_numpy(2 * Preprocess(SIZE).normalise(expected)).to(torch.bfloat16).float()
    assert torch.equal(drawn(source, 1, 0)[1], pixels)


def test_a_step_that_failed_can_be_drawn_again():
    source, _ = fresh(stages=Broken())
    with pytest.raises(RuntimeError, match="memory"):
        drawn(source, 1, 0)
    assert drawn(source, 1, 0).shape == (3, 3, SIZE, SIZE)


def rows_in(folder):
    rows = []
    for number in range(3):
        path = folder / f"{number}.png"
        Image.fromarray(np.full((70, 90, 3), 40 + 60 * number, np.uint8)).save(path)
        rows.append(ManifestRow(path, path.name, "drusen", ("drusen",), str(number), "", "train", number + 2))
    return rows


def test_squares_are_read_once_and_again_for_other_photographs(tmp_path, monkeypatch):
    rows = rows_in(tmp_path)
    first = kept_squares(rows, Preprocess(32), tmp_path / "cache")
    assert first.shape == (3, 32, 32, 3)
    assert [int(square[16, 16, 0]) for square in first] == [40, 100, 160]
    monkeypatch.setattr(views, "read_image", lambda path: pytest.fail("read again"))
    assert np.array_equal(kept_squares(rows, Preprocess(32), tmp_path / "cache"), first)
    with pytest.raises(pytest.fail.Exception, match="read again"):
        kept_squares(rows[:2], Preprocess(32), tmp_path / "cache")


def test_squares_are_framed_as_the_model_frames(tmp_path):
    """A squashed photograph keeps its black sides, one cropped to its field does not."""
    path = tmp_path / "wide.png"
    wide = np.zeros((100, 200, 3), np.uint8)
    rows, columns = np.ogrid[:100, :200]
    wide[np.hypot(rows - 50, columns - 100) < 48] = 180
    Image.fromarray(wide).save(path)
    row = ManifestRow(path, path.name, "drusen", ("drusen",), "0", "", "train", 2)
    share = {
        crop: (kept_squares([row], Preprocess(64, crop=crop), tmp_path / "cache") > 90).mean()
        for crop in ("field", "squash")
    }
    assert share["squash"] == pytest.approx(np.pi * 48**2 / 20000, abs=0.03)
    assert share["field"] == pytest.approx(np.pi / 4, abs=0.06)


def test_a_photograph_that_cannot_be_read_leaves_nothing_that_looks_finished(tmp_path):
    rows = rows_in(tmp_path)
    rows[1] = replace(rows[1], image=tmp_path / "text.png")
    rows[1].image.write_text("no picture")
    with pytest.raises(ImageReadError):
        kept_squares(rows, Preprocess(32), tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("squares-????????????????.npy"))


def test_the_real_stages_take_fresh_views():
    from retizero.model.image_stages import ImageStages

    class Visual(nn.Module):
        def __init__(self):
            super().__init__()
            from timm import create_model

            self.trunk = create_model("tf_efficientnet_lite0", num_classes=0)
            self.head = nn.Linear(1280, 8)

    stages = ImageStages(Visual(), 1)
    batch = drawn(fresh(stages=stages)[0], 1, 0)
    assert not batch.requires_grad
    assert stages.back(batch).shape == (3, 8)
