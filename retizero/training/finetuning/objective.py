"""One step of fine-tuning: the gradients of a whole batch, however small the parts it is computed in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from retizero.model.image_classifier import ImageClassifier
from retizero.training.running.loss_scale import LossScale
from retizero.training.running.precision import autocast
from retizero.training.running.settings import Compute
from retizero.training.running.world import World, exchanging


def class_weights(classes: NDArray[np.int64], count: int, how: str) -> NDArray[np.float32]:
    """Weight of each class in the loss, (K,), one on average over the photographs.

    Args:
        classes: (N,) class of each photograph.
        count: K.
        how: ``none``, ``sqrt`` or ``balanced``.

    >>> class_weights(np.array([0, 0, 0, 0, 1]), 2, "sqrt").round(3).tolist()
    [0.833, 1.667]
    """
    power = {"none": 0.0, "sqrt": 0.5, "balanced": 1.0}[how]
    weights = np.maximum(np.bincount(classes, minlength=count), 1).astype(float) ** -power
    return np.asarray(weights / weights[classes].mean(), np.float32)


class ClassifierObjective:
    """Weighted cross entropy with label smoothing.

    Args:
        network: What learns.
        module: ``network`` as it is called: itself, or spread over processes.
        weights: (K,) of the classes.
        smoothing: Label smoothing.
        compute: Precision and size of the parts.
        world: The processes.
        moving_norms: Whether batch norms follow the batches; not where the tower does not learn wholly.
        score: Validates the weights that are in the network.
    """

    def __init__(
        self,
        network: ImageClassifier,
        module: nn.Module,
        weights: NDArray[np.float32],
        smoothing: float,
        compute: Compute,
        world: World,
        moving_norms: bool,
        score: Callable[[], dict[str, float]],
    ) -> None:
        self._network, self._module = network, module
        self._weights = torch.from_numpy(weights).to(world.device)
        self._smoothing, self._compute, self._world = smoothing, compute, world
        self._moving_norms, self._score = moving_norms, score

    def backward(self, batch: tuple[Tensor, Tensor], epoch: int, scaler: LossScale) -> dict[str, Tensor]:
        """Leave gradients of one batch in the weights; return the loss, the mean over all processes."""
        self._module.train()
        if not self._moving_norms:
            self._network.tower.eval()
        pixels, classes = (each.to(self._world.device, non_blocking=True) for each in batch)
        own = self._weights[classes]
        total = self._world.mean(own.sum())  # processes average their gradients
        most = self._compute.micro_batch or len(classes)
        loss = torch.zeros((), device=self._world.device)
        for start in range(0, len(classes), most):
            part = slice(start, start + most)
            with exchanging(self._module, now=start + most >= len(classes)):
                with autocast(self._compute.precision, self._world.device):
                    logits = self._module(pixels[part])
                each = cross_entropy(
                    logits.float(), classes[part], reduction="none", label_smoothing=self._smoothing
                )
                share = (each * own[part]).sum() / total
                scaler.scale(share).backward()  # type: ignore[no-untyped-call]
            loss += share.detach()
        return {"loss": self._world.mean(loss)}

    def settle(self) -> None:
        """Nothing is bounded."""

    def evaluate(self) -> dict[str, float]:
        """Score the weights that are in the network now."""
        self._module.eval()
        return self._score()
