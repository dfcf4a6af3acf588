"""Model folders are read strictly, and prompts do not influence each other."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from retizero.model import ModelError, known_models, load_model
from retizero.model.identity import sha256_of
from tests.retizero.tiny_models import write_tiny_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny"
    write_tiny_model(path)
    return path


def test_a_folder_can_be_loaded_by_path_and_by_local_dir(folder):
    by_path, by_scheme = load_model(folder, "cpu"), load_model(f"local-dir:{folder}", "cpu")
    pixels = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    assert np.array_equal(by_path.encode_images(pixels), by_scheme.encode_images(pixels))
    assert by_path.identity.id == "tiny"


def test_embeddings_have_unit_norm(folder):
    model = load_model(folder, "cpu")
    pixels = np.random.default_rng(0).normal(size=(3, 3, 64, 64)).astype(np.float32)
    for vectors in (model.encode_images(pixels), model.encode_texts(["drusen", "a much longer prompt"])):
        assert vectors.dtype == np.float32
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_a_prompt_has_the_same_embedding_alone_and_among_fifty(folder):
    model = load_model(folder, "cpu")
    texts = [f"A fundus photograph of {'retinal ' * (n % 7)}disease {n}" for n in range(50)]
    together = model.encode_texts(texts)
    alone = np.concatenate([model.encode_texts([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-6


def test_padding_free_pooling_equals_open_clips_masked_pooling(folder):
    model = load_model(folder, "cpu")
    texts = ["drusen", "a fundus photograph of macular hole"]
    encodings = [model.tokenizer.encode(text).ids for text in texts]
    width = max(map(len, encodings)) + 9
    padded = torch.tensor([ids + [0] * (width - len(ids)) for ids in encodings])
    with torch.inference_mode():
        expected = model._towers.encode_text(padded, normalize=True).numpy()
    assert np.abs(model.encode_texts(texts) - expected).max() < 1e-5


def test_a_prompt_longer_than_the_tower_reads_is_cut(folder):
    model = load_model(folder, "cpu")
    assert np.isfinite(model.encode_texts(["x " * 500])).all()
    assert model.encode_texts([]).shape == (0, 16)


def rewritten(folder, tmp_path, change):
    """A copy of the folder whose tensors were changed and whose identity names the changed file."""
    copy = tmp_path / "copy"
    (copy / "text").mkdir(parents=True)
    for path in folder.rglob("*.json"):
        (copy / path.relative_to(folder)).write_bytes(path.read_bytes())
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, copy / "model.safetensors")
    identity = json.loads((copy / "identity.json").read_text())
    identity["weights_sha256"] = sha256_of(copy / "model.safetensors")
    (copy / "identity.json").write_text(json.dumps(identity))
    return copy


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.pop("visual.head.proj.weight"), r"missing: visual\.head\.proj\.weight"),
        (lambda t: t.update(extra=torch.zeros(1)), "unexpected: extra"),
        (
            lambda t: t.update({"logit_bias_2": t.pop("logit_scale")}),
            "missing: logit_scale; unexpected: logit_bias_2",
        ),
        (
            lambda t: t.update({"text.proj.weight": torch.zeros(3, 3)}),
            r"wrong shape: text\.proj\.weight \(3, 3\)",
        ),
    ],
)
def test_a_tensor_that_does_not_fit_is_refused_by_name(folder, tmp_path, change, sentence):
    with pytest.raises(ModelError, match=sentence):
        load_model(rewritten(folder, tmp_path, change), "cpu")


def test_weights_that_the_identity_does_not_name_are_refused(folder, tmp_path):
    copy = rewritten(folder, tmp_path, lambda tensors: None)
    with (copy / "model.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match="SHA-256 differs"):
        load_model(copy, "cpu")


def test_a_folder_without_a_file_names_it(folder, tmp_path):
    copy = rewritten(folder, tmp_path, lambda tensors: None)
    (copy / "text" / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"lacks text/tokenizer\.json"):
        load_model(copy, "cpu")


def test_pixels_of_another_size_are_refused(folder):
    with pytest.raises(ModelError, match=r"takes pixels \(N, 3, 64, 64\)"):
        load_model(folder, "cpu").encode_images(np.zeros((1, 3, 32, 32), np.float32))


def test_the_embedded_model_is_present_and_absent_ones_say_how_to_get_them(monkeypatch):
    monkeypatch.delenv("RETIZERO_MODELS_DIR", raising=False)
    known = {model.id: model for model in known_models()}
    assert known["retizero-mini"].present
    assert all(model.licence and model.source for model in known.values())
    with pytest.raises(ModelError, match=r"not on this machine; to have it, .*LooKing9218"):
        load_model("retizero")
    with pytest.raises(ModelError, match="neither a folder nor one of retizero-mini"):
        load_model("no-such-model")


@pytest.mark.parametrize("device", ["quantum", "cuda:x"])
def test_a_device_that_is_not_there_is_refused(folder, device):
    with pytest.raises(ModelError, match=r"^The device"):
        load_model(folder, device)
