"""One step of pretraining on labelled photographs, and the validation of its weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retizero.training.labelled.examples import Batch
from retizero.training.labelled.learner import Learner
from retizero.training.labelled.loss import Aims, LabelLoss, blended, prototype_targets
from retizero.training.labelled.prompts import PromptFeatures
from retizero.training.labelled.recipe import LabelLosses
from retizero.training.ranked_scores import ranked_scores
from retizero.training.running.loss_scale import LossScale

MAX_LOGIT_SCALE = math.log(100)
_PART = 64

Front = Callable[[Tensor], Tensor]
"""What the frozen image stages make of views; the views themselves where they were kept as activations."""


class LabelObjective:
    """Loss and validation of a run.

    Args:
        learner: What learns.
        front: Runs before it, without gradients.
        labels: (N, K) 0/1 of all photographs.
        primary: (N,) index of each one's primary label.
        prompts: Text features of every prompt, on the learner's device.
        weights: How much each term of the loss counts.
        mixup: Photographs are blended in shares from Beta(mixup, mixup); 0 for none.
        score: Validates the weights that are in the learner.
    """

    def __init__(
        self,
        learner: Learner,
        front: Front,
        labels: NDArray[np.float32],
        primary: NDArray[np.int64],
        prompts: PromptFeatures,
        weights: LabelLosses,
        mixup: float,
        score: Callable[[], dict[str, float]],
    ) -> None:
        self._learner, self._front, self._score = learner, front, score
        self._device = learner.logit_scale.device
        self._labels = torch.from_numpy(labels).to(self._device)
        self._primary = torch.from_numpy(primary).to(self._device)
        self._loss = LabelLoss(weights, prompts, labels)
        self._weights, self._mixup = weights, mixup

    def backward(self, batch: Batch, epoch: int, scaler: LossScale) -> dict[str, Tensor]:
        """Leave gradients of one batch in the weights; return the losses."""
        self._learner.train()
        batch = batch.to(self._device)
        views = self._front(batch.views)
        labels, primary = self._labels[batch.rows], self._primary[batch.rows]
        target = prototype_targets(labels, primary, self._weights.smoothing, self._weights.secondary)
        aims = Aims(labels, target)
        if self._mixup:
            share = float(torch.distributions.Beta(self._mixup, self._mixup).sample())
            views, aims = blended(views, share), aims.blended(share)
        images = self._learner.images(views)
        losses = self._loss(self._learner, images, aims, batch.spoken, batch.captions, epoch)
        scaler.scale(losses["loss"]).backward()  # type: ignore[no-untyped-call]
        return {name: loss.detach() for name, loss in losses.items()}

    def settle(self) -> None:
        """Keep the scale of the logits within its bounds."""
        with torch.no_grad():
            self._learner.logit_scale.clamp_(0, MAX_LOGIT_SCALE)

    def evaluate(self) -> dict[str, float]:
        """Score the weights that are in the learner now."""
        self._learner.eval()
        return self._score()


def validation(
    learner: Learner,
    activations: NDArray[np.float16],
    primary: NDArray[np.int64],
    prompts: PromptFeatures,
    count: int,
) -> Callable[[], dict[str, float]]:
    """Return a function that scores a learner by text prompts on held-out activations (N, 1, C, H, W).

    Scores are NaN where the weights do not fit into half precision, in which they are written, or where
    embeddings have lost their unit norm, as those of weights that overflow have.
    """
    device = learner.logit_scale.device

    @torch.inference_mode()
    def score() -> dict[str, float]:
        prototypes = prompts.prototypes(learner, count)
        parts = [
            learner.images(
                torch.from_numpy(activations[start : start + _PART, 0].astype(np.float32)).to(device)
            )
            for start in range(0, len(activations), _PART)
        ]
        embeddings = torch.cat(parts)
        order = (embeddings @ prototypes.T).argsort(dim=1, descending=True).cpu().numpy()
        scores = ranked_scores(order == primary[:, None], primary)
        whole = all(bool((each.norm(dim=1) > 0.5).all()) for each in (embeddings, prototypes))
        whole = whole and all(bool(each.isfinite().all()) for each in as_written(learner))
        return scores if whole else dict.fromkeys(scores, math.nan)

    return score


def as_written(learner: Learner) -> Iterator[Tensor]:
    """Weights as a model folder holds them, in half precision, where large ones become infinite."""
    for weight in learner.state_dict().values():
        yield weight.half() if weight.is_floating_point() else weight
