"""Pretraining starts from RETFound's encoder and a local BERT."""

import argparse
import json
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from timm.models.vision_transformer import VisionTransformer
from transformers import BertConfig, BertForPreTraining, BertModel

from retizero.model import ModelError
from retizero.model.release_checkpoint import CheckpointMismatch
from retizero.model.retizero.starting_points import initial_network
from tests.retizero.model.tiny_retizero import CONFIG, tiny_config


def _retfound(path: Path, img_size: int = 32) -> VisionTransformer:
    torch.manual_seed(1)
    encoder = VisionTransformer(
        img_size=img_size, patch_size=8, embed_dim=24, depth=2, num_heads=3, num_classes=5,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
    )  # fmt: skip
    tensors = {
        **encoder.state_dict(),
        "mask_token": torch.zeros(1, 1, 8),
        "decoder_pred.bias": torch.zeros(3),
    }
    torch.save({"model": tensors, "epoch": 799, "args": argparse.Namespace(blr=1e-3)}, path)
    return encoder.eval()


def test_the_image_tower_starts_as_retfound_and_only_lora_learns(tmp_path: Path) -> None:
    encoder = _retfound(tmp_path / "RETFound.pth")
    network = initial_network(tiny_config(), retfound=tmp_path / "RETFound.pth").eval()
    pixels = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        expected = encoder.forward_features(pixels)[:, 0]
        torch.testing.assert_close(network.image.features(pixels), expected, atol=1e-6, rtol=1e-5)
    learning = [name for name, each in network.image.vit.named_parameters() if each.requires_grad]
    assert len(learning) == 2 * 4
    assert all("linear_" in name for name in learning)
    assert network.image.projection.projection.weight.requires_grad


def test_positions_of_a_retfound_of_another_size_are_interpolated(tmp_path: Path) -> None:
    _retfound(tmp_path / "RETFound.pth", img_size=48)
    network = initial_network(tiny_config(), retfound=tmp_path / "RETFound.pth")
    assert network.image.vit.pos_embed.shape == (1, 17, 24)


def test_a_retfound_of_other_depth_is_refused_by_name(tmp_path: Path) -> None:
    _retfound(tmp_path / "RETFound.pth")
    values = torch.load(tmp_path / "RETFound.pth", weights_only=False)
    del values["model"]["blocks.1.norm1.weight"]
    torch.save(values, tmp_path / "RETFound.pth")
    with pytest.raises(CheckpointMismatch, match=r"missing blocks\.1\.norm1\.weight"):
        initial_network(tiny_config(), retfound=tmp_path / "RETFound.pth")


def test_a_file_that_is_not_retfounds_is_refused(tmp_path: Path) -> None:
    torch.save({"weights": {}}, tmp_path / "F.pth")
    with pytest.raises(ModelError, match="no 'model' entry"):
        initial_network(tiny_config(), retfound=tmp_path / "F.pth")


@pytest.mark.parametrize("layout", ["safetensors", "bin of the first conversions"])
def test_the_text_tower_starts_as_the_bert_of_a_local_folder(tmp_path: Path, layout: str) -> None:
    torch.manual_seed(2)
    bert = BertForPreTraining(BertConfig(**{**CONFIG["bert"], "vocab_size": 40})).eval()
    (tmp_path / "config.json").write_text(json.dumps(bert.config.to_dict(), default=str), encoding="utf-8")
    tensors = {name: tensor.clone() for name, tensor in bert.state_dict().items()}
    if layout == "safetensors":
        save_file(tensors, tmp_path / "model.safetensors")
    else:
        old = {
            name.replace("LayerNorm.weight", "LayerNorm.gamma"): tensor for name, tensor in tensors.items()
        }
        old = {name.replace("LayerNorm.bias", "LayerNorm.beta"): tensor for name, tensor in old.items()}
        old["bert.embeddings.position_ids"] = torch.arange(90)[None]
        torch.save(old, tmp_path / "pytorch_model.bin")
    network = initial_network(tiny_config(), bert=tmp_path).eval()
    assert network.config.bert["vocab_size"] == 40
    ids = torch.tensor([[2, 6, 7, 3]])
    with torch.inference_mode():
        torch.testing.assert_close(network.text.bert(ids).last_hidden_state, bert.bert(ids).last_hidden_state)


def test_a_bert_folder_without_weights_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps(BertModel(BertConfig(**CONFIG["bert"])).config.to_dict(), default=str)
    )
    with pytest.raises(ModelError, match=r"neither model.safetensors nor pytorch_model.bin"):
        initial_network(tiny_config(), bert=tmp_path)
