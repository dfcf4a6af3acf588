"""What learns: image stages, text projection and logit scale; and their averaged copy."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from retizero.model.device import computes_in_bfloat16


class Learner(nn.Module):
    """What learns: the back of the image tower, the text projection and the logit scale.

    Args:
        back: Activations of the frozen stages to (N, D) image embeddings.
        text_projection: Text features to (P, D).
        logit_scale: Logarithm of the scale of logits, scalar.
    """

    def __init__(self, back: nn.Module, text_projection: nn.Module, logit_scale: nn.Parameter) -> None:
        super().__init__()
        self.back = back
        self.text_projection = text_projection
        self.logit_scale = logit_scale

    def images(self, activations: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D) float32, unit norm; convolutions in bfloat16 where that is fast."""
        device = activations.device
        with torch.autocast(device.type, torch.bfloat16, enabled=computes_in_bfloat16(device)):
            embeddings = self.back(activations.contiguous(memory_format=torch.channels_last))
        return normalize(embeddings.float(), dim=-1)

    def texts(self, features: Tensor) -> Tensor:
        """(P, F) to (P, D), unit norm."""
        return normalize(self.text_projection(features), dim=-1)


@torch.no_grad()
def move_average(average: Learner, learner: Learner, decay: float) -> None:
    """Move averaged weights towards the learner's: ``average = decay * average + (1 - decay) * learner``."""
    for kept, new in zip(average.state_dict().values(), learner.state_dict().values(), strict=True):
        if kept.is_floating_point():
            kept.lerp_(new, 1 - decay)
        else:
            kept.copy_(new)
