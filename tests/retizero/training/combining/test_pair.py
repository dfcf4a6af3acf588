"""One model from two."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from retizero.cli import app
from retizero.knowledge import label_set
from retizero.model import ModelError, load_model
from retizero.model.open_clip_folder import read_weights
from retizero.phantom import write_dataset
from retizero.training.combining.pair import mean_length, paired
from tests.retizero.tiny_models import write_tiny_model


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two models of one text tower, photographs, and their pair, made by the command."""
    folder = tmp_path_factory.mktemp("pair")
    write_tiny_model(folder / "first", seed=0)
    write_tiny_model(folder / "second", seed=1)
    take_text_tower(folder / "first", folder / "second")
    labels = [each for each in label_set("fundus42").ids if each in ("drusen", "glaucoma", "cataract")]
    write_dataset(folder / "data", 12, labels, 0)
    lines = (folder / "data/manifest.csv").read_text().replace(",train,", ",val,")
    (folder / "data/val.csv").write_text(lines)
    done = CliRunner().invoke(
        app,
        [
            *("train", "pair", "--model", str(folder / "first"), str(folder / "second")),
            *("--size", "64", "--manifest", str(folder / "data/val.csv"), "--out", str(folder / "both")),
        ],
    )
    assert done.exit_code == 0, done.output
    return folder


def take_text_tower(source, target):
    """Give one model the text tower of another, as if it had gone on from it."""
    from safetensors.torch import load_file, save_file

    from retizero.model.identity import sha256_of

    tensors = load_file(target / "model.safetensors")
    theirs = load_file(source / "model.safetensors")
    tensors |= {name: each for name, each in theirs.items() if name.startswith("text.transformer.")}
    save_file(tensors, target / "model.safetensors")
    identity = json.loads((target / "identity.json").read_text())
    identity["weights_sha256"] = sha256_of(target / "model.safetensors")
    (target / "identity.json").write_text(json.dumps(identity))


def test_its_image_embedding_is_the_sum_of_both_in_equal_shares(made):
    pixels = np.random.default_rng(0).normal(size=(3, 3, 64, 64)).astype(np.float32)
    lengths = [mean_length(made / name, made / "data/val.csv", 64) for name in ("first", "second")]
    with torch.inference_mode():
        parts = [
            load_model(made / name, "cpu").image_tower(torch.from_numpy(pixels)) / length
            for name, length in zip(("first", "second"), lengths, strict=True)
        ]
    expected = torch.nn.functional.normalize(sum(parts), dim=1).numpy()
    found = load_model(made / "both", "cpu").encode_images(pixels)
    assert np.abs(found - expected).max() < 5e-3  # half precision
    assert np.abs(found - torch.nn.functional.normalize(parts[0], dim=1).numpy()).max() > 0.05


def test_its_text_tower_is_stored_in_eight_bits_and_says_nearly_the_same(made):
    stored = (made / "both/model.safetensors").stat().st_size
    assert stored < 2 * (made / "first/model.safetensors").stat().st_size
    name = "text.transformer.encoder.layer.0.attention.self.query.weight"
    before, after = (
        read_weights(made / "first/model.safetensors"),
        read_weights(made / "both/model.safetensors"),
    )
    assert 0 < (before[name].float() - after[name]).abs().max() < before[name].abs().max() / 100


def test_it_is_calibrated_and_says_what_it_is(made):
    identity = load_model(made / "both", "cpu").identity
    assert identity.architecture.endswith("; two image trunks side by side")
    assert identity.conformal["n"] > 0


def test_different_text_towers_are_refused(made):
    first, second = (read_weights(made / name / "model.safetensors") for name in ("first", "second"))
    second["text.transformer.embeddings.LayerNorm.bias"] = (
        second["text.transformer.embeddings.LayerNorm.bias"] + 1
    )
    with pytest.raises(ModelError, match="different text towers"):
        paired(first, second, [1.0, 1.0])
    del second["logit_scale"]
    with pytest.raises(ModelError, match="same tensors"):
        paired(first, second, [1.0, 1.0])


def test_a_pair_is_no_starting_point_and_no_half_of_a_pair(made):
    from retizero.model.image_stages import ImageStages
    from retizero.training.combining.pair import pair_models

    for first, told in (("first", "same timm image tower"), ("both", "pairs already")):
        with pytest.raises(ModelError, match=told):
            pair_models(
                made / first, made / "both", made / "out", made / "data/val.csv", "fundus42", 64, False
            )
    with pytest.raises(ModelError, match="no single EfficientNet"):
        ImageStages(load_model(made / "both", "cpu").image_tower, 4)
