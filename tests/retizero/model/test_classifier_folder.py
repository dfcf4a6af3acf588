"""A classifier folder is written whole; one that is replaced loses neither its owner's files nor itself."""

from pathlib import Path

import pytest
from torch import nn

from retizero.model import image_classifier
from retizero.model.errors import ModelError
from retizero.model.identity import ModelIdentity
from retizero.model.image_classifier import Classes, ImageClassifier, read_classifier, write_classifier
from retizero.model.image_towers import TowerFeatures

CLASSES = Classes(("drusen", "glaucoma"), ("drusen", "glaucoma"))
OURS = {"classifier.json", "model.safetensors", "identity.json", "curve.json"}


class Tower(nn.Module):
    """Mean colour."""

    def forward(self, pixels):
        return pixels.mean(dim=(2, 3))


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a classifier whose bias is a number; ``read`` finds that number again."""
    monkeypatch.setattr(image_classifier, "build_image_tower", lambda _: TowerFeatures(Tower()))
    identity = ModelIdentity("c", "c", "tiny", 3, {}, "")

    def written(bias):
        network = ImageClassifier(TowerFeatures(Tower()), 3, 2)
        nn.init.constant_(network.head.bias, bias)
        further = {"curve.json": str(bias)}
        write_classifier(tmp_path / "c", network, {}, CLASSES, identity, further, ("results.csv",))

    return written


def bias(folder):
    return float(read_classifier(folder).network.head.bias[0])


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_a_replaced_classifier_leaves_other_files_alone_and_drops_what_was_said_of_the_old_one(
    write, tmp_path
):
    folder = tmp_path / "c"
    write(1.0)
    (folder / "notes").mkdir()
    (folder / "notes" / "mine.txt").write_text("mine")
    (folder / "results.csv").write_text("of the old one")
    write(2.0)
    assert bias(folder) == 2.0
    assert (folder / "curve.json").read_text() == "2.0"
    assert (folder / "notes" / "mine.txt").read_text() == "mine"
    assert names(folder) == {*OURS, "notes"}
    assert names(tmp_path) == {"c"}
    assert {(folder / name).stat().st_mode & 0o777 for name in OURS} == {0o644}


@pytest.mark.parametrize("moves", range(9))
def test_an_interruption_at_any_move_leaves_the_old_classifier(write, tmp_path, monkeypatch, moves):
    folder = tmp_path / "c"
    write(1.0)
    (folder / "results.csv").write_text("of the old one")
    real, done = Path.rename, []

    def interrupted(path, target):
        done.append(path)
        if len(done) == moves + 1:
            raise KeyboardInterrupt
        return real(path, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(2.0)
    assert bias(folder) == 1.0
    assert (folder / "curve.json").read_text() == "1.0"
    assert names(folder) == {*OURS, "results.csv"}


def test_weights_that_cannot_be_written_leave_the_old_classifier(write, tmp_path, monkeypatch):
    write(1.0)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(image_classifier, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        write(2.0)
    assert bias(tmp_path / "c") == 1.0
    assert names(tmp_path / "c") == OURS


def test_a_folder_of_something_else_is_refused(write, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "thesis.txt").write_text("mine")
    with pytest.raises(ModelError, match="no classifier folder"):
        write(1.0)
    assert names(tmp_path / "c") == {"thesis.txt"}
