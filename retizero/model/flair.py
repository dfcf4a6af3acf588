"""FLAIR (Silva-Rodriguez et al., Medical Image Analysis 99:103357, 2025): ResNet-50 and Bio_ClinicalBERT.

RetiZero's text tower and projections have FLAIR's form, so only the image tower is new here. The layout of
the file and the preprocessing are those of the public code (github.com/jusiro/FLAIR): a flat dictionary of
``vision_model.model.*`` (torchvision's ResNet-50 without classifier), ``text_model.model.*``, two projections
and ``logit_scale``; pixels in 0..1, not normalised further, in the upper left of a black 512-pixel canvas.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from timm.models.resnet import Bottleneck, ResNet
from torch import Tensor, nn

from retizero.data import Preprocess
from retizero.model.convert import tokenizer_beside
from retizero.model.dual_encoder import DualEncoder
from retizero.model.errors import ModelError
from retizero.model.identity import ModelIdentity, sha256_of
from retizero.model.release_checkpoint import fill_strictly, read_tensors
from retizero.model.retizero.config import BIO_CLINICAL_BERT, read_json_object
from retizero.model.retizero.network import MAX_LOGIT_SCALE
from retizero.model.retizero.projection import Projection
from retizero.model.retizero.self_check import check_encoder, require_finite
from retizero.model.retizero.text_tower import TextTower
from retizero.model.retizero.tokenizer import read_tokenizer, require_vocabulary

FILES = ("flair_resnet.pth", "model.safetensors")  # of the authors' archive, and of their Hugging Face folder
_ITS_OWN = "vision_model.model.layer1.0.conv1.weight"
_CONSTANT = "text_model.model.embeddings.position_ids"  # written by older versions of transformers
_NAMES = (
    ("visual.resnet.", "vision_model.model."),
    ("visual.projection.", "vision_model.projection_head_vision."),
    ("text.bert.", "text_model.model."),
    ("text.projection.", "text_model.projection_head_text."),
)
_TRAINED_ON = (
    "public fundus data sets, labels put into words; listed in the README of github.com/jusiro/FLAIR"
)
_LICENCE = "Apache-2.0 (code and weights, says the authors' README)"


@dataclass(frozen=True)
class FlairConfig:
    """Sizes; the published ones are the defaults.

    Attributes:
        layers: Bottleneck blocks of each stage of the ResNet.
        channels: Base width of each stage.
        bert: Hugging Face ``BertConfig`` values.
        embed_dim: Length of the joint embedding.
        image_size: Side of the input in pixels.
    """

    layers: tuple[int, ...] = (3, 4, 6, 3)
    channels: tuple[int, ...] = (64, 128, 256, 512)
    bert: Mapping[str, Any] = field(default_factory=lambda: dict(BIO_CLINICAL_BERT))
    embed_dim: int = 512
    image_size: int = 512

    @classmethod
    def beside(cls, weights: Path) -> FlairConfig:
        """The sizes in a JSON file beside the weights (``flair_resnet.json``); the published ones without.

        Raises:
            ModelError: The file is not JSON, or has entries of other names.
        """
        path = weights.with_suffix(".json")
        if not path.is_file():
            return cls()
        try:
            return cls(**read_json_object(path, "model config"))
        except TypeError as error:
            raise ModelError(f"{path} has entries that FLAIR's sizes do not have.") from error


class _ImageTower(nn.Module):
    def __init__(self, config: FlairConfig) -> None:
        super().__init__()
        layers, channels = tuple(config.layers), tuple(config.channels)
        self.resnet = ResNet(cast(Any, Bottleneck), layers, channels=channels, num_classes=0)
        self.projection = Projection(Bottleneck.expansion * channels[-1], config.embed_dim)

    def forward(self, pixels: Tensor) -> Tensor:
        return cast(Tensor, self.projection(self.resnet(pixels)))


class Flair(nn.Module):
    """Both towers and the logit scale.

    Args:
        config: Sizes.
    """

    def __init__(self, config: FlairConfig) -> None:
        super().__init__()
        self.visual = _ImageTower(config)
        self.text = TextTower(config.bert, config.embed_dim)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Embed (N, 3, S, S) pixels in 0..1: (N, D), unit norm."""
        return cast(Tensor, self.visual(pixels))

    def encode_text(self, ids: Tensor) -> Tensor:
        """Embed (N, L) token ids without padding, as in a call of one prompt: (N, D), unit norm."""
        return cast(Tensor, self.text(ids))


def find_flair(path: Path) -> Path | None:
    """The file of FLAIR's weights that a path is or holds, told by a tensor of its own; None without."""
    files = [path] if path.is_file() else [path / name for name in FILES if (path / name).is_file()]
    return next((file for file in files if _ITS_OWN in _names_in(file)), None)


def read_flair(weights: Path, device: torch.device) -> DualEncoder:
    """Load FLAIR's file strictly, with the tokenizer of Bio_ClinicalBERT that lies beside it.

    Raises:
        CheckpointMismatch: Anything is missing, unexpected or of another shape.
        ModelError: The file cannot be read, or there is no tokenizer beside it.
    """
    folder = tokenizer_beside(weights)
    if folder is None:
        raise ModelError(
            "FLAIR's text side needs the tokenizer of Bio_ClinicalBERT: put the vocab.txt of "
            f"emilyalsentzer/Bio_ClinicalBERT (Hugging Face) beside {weights}."
        )
    config = FlairConfig.beside(weights)
    with torch.device("meta"):
        network = Flair(config)
    network.to_empty(device="cpu")
    network.text.renew_buffers()
    stored = {name: value for name, value in _tensors(weights).items() if name != _CONSTANT}
    fill_strictly(network, stored, weights, _name_in_file)
    require_finite(network, weights.name)
    network.logit_scale.data.clamp_(0, MAX_LOGIT_SCALE)  # as the authors do before every use
    network.eval().requires_grad_(False).to(device)
    tokenizer = read_tokenizer(folder)
    require_vocabulary(tokenizer, int(config.bert["vocab_size"]))
    encoder = DualEncoder(network, tokenizer, _identity(config, sha256_of(weights)), 77, device)
    check_encoder(encoder, has_text=True)
    return encoder


def _identity(config: FlairConfig, sha256: str) -> ModelIdentity:
    return ModelIdentity(
        id="flair",
        title="FLAIR",
        architecture=f"ResNet {sum(config.layers) * 3 + 2}; BERT {config.bert['num_hidden_layers']} layers",
        embed_dim=config.embed_dim,
        preprocess=Preprocess(config.image_size, (0, 0, 0), (1, 1, 1), "corner").to_dict(),
        weights_sha256=sha256,
        pooling="mean over tokens, never over padding",
        trained_on=_TRAINED_ON,
        licence=_LICENCE,
    )


def _name_in_file(own: str) -> str:
    return next((theirs + own.removeprefix(ours) for ours, theirs in _NAMES if own.startswith(ours)), own)


def _names_in(file: Path) -> frozenset[str]:
    if file.suffix != ".safetensors":
        return frozenset(map(str, read_tensors(file)))
    try:
        with safe_open(file, "pt") as opened:
            return frozenset(opened.keys())
    except (SafetensorError, OSError):
        return frozenset()


def _tensors(file: Path) -> dict[str, Any]:
    try:
        return load_file(file) if file.suffix == ".safetensors" else read_tensors(file)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{file} is not a safetensors file that can be read.") from error
