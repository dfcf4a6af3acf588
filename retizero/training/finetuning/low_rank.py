"""Low-rank updates for fine-tuning: of attention's query and value, or of pointwise convolutions."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn

from retizero.model.image_towers import TowerFeatures
from retizero.model.retizero.lora import QueryValueLora
from retizero.training.errors import ConfigError


class PointwiseLora(nn.Module):
    """A 1 x 1 convolution with a low-rank update: ``W x + B A x``; A random, B zero at the start.

    Args:
        convolution: 1 x 1, not grouped.
        rank: Of the update.
    """

    def __init__(self, convolution: nn.Conv2d, rank: int) -> None:
        super().__init__()
        self.convolution = convolution
        stride = cast(tuple[int, int], convolution.stride)
        self.a = nn.Conv2d(convolution.in_channels, rank, 1, stride, bias=False)
        self.b = nn.Conv2d(rank, convolution.out_channels, 1, bias=False)
        nn.init.kaiming_uniform_(self.a.weight, a=math.sqrt(5))
        nn.init.zeros_(self.b.weight)

    def forward(self, pixels: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, D, H, W)."""
        return cast(Tensor, self.convolution(pixels) + self.b(self.a(pixels)))

    @torch.no_grad()
    def folded(self) -> nn.Conv2d:
        """Return one convolution that computes the same."""
        update = self.b.weight.double()[:, :, 0, 0] @ self.a.weight.double()[:, :, 0, 0]
        weight = self.convolution.weight.double() + update[:, :, None, None]
        self.convolution.weight.copy_(weight.to(self.convolution.weight.dtype))
        return self.convolution


def add_low_rank(tower: TowerFeatures, rank: int) -> set[str]:
    """Freeze a tower and put low-rank updates into it, in place.

    Transformers get them in query and value of every block (``QueryValueLora``, as RetiZero), convolutional
    towers in their pointwise convolutions.

    Returns:
        Names of the parameters that learn.

    Raises:
        ConfigError: The tower has neither.
    """
    tower.requires_grad_(False)
    for module in list(tower.modules()):
        for name, child in list(module.named_children()):
            if name == "qkv" and isinstance(child, nn.Linear):
                setattr(module, name, QueryValueLora(child, rank))
    if not _updates(tower):
        for module in list(tower.modules()):
            for name, child in list(module.named_children()):
                if _is_pointwise(child):
                    setattr(module, name, PointwiseLora(cast(nn.Conv2d, child), rank))
    if not _updates(tower):
        raise ConfigError("LoRA finds no attention and no pointwise convolution in this tower; use full.")
    return {name for name, parameter in tower.named_parameters() if parameter.requires_grad}


def fold_low_rank(tower: TowerFeatures) -> None:
    """Fold every update into its weight, in place; the function stays the same."""
    for module in list(tower.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, QueryValueLora | PointwiseLora):
                setattr(module, name, child.folded())


def _updates(tower: nn.Module) -> list[nn.Module]:
    return [module for module in tower.modules() if isinstance(module, QueryValueLora | PointwiseLora)]


def _is_pointwise(module: nn.Module) -> bool:
    return isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.groups == 1
