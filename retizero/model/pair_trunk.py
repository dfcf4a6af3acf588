"""Two image trunks of one kind side by side, as one trunk that timm and open_clip build by its name.

Their last features are stacked channel on channel and pooled together, so that one linear head reads both:
the sum of two projections, an ensemble in one embedding. Weights come from a model folder, never from a hub.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from timm.layers.adaptive_avgmax_pool import SelectAdaptivePool2d
from timm.models import create_model, is_model, register_model
from torch import Tensor, nn

_PAIR_OF = "pair_of_"


def pair_name(name: str) -> str:
    """Return timm's name for a pair of the trunk that it knows as ``name``."""
    return _PAIR_OF + name


def is_pair(name: str) -> bool:
    """Whether a name is one of ``pair_name``."""
    return name.startswith(_PAIR_OF)


def know_pair(name: str) -> None:
    """Make a name of ``pair_name`` known to timm; other names are left alone."""
    if not is_pair(name) or is_model(name):
        return

    def build(
        pretrained: bool = False, num_classes: int = 0, global_pool: str = "avg", **_: object
    ) -> PairTrunk:
        return PairTrunk(name.removeprefix(_PAIR_OF), global_pool)

    build.__name__ = name
    register_model(build)


class PairTrunk(nn.Module):
    """Both trunks look at the same pixels.

    Args:
        name: timm's name of either trunk, a convolutional one.
        global_pool: timm's name of the pooling.
    """

    def __init__(self, name: str, global_pool: str = "avg") -> None:
        super().__init__()
        first, second = (cast(Any, create_model(name, num_classes=0, global_pool="")) for _ in range(2))
        self.first, self.second = first, second
        self.num_features = int(first.num_features + second.num_features)
        self.default_cfg = dict(first.default_cfg)
        self.reset_classifier(0, global_pool)

    def reset_classifier(self, num_classes: int, global_pool: str = "avg") -> None:
        """Choose the pooling, as open_clip asks of every trunk.

        Raises:
            ValueError: A classifier is asked for.
        """
        if num_classes:
            raise ValueError("A pair of trunks has no classifier of its own.")
        self.global_pool = SelectAdaptivePool2d(pool_type=global_pool, flatten=True)

    def forward_features(self, pixels: Tensor) -> Tensor:
        """(N, 3, S, S) to (N, 2 C, H, W)."""
        return torch.cat([self.first.forward_features(pixels), self.second.forward_features(pixels)], dim=1)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, S, S) to (N, 2 C)."""
        return cast(Tensor, self.global_pool(self.forward_features(pixels)))
