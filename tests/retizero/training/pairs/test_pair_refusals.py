"""Settings of pretraining on pairs that cannot be, or would do nothing, are told in one sentence."""

import pytest

from retizero.training.errors import ConfigError
from retizero.training.pairs.pretrain import pretrain_pairs
from retizero.training.pairs.start import starting_point
from retizero.training.running.diverged import DivergedError
from tests.retizero.training.pairs.tiny_pairs import BERT, recipe, write_discs

OPEN_CLIP = {"architecture": "open_clip", "vit": {}}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"optimiser": {"betas": [2, 3]}}, "betas"),
        ({"seed": 2**70}, "seed"),
        ({"picture": {"std": [0, 0, 0]}}, "std"),
        ({"picture": {"augmentation": {"min_scale": 5}}}, "min_scale"),
        ({"validation": {"protocol": "none", "patience": 1}}, "patience needs a protocol"),
        ({"towers": {"folder": "there", "init": "mae", "mae": "weights.pth"}}, "no init to choose"),
        ({"towers": {"folder": "there", "vit": {"depth": 2}}}, "no vit to choose"),
        ({"towers": {"folder": "there"}, "picture": {"size": 64}}, "no picture.size to choose"),
        ({"towers": {"vision": {"timm_model_name": "resnet18"}}}, "vision belongs to the other architecture"),
    ],
)
def test_impossible_or_idle_settings(tmp_path, changes, told):
    with pytest.raises(ConfigError, match=told) as refused:
        recipe(tmp_path, **changes)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize(
    ("towers", "told"),
    [
        ({"bert_sizes": {**BERT, "hiden_size": 65}}, "no hiden_size"),
        ({"bert_sizes": {**BERT, "hidden_dropout_prob": 2}}, "dropout"),
        ({"bert_sizes": {**BERT, "num_attention_heads": 5}}, "num_attention_heads"),
        ({"context_length": 1000}, "reads at most 90 tokens"),
        ({**OPEN_CLIP, "vision": {"timm_model_name": "no_such_trunk"}}, "no_such_trunk"),
        (
            {**OPEN_CLIP, "vision": {"timm_model_name": "resnet18", "colour": 1}},
            "these sizes cannot be built",
        ),
    ],
)
def test_sizes_that_no_tower_can_have(tmp_path, towers, told):
    plan = recipe(tmp_path, towers=towers)
    with pytest.raises(ValueError, match=told) as refused:
        starting_point(plan, tmp_path / "work")
    assert type(refused.value).__module__.startswith("retizero.")


@pytest.mark.parametrize("validation", [{"split": "vall"}, {"patience": 2, "label_set": "demo14"}])
def test_validation_that_was_asked_for_and_cannot_be(tmp_path, validation):
    manifest = write_discs(tmp_path / "discs")
    manifest.write_text(manifest.read_text().replace(",val", ",test"))
    with pytest.raises(ConfigError, match="to validate on"):
        pretrain_pairs(recipe(tmp_path, validation=validation), manifest)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("rates", [{"learning_rate": 1e38, "warmup_epochs": 0}, {"learning_rate": 1e38}])
def test_weights_that_are_no_longer_numbers_are_neither_saved_nor_written(tmp_path, rates):
    manifest = write_discs(tmp_path / "discs")
    plan = recipe(tmp_path, optimiser=rates, checkpoint_every=1, validation={"protocol": "none"})
    good = recipe(tmp_path, epochs=1, validation={"protocol": "none"})
    pretrain_pairs(good, manifest)
    weights = (good.out / "model.safetensors").read_bytes()
    with pytest.raises(DivergedError, match="no longer"):
        pretrain_pairs(plan, manifest)
    assert (good.out / "model.safetensors").read_bytes() == weights


def test_a_result_that_cannot_be_written_is_noticed_before_training(tmp_path, capsys):
    manifest = write_discs(tmp_path / "discs")
    (tmp_path / "model").write_text("a file")
    with pytest.raises(ConfigError, match="is a file"):
        pretrain_pairs(recipe(tmp_path), manifest)
    assert "epoch" not in capsys.readouterr().err
