"""The fast arithmetic is used where the answers stay, and the identity says which one answers."""

import numpy as np
import pytest
import torch
from torch import nn

from retizero.model.convert import convert
from retizero.model.registry import load_model
from retizero.model.retizero import arithmetic
from retizero.model.retizero.config import ImageTowerConfig
from retizero.model.retizero.image_tower import ImageTower
from retizero.model.retizero.packed_linear import PackedLinear, pack_linears
from tests.retizero.model.tiny_retizero import tiny_config, tiny_network, write_release, write_vocabulary


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("models")
    checkpoint = write_release(path / "RetiZero.pth", tiny_network())
    convert(checkpoint, path / "tiny", tiny_config(), write_vocabulary(path / "bert"))
    return path / "tiny"


@pytest.fixture
def pixels():
    return np.random.default_rng(0).normal(size=(2, 3, 32, 32)).astype(np.float32)


def test_bfloat16_is_used_and_named_where_the_hardware_has_it_and_stays_close(folder, pixels, monkeypatch):
    monkeypatch.setattr(arithmetic, "computes_in_bfloat16", lambda device: True)
    exact, fast = load_model(folder, "cpu", exact=True), load_model(folder, "cpu")
    assert (exact.identity.arithmetic, fast.identity.arithmetic) == ("float32", "bfloat16")
    assert fast.network.image.vit.patch_embed.proj.weight.dtype == torch.bfloat16
    first, second = exact.encode_images(pixels), fast.encode_images(pixels)
    assert (first * second).sum(axis=1).min() >= 0.995
    assert not np.array_equal(first, second)
    np.testing.assert_allclose(exact.encode_texts(["normal"]), fast.encode_texts(["normal"]), atol=1e-6)


def test_bfloat16_that_changes_embeddings_is_not_used(folder, pixels, monkeypatch):
    monkeypatch.setattr(arithmetic, "computes_in_bfloat16", lambda device: True)
    monkeypatch.setattr(arithmetic, "MIN_COSINE", 1.01)
    model = load_model(folder, "cpu")
    assert model.identity.arithmetic == "float32"
    expected = load_model(folder, "cpu", exact=True).encode_images(pixels)
    np.testing.assert_allclose(model.encode_images(pixels), expected, atol=1e-6)


def test_without_such_hardware_float32_answers(folder, monkeypatch):
    monkeypatch.setattr(arithmetic, "computes_in_bfloat16", lambda device: False)
    assert load_model(folder, "cpu").identity.arithmetic == "float32"


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="no oneDNN here")
def test_a_packed_transformer_gives_the_same_embeddings_and_gradients():
    torch.manual_seed(0)
    config = ImageTowerConfig(img_size=32, patch_size=8, embed_dim=256, depth=2, num_heads=4, lora_rank=2)
    tower = ImageTower(config, 12).eval().requires_grad_(False)
    tower.fold()
    pictures = torch.randn(3, 3, 32, 32, requires_grad=True)
    plain = tower(pictures)
    (expected,) = torch.autograd.grad(plain[:, 0].sum(), pictures)
    assert pack_linears(tower.vit, rows=17)
    assert sum(isinstance(each, PackedLinear) for each in tower.modules()) == 2 * 4
    assert not [each for each in tower.vit.blocks.modules() if type(each) is nn.Linear]
    packed = tower(pictures)
    (computed,) = torch.autograd.grad(packed[:, 0].sum(), pictures)
    torch.testing.assert_close(packed, plain, atol=1e-6, rtol=0)
    torch.testing.assert_close(computed, expected, atol=1e-5, rtol=1e-4)
