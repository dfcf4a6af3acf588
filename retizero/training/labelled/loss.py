"""The loss of a step: photographs against captions of the batch, and against one prototype per label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from retizero.training.labelled.learner import Learner
from retizero.training.labelled.prompts import PromptFeatures
from retizero.training.labelled.recipe import LabelLosses
from retizero.training.losses import clip_loss, evidential_loss, siglip_loss, soft_cross_entropy

_SIGLIP_BIAS = -10.0  # of the paper's start (Zhai et al. 2023)
_TEXTS = 256  # prompts of a step that are held against the whole catalogue


@dataclass(frozen=True)
class Aims:
    """What the photographs of a step show.

    Attributes:
        labels: (N, K) 0/1, or shares of blended photographs.
        target: (N, K) distribution over labels, rows sum to 1.
    """

    labels: Tensor
    target: Tensor

    def blended(self, share: float) -> Aims:
        """Blend each row with the row before it: ``share`` of itself, the rest of the other."""
        return Aims(blended(self.labels, share), blended(self.target, share))


def blended(rows: Tensor, share: float) -> Tensor:
    """Blend each row with the row before it: ``share`` of itself, the rest of the other."""
    return share * rows + (1 - share) * rows.roll(1, dims=0)


def prototype_targets(labels: Tensor, primary: Tensor, smoothing: float, secondary: float) -> Tensor:
    """Target distribution over labels, (N, K), rows sum to 1.

    Args:
        labels: (N, K) 0/1, the primary label included.
        primary: (N,) index of the primary label.
        smoothing: Share spread evenly over all labels.
        secondary: Share of the rest that goes to further labels, where a row has any.
    """
    first = one_hot(primary, labels.shape[1]).to(labels.dtype)
    others = labels * (1 - first)
    number = others.sum(dim=1, keepdim=True)
    share = secondary * (number > 0)
    target = (1 - share) * first + share * others / number.clamp_min(1)
    return (1 - smoothing) * target + smoothing / labels.shape[1]


class LabelLoss:
    """Terms of the loss, by name.

    Args:
        weights: How much each term counts; a term of weight 0 is not computed.
        prompts: Text features of every prompt.
        labels: (N, K) 0/1 of all photographs. A label that none of them shows is no wrong answer to learn:
            that would push a disease never seen away from every photograph.
    """

    def __init__(self, weights: LabelLosses, prompts: PromptFeatures, labels: NDArray[np.float32]) -> None:
        self._weights, self._prompts = weights, prompts
        self._occurring = torch.from_numpy(np.flatnonzero(labels.any(axis=0))).to(prompts.owner.device)
        self._diseases = int(prompts.owner.max()) + 1

    def __call__(
        self, learner: Learner, images: Tensor, aims: Aims, spoken: Tensor, captions: Tensor, epoch: int
    ) -> dict[str, Tensor]:
        """Compute the weighted terms and ``loss``, their sum.

        Args:
            learner: Embeds prompts, has the logit scale.
            images: (N, D) embeddings, unit norm.
            aims: What they show.
            spoken: (N,) label that each one's caption speaks of.
            captions: (N,) which prompt that is.
            epoch: Counted from 1.
        """
        scale = learner.logit_scale.exp()
        terms = {
            **self._in_the_batch(learner, scale, images, aims.labels[:, spoken].T, captions, epoch),
            **self._among_labels(learner, scale, images, aims.target),
        }
        return {**terms, "loss": torch.stack(list(terms.values())).sum()}

    def _in_the_batch(
        self, learner: Learner, scale: Tensor, images: Tensor, shown: Tensor, captions: Tensor, epoch: int
    ) -> dict[str, Tensor]:
        """Terms of captions against the photographs of the batch; ``shown`` (N, N): what each speaks of."""
        weights, terms = self._weights, {}
        if not (weights.clip or weights.siglip or weights.evidential):
            return {}
        per_text = scale * learner.texts(self._prompts.features[captions]) @ images.T
        positives = shown if weights.identical else torch.eye(len(images), device=images.device)
        if weights.clip:
            terms["clip"] = weights.clip * clip_loss(per_text, positives=positives)
        if weights.siglip:
            terms["siglip"] = weights.siglip * siglip_loss(per_text + _SIGLIP_BIAS, positives)
        if weights.evidential:
            terms["evidential"] = weights.evidential * evidential_loss(per_text, epoch)
        return terms

    def _among_labels(
        self, learner: Learner, scale: Tensor, images: Tensor, target: Tensor
    ) -> dict[str, Tensor]:
        """Terms of photographs and of prompts against one prototype per disease."""
        weights, prompts, terms = self._weights, self._prompts, {}
        if not (weights.prototype or weights.text):
            return {}
        prototypes = prompts.prototypes(learner, self._diseases)
        if weights.prototype:
            logits = scale * images @ prototypes[self._occurring].T
            terms["prototype"] = weights.prototype * soft_cross_entropy(logits, target[:, self._occurring])
        if weights.text:
            some = torch.randint(len(prompts.owner), (_TEXTS,)).to(images.device)
            logits = scale * learner.texts(prompts.features[some]) @ prototypes.T
            terms["text"] = weights.text * cross_entropy(logits, prompts.owner[some])
        return terms
