"""Evidence in a convolutional tower: a class activation map of its last features."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from retizero.model.errors import ModelError

# What towers call the layer that pools their last features: timm, open_clip's ResNets, torchvision.
_POOLING = ("global_pool", "attnpool", "avgpool")


@contextmanager
def recorded_features(tower: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the features that a tower pools while the block runs.

    Yields:
        A list that fills with (N, C, H, W), once per pass; the graph starts there.

    Raises:
        ModelError: The tower has no such layer.
    """
    pooling = [module for name, module in tower.named_modules() if name.rsplit(".", 1)[-1] in _POOLING]
    if not pooling:
        raise ModelError("This image tower neither attends nor pools features; it has no evidence map.")
    features: list[Tensor] = []

    def keep(_module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        leaf = given[0].detach().requires_grad_()
        features.append(leaf)
        return (leaf, *given[1:])

    hook = pooling[-1].register_forward_pre_hook(keep)
    try:
        yield features
    finally:
        hook.remove()


def activation_map(features: Tensor, score: Tensor) -> Tensor:
    """How much each place of the last features raises a score (Grad-CAM, Selvaraju et al. 2017).

    Channels are weighted by the mean of their gradient. Where mean pooling and a linear head follow, as in
    the embedded model, this is the class activation map of Zhou et al. (2016).

    Args:
        features: (N, C, H, W), leaf of the score's graph.
        score: What is explained, one number.

    Returns:
        (N, H, W), not negative, no unit.
    """
    if features.ndim != 4:
        raise ModelError("The last features of this image tower are no map; it has no evidence map.")
    (gradient,) = torch.autograd.grad(score, features)
    weights = gradient.float().mean(dim=(2, 3), keepdim=True)
    return (weights * features.detach().float()).sum(dim=1).clamp(min=0)
