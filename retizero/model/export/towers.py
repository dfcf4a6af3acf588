"""Towers on their way out of PyTorch, and towers that run outside it."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from retizero.model.dual_encoder import DualEncoder
from retizero.model.errors import ModelError
from retizero.model.export.formats import Run


class ImageSide(nn.Module):
    """The image tower as one function of pixels."""

    def __init__(self, model: DualEncoder) -> None:
        super().__init__()
        self.towers = model.network

    def forward(self, pixels: Tensor) -> Tensor:
        """Return (N, D), unit norm."""
        return nn.functional.normalize(self.towers.encode_image(pixels).float(), dim=-1)


class TextSide(nn.Module):
    """The text tower as one function of token ids."""

    def __init__(self, model: DualEncoder) -> None:
        super().__init__()
        self.towers = model.network

    def forward(self, ids: Tensor) -> Tensor:
        """Return (N, D), unit norm."""
        return nn.functional.normalize(self.towers.encode_text(ids).float(), dim=-1)


class ExportedTowers:
    """Two opened files in the place of a network.

    Args:
        image: From (N, 3, S, S) float32 to (N, D).
        text: From (N, L) int64 to (N, D); None without a text side.
        logit_scale: Logarithm of the factor on cosines.
    """

    def __init__(self, image: Run, text: Run | None, logit_scale: float) -> None:
        self.logit_scale = torch.tensor(logit_scale)
        self._image, self._text = image, text

    def encode_image(self, image: Tensor) -> Tensor:
        """Return (N, D) image embeddings."""
        return torch.from_numpy(self._image(image.contiguous().numpy()))

    def encode_text(self, text: Tensor) -> Tensor:
        """Return (N, D) text embeddings of (N, L) token ids."""
        return torch.from_numpy(cast(Run, self._text)(text.numpy()))


class ExportedEncoder(DualEncoder):
    """A dual encoder whose towers run outside PyTorch."""

    @property
    def image_tower(self) -> nn.Module:
        """There is none that could be looked into.

        Raises:
            ModelError: Always.
        """
        raise ModelError(
            f"An exported {self.identity.id} ranks and searches but cannot show its evidence; "
            "load the model it was made from for that."
        )
