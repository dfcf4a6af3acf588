"""Bad rows do not stop pretraining on labelled photographs either, unless strict."""

import pytest

from retizero.cli import main
from retizero.data import read_image
from retizero.model.identity import ModelIdentity
from tests.retizero.training.pairs.tiny_pairs import write_discs


@pytest.fixture
def trained(monkeypatch):
    """Names of the photographs that each attempt at training was given; an attempt reads them all."""
    attempts = []

    def pretrain(config, rows, resume=False):
        attempts.append([row.name for row in rows])
        for row in rows:
            read_image(row.image)
        return ModelIdentity("a", "a", "a", 1, {}, ""), []

    monkeypatch.setattr("retizero.training.labelled.run.pretrain_labels", pretrain)
    return attempts


def manifest_with_bad_rows(folder):
    manifest = write_discs(folder, 4)
    with manifest.open("a", encoding="utf-8") as file:
        file.write("missing.png,drusen,train\n0.png,drusen,train\nbroken.png,drusen,train\n1.png,,train\n")
    (folder / "broken.png").write_text("broken")
    return manifest


def command(folder, *more):
    config = folder / "mini.yaml"
    config.write_text("recipe: labels\nid: a\nout: a\n", encoding="utf-8")
    manifest = manifest_with_bad_rows(folder)
    return main(["train", "pretrain", "--config", str(config), "--manifest", str(manifest), *more])


def test_bad_rows_are_told_once_each_and_the_rest_trains(tmp_path, trained, capsys):
    assert command(tmp_path) == 0
    assert trained[-1] == ["0.png", "1.png", "2.png", "3.png"]
    told = capsys.readouterr().err
    assert [told.count(f"Row {row}: ") for row in (6, 7, 8, 9)] == [1, 1, 1, 1]


def test_strict_tells_every_bad_row_and_does_not_train(tmp_path, trained, capsys):
    assert command(tmp_path, "--strict") == 2
    assert not trained
    told = capsys.readouterr().err
    assert [told.count(f"Row {row}: ") for row in (6, 7, 8, 9)] == [1, 1, 1, 1]
    assert told.rstrip().endswith("leave out --strict.")
