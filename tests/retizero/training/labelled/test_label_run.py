"""A run on labelled photographs from its places to its model folder, and what it leaves of earlier ones."""

from dataclasses import replace

import pytest

from retizero import phantom
from retizero.data import ImageReadError, read_manifest
from retizero.knowledge import label_set
from retizero.serving import Engine
from retizero.training.combining.average import Combined, write_combined
from retizero.training.errors import ConfigError
from retizero.training.labelled import run
from retizero.training.labelled.run import pretrain_labels
from retizero.training.running.checkpoint import CheckpointError, save_checkpoint, sole_run
from retizero.training.running.diverged import DivergedError
from tests.retizero.training.labelled.tiny_labels import tiny_problem, tiny_recipe

NEW_TOWERS = {"frozen_stages": 6, "embed_dim": 8, "frequent_pieces": 50}


class PreparedError(Exception):
    """Stands for everything that a run does after it has looked at where it writes."""


@pytest.fixture
def prepared(monkeypatch):
    """Folders that runs were prepared in; each leaves a file there and ends."""
    folders = []

    def start(recipe, labels, work):
        folders.append(work)
        work.mkdir()
        (work / "made").touch()
        raise PreparedError

    monkeypatch.setattr(run, "starting_point", start)
    return folders


def recipe_in(folder, **changes):
    return tiny_recipe(folder, **{"checkpoints": str(folder / "kept"), **changes})


def test_an_unusable_place_is_refused_before_anything_is_read(tmp_path, prepared):
    (tmp_path / "file").touch()
    for changes in (
        {"out": str(tmp_path / "file")},
        {"out": "."},
        {"out": str(tmp_path / "file/model")},
        {"checkpoints": str(tmp_path / "file")},
    ):
        with pytest.raises(ConfigError):
            pretrain_labels(recipe_in(tmp_path, **changes), None)
    assert not prepared
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_second_run_of_the_same_id_is_refused_before_it_writes(tmp_path, prepared):
    with (
        sole_run(tmp_path / "kept" / "tiny.pt"),
        pytest.raises(CheckpointError, match=r"Another run is writing .*tiny\.pt"),
    ):
        pretrain_labels(recipe_in(tmp_path), None)
    assert not prepared
    with pytest.raises(PreparedError):
        pretrain_labels(recipe_in(tmp_path), None)


def test_a_run_that_ends_early_leaves_neither_work_nor_a_mark_on_what_was_there(tmp_path, prepared):
    for name in ("model", "model.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").touch()
    save_checkpoint(tmp_path / "kept/tiny.pt", {"run": "before"})
    with pytest.raises(PreparedError):
        pretrain_labels(recipe_in(tmp_path), None)
    assert not prepared[0].exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "model", "model.partial"]
    assert [path.name for path in tmp_path.glob("model*/*")] == ["mine", "mine"]
    assert (tmp_path / "kept/tiny.pt").exists()


def test_a_diverged_run_leaves_the_model_that_was_there(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "starting_point", lambda *_: None)
    monkeypatch.setattr(run, "prepare", lambda *_: tiny_problem())
    (tmp_path / "model").mkdir()
    (tmp_path / "model/model.safetensors").write_text("good")
    with pytest.raises(DivergedError):
        pretrain_labels(recipe_in(tmp_path, optimiser={"head_learning_rate": 1e20}), None)
    assert (tmp_path / "model/model.safetensors").read_text() == "good"
    assert [path.name for path in (tmp_path / "kept").glob("*.pt")] == []


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    """A manifest of phantoms of three labels, a third of which validate."""
    folder = tmp_path_factory.mktemp("phantoms")
    labels = [each for each in label_set("fundus42").ids if each in ("drusen", "glaucoma", "cataract")]
    phantom.write_dataset(folder, 12, labels, 0, size=96)
    path = folder / "manifest.csv"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for place in range(1, len(lines), 3):
        lines[place] = lines[place].replace(",train", ",val")
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("views", [0, 2])
def test_a_run_ends_in_a_calibrated_model_folder_that_another_goes_on_from(tmp_path, phantoms, views):
    manifest = read_manifest(phantoms)
    picture, cache = {"size": 64, "views": views, "mirror": True}, tmp_path / "cache"
    settings = {"cache": str(cache), "epochs": 1, "batch": 4, "picture": picture}
    first = recipe_in(tmp_path, **settings, towers=NEW_TOWERS)
    identity, history = pretrain_labels(first, manifest)
    assert [row["epoch"] for row in history] == [1]
    assert Engine.load(str(first.out)).identity == identity
    assert identity.conformal["n"] == len(manifest.where("val").rows)
    assert (identity.embed_dim, identity.mirror, identity.preprocess["size"]) == (8, True, 64)
    assert (first.out / "learning_curve.json").is_file()
    assert not (tmp_path / ".model.partial").exists()
    towers = {"start": str(first.out), "frozen_stages": 5}
    second = recipe_in(tmp_path, **settings, id="second", out=str(tmp_path / "second"), towers=towers)
    further, _ = pretrain_labels(second, manifest)
    assert further.embed_dim == 8
    assert further.weights_sha256 != identity.weights_sha256


def test_a_photograph_that_cannot_be_read_ends_a_run_on_new_views(tmp_path, phantoms):
    manifest = read_manifest(phantoms)
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    rows = tuple(
        replace(row, image=broken) if row is manifest.where("train").rows[1] else row for row in manifest.rows
    )
    recipe = recipe_in(
        tmp_path, cache=str(tmp_path / "cache"), picture={"size": 64, "views": 0}, towers=NEW_TOWERS
    )
    with pytest.raises(ImageReadError):
        pretrain_labels(recipe, replace(manifest, rows=rows))


def test_an_average_looks_at_its_place_first(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file; name another place"):
        write_combined(Combined({}, {}), [], tmp_path / "file", tmp_path / "none", "fundus42", 64, False)
