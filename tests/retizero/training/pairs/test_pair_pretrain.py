"""From pixels to a model folder that answers, and what a user is told on the way."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from retizero import Engine
from retizero.cli import main
from retizero.training.errors import ConfigError
from retizero.training.pairs.pretrain import pretrain_pairs
from retizero.training.pairs.recipe import PairRecipe
from retizero.training.strict_settings import read_settings
from tests.retizero.training.pairs.tiny_pairs import recipe, settings, write_discs

CONFIGS = Path(__file__).parents[4] / "configs"
DEMO = {"validation": {"label_set": "demo14"}}


def labels_of_discs():
    from retizero.knowledge import parse_labels

    return parse_labels("drusen; retinitis pigmentosa; macular hole; glaucoma")


def ran(folder, manifest, *more, **changes):
    config = folder / "recipe.yaml"
    config.write_text(yaml.safe_dump(settings(folder, **changes)), encoding="utf-8")
    return main(["train", "pretrain", "--config", str(config), "--manifest", str(manifest), *more])


def test_a_run_learns_colours_and_its_model_names_them(tmp_path, capsys):
    manifest = write_discs(tmp_path / "discs", 40)
    changes = {"epochs": 6, "optimiser": {"learning_rate": 5e-3}}
    assert ran(tmp_path, manifest, "--json", **changes) == 0
    said = capsys.readouterr()
    made = json.loads(said.out)
    assert made["history"][-1]["loss"] < made["history"][0]["loss"] - 0.5
    assert "min left" not in said.out
    assert "epoch 6/6" in said.err
    assert "weights learn" in said.err
    engine = Engine.load(str(tmp_path / "model"), "cpu")
    assert engine.identity.fingerprint == ModelIdentityOf(tmp_path / "model")
    pictures = [tmp_path / f"discs/{index}.png" for index in range(4)]
    from retizero.data import read_image

    logits = engine.logits(engine.embed_image([read_image(path) for path in pictures]), labels_of_discs())
    assert (logits.argmax(axis=1) == np.arange(4)).sum() >= 3
    assert made["model"]["temperature"] != 1.0
    conformal = made["model"]["conformal"]
    assert conformal["n"] == 8
    assert conformal["threshold"] == 1.0  # eight photographs promise 90 % only with every label in the set


def ModelIdentityOf(folder):
    from retizero.model.identity import ModelIdentity

    return ModelIdentity.from_json((folder / "identity.json").read_text(encoding="utf-8")).fingerprint


def test_bad_rows_are_told_and_the_rest_trains_unless_strict(tmp_path, capsys):
    manifest = write_discs(tmp_path / "discs")
    with manifest.open("a", encoding="utf-8") as file:
        file.write("missing.png,drusen,train\n0.png,drusen,train\nbroken.png,drusen,train\n1.png,,train\n")
    (tmp_path / "discs/broken.png").write_text("broken")
    once = {"epochs": 1, "validation": {"protocol": "none"}}
    assert ran(tmp_path, manifest, "--strict", **once) == 2
    told = capsys.readouterr().err
    assert all(f"Row {row}: " in told for row in (26, 27, 28, 29))
    assert told.rstrip().splitlines()[-1].endswith("leave out --strict.")
    assert not (tmp_path / "model").exists()
    assert ran(tmp_path, manifest, **once) == 0
    assert "Row 28: " in capsys.readouterr().err
    assert (tmp_path / "model/model.safetensors").exists()


@pytest.mark.parametrize(
    ("trunk", "image", "learns"),
    [("test_vit", "lora", "linear_a_q"), ("test_efficientnet", "full", "trunk")],
)
def test_open_clip_towers_train_and_answer(tmp_path, trunk, image, learns):
    manifest = write_discs(tmp_path / "discs", 16)
    size = 160 if trunk == "test_vit" else 64
    made = settings(tmp_path)["towers"]
    towers = {
        "architecture": "open_clip",
        "vision": {
            "timm_model_name": trunk,
            "image_size": size,
            "timm_pool": "token" if size == 160 else "avg",
        },
        "vit": {},
        "image": image,
    }
    plan = recipe(tmp_path, epochs=1, towers={**made, **towers}, **DEMO)
    identity, history = pretrain_pairs(plan, manifest)
    assert set(history[0]) == {
        "epoch",
        "loss",
        "clip",
        "evidential",
        "top1",
        "top3",
        "top5",
        "balanced",
        "score",
    }
    engine = Engine.load(str(plan.out), "cpu")
    assert engine.identity == identity
    assert identity.embed_dim == 12
    # and a run goes on from such a folder, with its tokenizer and preprocessing
    again = recipe(
        tmp_path, out=str(tmp_path / "again"), epochs=1, towers={"folder": str(plan.out), "image": "full"}
    )
    further, _ = pretrain_pairs(again.model_copy(update={"validation": plan.validation}), manifest)
    assert further.preprocess == identity.preprocess
    assert further.weights_sha256 != identity.weights_sha256


def test_captions_without_labels_validate_by_retrieval_and_stop_early(tmp_path, capsys):
    write_discs(tmp_path / "discs", 24)
    manifest = tmp_path / "discs/captions.csv"
    rows = [
        f"{i}.png,{'drusen' if i % 2 else 'retinal detachment'} {i},{'val' if i < 8 else ''}"
        for i in range(24)
    ]
    manifest.write_text("\n".join(["image,text,split", *rows]), encoding="utf-8")
    plan = recipe(
        tmp_path,
        epochs=9,
        validation={"protocol": "retrieval", "patience": 1},
        optimiser={"learning_rate": 1e-9},
        data={"same": "caption", "draw": "balanced"},
    )
    _, history = pretrain_pairs(plan, manifest)
    assert len(history) < 9
    assert {"recall1", "recall5", "recall10", "score"} <= set(history[0])
    assert "stopping; epoch 1 is kept" in capsys.readouterr().err


def test_tensorboard_logs_are_written_where_the_package_is(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    manifest = write_discs(tmp_path / "discs", 16)
    plan = recipe(tmp_path, epochs=2, tensorboard=str(tmp_path / "logs"), validation={"protocol": "none"})
    _, history = pretrain_pairs(plan, manifest)
    logs = EventAccumulator(str(tmp_path / "logs"))
    logs.Reload()
    assert [event.value for event in logs.Scalars("epoch/loss")] == pytest.approx(
        [row["loss"] for row in history], rel=1e-5
    )
    monkeypatch.setitem(__import__("sys").modules, "tensorboard", None)
    with pytest.raises(ConfigError, match="pip install tensorboard"):
        pretrain_pairs(plan, manifest)


def test_the_papers_recipe_is_the_papers():
    plan = read_settings(CONFIGS / "retizero-paper.yaml", PairRecipe)
    assert (plan.epochs, plan.batch, plan.towers.lora_rank, plan.towers.embed_dim) == (15, 128, 8, 512)
    rules = plan.optimiser
    assert (rules.learning_rate, rules.weight_decay, rules.clip_norm) == (1e-4, 1e-5, 1.0)
    assert (rules.warmup_epochs, rules.horizon_epochs) == (1, 100)
    assert (plan.loss.clip, plan.loss.evidential, plan.loss.ramp_epochs) == (1, 1, 15)
    assert (plan.loss.positives, plan.compute.precision, plan.picture.crop) == ("pairs", "fp16", "squash")


def test_missing_weights_of_the_paper_are_named(tmp_path, capsys):
    manifest = write_discs(tmp_path / "discs", 8)
    config = str(CONFIGS / "retizero-paper.yaml")
    assert main(["train", "pretrain", "--config", config, "--manifest", str(manifest)]) == 2
    assert "Bio_ClinicalBERT" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epocs": 3}, "no setting epocs"),
        ({"batch": "many"}, "batch"),
        ({"towers": {"vit": {"width": 3}}}, "no width"),
        ({"towers": {"init": "mae"}}, "init mae needs mae"),
        ({"picture": {"augmentation": {"zoom": 1}}}, "no zoom"),
        ({"picture": {"size": 40}}, "leave picture.size out"),
        ({"towers": {"architecture": "open_clip", "vit": {}}}, "timm_model_name"),
        (
            {
                "towers": {
                    "architecture": "open_clip",
                    "vit": {},
                    "vision": {"timm_model_name": "test_vit", "image_size": 64},
                }
            },
            "takes 160 pixels",
        ),
        ({"loss": {"clip": 0}}, "clip or siglip"),
        ({"validation": {"label_set": "none such"}}, "none such"),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(tmp_path, capsys, changes, words):
    manifest = write_discs(tmp_path / "discs", 8)
    made = settings(tmp_path)
    if "towers" in changes:
        changes = {"towers": {**made["towers"], **changes["towers"]}}
    assert ran(tmp_path, manifest, **changes) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert words in last


def test_a_recipe_of_another_command_or_none_is_told(tmp_path, capsys):
    other = tmp_path / "other.yaml"
    other.write_text("recipe: mae\n")
    assert main(["train", "pretrain", "--config", str(other)]) == 2
    assert "retizero train mae" in capsys.readouterr().err
    assert main(["train", "pretrain", "--config", str(CONFIGS / "retizero-mini/1-first.yaml")]) == 2
    assert "give --manifest" in capsys.readouterr().err
    assert main(["train", "pretrain", "--config", str(CONFIGS / "pairs-tiny.yaml")]) == 2
    assert "nothing to train on" in capsys.readouterr().err
