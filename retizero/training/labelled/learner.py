"""What learns: image stages, text projection and logit scale."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from retizero.training.labelled.recipe import StagedOptimiser
from retizero.training.running.precision import autocast


class Learner(nn.Module):
    """What learns: the back of the image tower, the text projection and the logit scale.

    Args:
        back: Activations of the frozen stages to (N, D) image embeddings.
        text_projection: Text features to (P, D).
        logit_scale: Logarithm of the scale of logits, scalar.
        precision: Of the image stages' products, as in ``Compute``.
    """

    def __init__(
        self, back: nn.Module, text_projection: nn.Module, logit_scale: nn.Parameter, precision: str = "fp32"
    ) -> None:
        super().__init__()
        self.back = back
        self.text_projection = text_projection
        self.logit_scale = logit_scale
        self._precision = precision

    def images(self, activations: Tensor) -> Tensor:
        """(N, C, H, W) to (N, D) float32, unit norm."""
        with autocast(self._precision, activations.device):
            embeddings = self.back(activations.contiguous(memory_format=torch.channels_last))
        return normalize(embeddings.float(), dim=-1)

    def texts(self, features: Tensor) -> Tensor:
        """(P, F) to (P, D), unit norm."""
        return normalize(self.text_projection(features), dim=-1)


def heads_of(learner: Learner) -> set[str]:
    """Names of the parameters that are no pretrained stage: projections and logit scale."""
    staged = {id(p) for stage in _stages(learner) for p in stage.parameters()}
    return {name for name, p in learner.named_parameters() if id(p) not in staged}


def depth_factors(learner: Learner, rules: StagedOptimiser) -> dict[str, float]:
    """Factor of the learning rate by parameter: 1 in the last stage, ``layer_decay`` times that before it."""
    names = {id(p): name for name, p in learner.named_parameters()}
    return {
        names[id(p)]: rules.layer_decay**above
        for above, stage in enumerate(reversed(_stages(learner)))
        for p in stage.parameters()
    }


def _stages(learner: Learner) -> list[nn.Module]:
    """Pretrained children that have weights; the last child is the image projection."""
    return [stage for stage in list(learner.back.children())[:-1] if any(True for _ in stage.parameters())]
