"""The dual encoder as one network, and the image classifier that the release's fine-tuning makes of it."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from retizero.model.retizero.config import ImageTowerConfig, Pooling, RetiZeroConfig
from retizero.model.retizero.image_tower import ImageTower, VisionTower
from retizero.model.retizero.text_tower import TextTower

MAX_LOGIT_SCALE = 4.6052  # log 100


class RetiZero(nn.Module):
    """Image tower, text tower, logit scale.

    Args:
        config: Sizes; the defaults are the published model.
    """

    def __init__(self, config: RetiZeroConfig) -> None:
        super().__init__()
        self.config = config
        self.image = ImageTower(config.vit, config.embed_dim)
        self.text = TextTower(config.bert, config.embed_dim)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    @classmethod
    def without_weights(cls, config: RetiZeroConfig) -> RetiZero:
        """Build with unset weights, for loading: no time is spent on random numbers."""
        with torch.device("meta"):
            network = cls(config)
        network.to_empty(device="cpu")
        network.text.renew_buffers()
        return network

    def encode_image(self, pixels: Tensor) -> Tensor:
        """Embed (N, 3, S, S) pixels: (N, D), unit norm."""
        return cast(Tensor, self.image(pixels))

    def encode_text(self, ids: Tensor, mask: Tensor | None = None, pooling: Pooling | None = None) -> Tensor:
        """Embed (N, L) token ids: (N, D), unit norm; pooling as the config says unless given."""
        return cast(Tensor, self.text(ids, mask, pooling or self.config.pooling))

    def logits_per_image(self, image_embeds: Tensor, text_embeds: Tensor) -> Tensor:
        """Scaled cosine similarities (N, K) of (N, D) and (K, D); the scale is clamped to [0, log 100]."""
        return self.logit_scale.clamp(0, MAX_LOGIT_SCALE).exp() * image_embeds @ text_embeds.t()

    def fold(self) -> None:
        """Fold the LoRA updates into the weights."""
        self.image.fold()


class RetiZeroClassifier(nn.Module):
    """Vision tower with a linear classifier, as the release's fine-tuning builds it.

    Args:
        vit: Sizes of the vision tower.
        classes: Number of classes.
    """

    def __init__(self, vit: ImageTowerConfig, classes: int) -> None:
        super().__init__()
        self.image = VisionTower(vit)
        self.classifier = nn.Linear(vit.embed_dim, classes)

    @classmethod
    def without_weights(cls, vit: ImageTowerConfig, classes: int) -> RetiZeroClassifier:
        """Build with unset weights, for loading."""
        with torch.device("meta"):
            network = cls(vit, classes)
        return network.to_empty(device="cpu")

    def forward(self, pixels: Tensor) -> Tensor:
        """Return class logits (N, C) of (N, 3, S, S) pixels."""
        return cast(Tensor, self.classifier(self.image.features(pixels)))

    def fold(self) -> None:
        """Fold the LoRA updates into the weights."""
        self.image.fold()
