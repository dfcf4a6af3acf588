"""An exponential moving average of the weights that learn (Polyak averaging)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor


class AveragedWeights:
    """A second set of weights: ``average = decay * average + (1 - decay) * weights`` after every step.

    Early on the decay is at most ``(1 + steps) / (10 + steps)``, so that the start is forgotten soon.

    Args:
        weights: The weights to follow, by name; sharded ones are followed shard by shard.
        decay: Per step.
    """

    def __init__(self, weights: dict[str, Tensor], decay: float) -> None:
        self._weights, self._decay = weights, decay
        self.values = {name: tensor.detach().clone() for name, tensor in weights.items()}

    @torch.no_grad()
    def follow(self, steps: int) -> None:
        """Move towards the weights after ``steps`` steps."""
        decay = min(self._decay, (1 + steps) / (10 + steps))
        for name, kept in self.values.items():
            new = self._weights[name].detach()
            if kept.is_floating_point():
                kept.mul_(decay).add_(new, alpha=1 - decay)
            else:
                kept.copy_(new)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the averages where the weights are; inside the block the network computes with them."""
        own = {name: tensor.detach().clone() for name, tensor in self._weights.items()}
        with torch.no_grad():
            for name, tensor in self._weights.items():
                tensor.copy_(self.values[name])
        try:
            yield
        finally:
            with torch.no_grad():
                for name, tensor in self._weights.items():
                    tensor.copy_(own[name])
