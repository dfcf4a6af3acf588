"""FLAIR's file: written here by torchvision and transformers under the names of its public code."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import normalize, pad
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.transforms import Resize
from transformers import BertConfig, BertModel

from retizero.model import ModelError, load_model
from retizero.model.release_checkpoint import CheckpointMismatch
from tests.retizero.model.tiny_retizero import CONFIG, PIECES, write_vocabulary

BERT = CONFIG["bert"]
SIZES = {
    "layers": [1, 1, 1, 1],
    "channels": [64, 128, 256, 512],
    "bert": BERT,
    "embed_dim": 12,
    "image_size": 64,
}


class Reference:
    """What the public code computes, from libraries it uses itself."""

    def __init__(self):
        torch.manual_seed(0)
        self.resnet = ResNet(Bottleneck, [1, 1, 1, 1])
        self.resnet.fc = nn.Identity()
        self.bert = BertModel(BertConfig(**BERT)).eval()
        self.image, self.text = (
            nn.Linear(2048, 12, bias=False),
            nn.Linear(BERT["hidden_size"], 12, bias=False),
        )
        self.resnet.train()(torch.rand(4, 3, 64, 64))  # running statistics that are not those of a new layer
        self.resnet.eval()

    def tensors(self):
        parts = {
            "vision_model.model.": self.resnet, "vision_model.projection_head_vision.projection.": self.image,
            "text_model.model.": self.bert, "text_model.projection_head_text.projection.": self.text,
        }  # fmt: skip
        named = {p + n: v.detach().clone() for p, m in parts.items() for n, v in m.state_dict().items()}
        return {**named, "logit_scale": torch.tensor(9.0)}

    @torch.no_grad()
    def embed_image(self, picture):
        pixels = torch.tensor(picture.transpose(2, 0, 1)[None] / 255.0, dtype=torch.float32)
        scale = max(pixels.shape[-2:]) / 64
        size = (int(pixels.shape[-2] / scale), int(pixels.shape[-1] / scale))
        small = Resize(size, antialias=True)(pixels)
        canvas = pad(small, (0, 64 - small.shape[-1], 0, 64 - small.shape[-2]))
        return normalize(self.image(normalize(self.resnet(canvas), dim=-1)), dim=-1).numpy()

    @torch.no_grad()
    def embed_text(self, ids):
        states = self.bert(torch.tensor([ids]), output_hidden_states=True).hidden_states
        pooled = torch.stack([states[1], states[2], states[-1]]).permute(1, 0, 2, 3).mean(2).mean(1)
        return normalize(self.text(normalize(pooled, dim=-1)), dim=-1).numpy()


@pytest.fixture
def reference():
    return Reference()


def write(folder, tensors, name="flair_resnet.pth"):
    write_vocabulary(folder)
    (folder / name).with_suffix(".json").write_text(json.dumps(SIZES))
    if name.endswith(".pth"):
        torch.save(tensors, folder / name)
    else:
        save_file(tensors, folder / name)
    return folder


@pytest.mark.parametrize("name", ["flair_resnet.pth", "model.safetensors"])
def test_flair_answers_as_its_public_code_does(tmp_path, reference, name, monkeypatch):
    monkeypatch.setenv("RETIZERO_MODELS_DIR", str(tmp_path))
    write(tmp_path / "flair", reference.tensors(), name)
    model = load_model("flair", "cpu")
    smooth = np.linspace(0, 1, 90 * 70 * 3).reshape(90, 70, 3)
    picture = np.asarray(127 + 120 * np.sin(smooth * 9), np.uint8)
    image = model.encode_images(model.preprocess(picture)[None])
    # The reference resizes floats, ours the 8-bit picture: half a grey level of difference in pixels.
    assert np.abs(image - reference.embed_image(picture)).max() < 5e-3
    ids = [PIECES.index(piece) for piece in ("[CLS]", "a", "fundus", "photograph", "of", "normal", "[SEP]")]
    words = model.encode_texts(["A fundus photograph of normal", "A fundus photograph of retinal detachment"])
    assert np.abs(words[0] - reference.embed_text(ids)[0]).max() < 1e-5
    assert model.logit_scale == pytest.approx(100, rel=1e-3)  # clamped, as its code does
    assert model.identity.preprocess["crop"] == "corner"
    assert model.identity.licence.startswith("Apache-2.0")


def test_a_file_that_is_not_quite_flair_is_refused_by_name(tmp_path, reference):
    tensors = reference.tensors()
    renamed = {**tensors, "vision_model.model.conv9.weight": tensors["vision_model.model.conv1.weight"]}
    del renamed["vision_model.model.conv1.weight"]
    with pytest.raises(
        CheckpointMismatch, match=r"missing vision_model.model.conv1.weight.*unexpected .*conv9"
    ):
        load_model(write(tmp_path / "renamed", renamed), "cpu")
    older = {**tensors, "text_model.model.embeddings.position_ids": torch.arange(90)[None]}
    assert load_model(write(tmp_path / "older", older), "cpu").identity.id == "flair"


def test_flair_without_its_tokenizer_says_what_is_missing(tmp_path, reference):
    folder = write(tmp_path / "flair", reference.tensors())
    (folder / "vocab.txt").unlink()
    with pytest.raises(ModelError, match=r"put the vocab.txt of emilyalsentzer/Bio_ClinicalBERT"):
        load_model(folder, "cpu")
