"""An EfficientNet image tower cut in two: stages that stay frozen, and stages that learn."""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from retizero.model.device import computes_in_bfloat16
from retizero.model.errors import ModelError

STAGES = 7


class ImageStages:
    """View of an open_clip image tower (timm EfficientNet) as a frozen front and a trainable back.

    Args:
        visual: open_clip's ``TimmModel``; its parameters are shared, nothing is copied.
        frozen: How many of the seven stages belong to the front; 7 leaves only the head.

    Raises:
        ModelError: There are not so many stages, or the tower is no single EfficientNet.
    """

    def __init__(self, visual: nn.Module, frozen: int) -> None:
        if not 0 <= frozen <= STAGES:
            raise ModelError(f"Frozen stages must be 0 to {STAGES}, not {frozen}.")
        trunk = getattr(visual, "trunk", None)
        if not hasattr(trunk, "conv_stem"):
            raise ModelError("This image tower is no single EfficientNet; it cannot be trained in stages.")
        trunk = cast(Any, trunk)
        self.front = nn.Sequential(trunk.conv_stem, trunk.bn1, *list(trunk.blocks)[:frozen])
        self.back = nn.Sequential(
            *list(trunk.blocks)[frozen:],
            trunk.conv_head,
            trunk.bn2,
            trunk.global_pool,
            cast(Any, visual).head,
        )

    @torch.no_grad()
    def activations(self, pixels: Tensor) -> Tensor:
        """Run the frozen front on (N, 3, S, S), in bfloat16 where that is fast; (N, C, H, W) out."""
        self.front.eval()
        fast = computes_in_bfloat16(pixels.device)
        # A processor's cache holds the wide early activations of two photographs, not of many.
        parts = torch.split(pixels, 2 if pixels.device.type == "cpu" else len(pixels))
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=fast):
            return torch.cat(
                [self.front(part.contiguous(memory_format=torch.channels_last)) for part in parts]
            )
