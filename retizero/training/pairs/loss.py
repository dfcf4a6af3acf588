"""The loss of a batch of image-text pairs that may be spread over processes."""

from __future__ import annotations

import torch
import torch.distributed as dist
from open_clip.loss import ClipLoss
from torch import Tensor
from torch.nn.functional import cross_entropy

from retizero.training.losses import evidential_terms, siglip_loss, soft_cross_entropy
from retizero.training.pairs.recipe import PairLosses
from retizero.training.running.world import World


class PairLoss:
    """Contrastive and evidential terms of the pairs of this process against those of all processes.

    Embeddings travel once, with their gradients (open_clip's ``gather_with_grad``), and every process
    computes its own rows of the logits only (``local_loss``). The mean over processes is the loss of the
    whole batch, and so is the mean of the gradients, which DDP and FSDP take.

    Args:
        terms: Which terms and how much each counts.
        world: The processes.
    """

    def __init__(self, terms: PairLosses, world: World) -> None:
        self._terms, self._world = terms, world
        self._clip = ClipLoss(local_loss=True, gather_with_grad=True, rank=world.rank, world_size=world.size)

    def __call__(
        self,
        image: Tensor,
        text: Tensor,
        scale: Tensor,
        bias: Tensor | None,
        keys: Tensor,
        epoch: int,
    ) -> dict[str, Tensor]:
        """Compute the terms in float32.

        Args:
            image: (N, D) unit norm, of this process.
            text: (N, D) unit norm, row i the caption of image i.
            scale: Multiplies cosines, scalar.
            bias: Added to logits, scalar; SigLIP's, None elsewhere.
            keys: (N,) int64; pairs with one key say the same.
            epoch: Counted from 1, for the ramp of the divergence.

        Returns:
            Each term as it counts, and ``loss``, their sum.
        """
        per_image, per_text = self._clip.get_logits(image.float(), text.float(), scale, bias)
        target = self._clip.get_ground_truth(per_image.device, len(per_image))
        if self._terms.positives == "same":
            target = (keys[:, None] == self._all(keys)[None, :]).to(per_image.dtype)
        losses = {}
        if self._terms.clip:
            losses["clip"] = self._terms.clip * _clip(per_image, per_text, target)
        if self._terms.siglip:
            losses["siglip"] = self._terms.siglip * siglip_loss(per_image, _matrix(target, per_image))
        if self._terms.evidential:
            ramp = min(1.0, epoch / self._terms.ramp_epochs)
            losses["evidential"] = self._terms.evidential * self._evidential(
                per_image, per_text, target, ramp
            )
        return {**losses, "loss": torch.stack(list(losses.values())).sum()}

    def _evidential(self, per_image: Tensor, per_text: Tensor, target: Tensor, ramp: float) -> Tensor:
        total = per_image.new_zeros(())
        for logits in (per_text, per_image):
            fit, divergence = evidential_terms(logits, target, self._terms.chunk)
            total = total + fit + ramp * divergence
        return total

    def _all(self, keys: Tensor) -> Tensor:
        if self._world.size == 1:
            return keys
        gathered = [torch.empty_like(keys) for _ in range(self._world.size)]
        dist.all_gather(gathered, keys)
        return torch.cat(gathered)


def _clip(per_image: Tensor, per_text: Tensor, target: Tensor) -> Tensor:
    """Mean of the two cross entropies; with several positives the target is spread evenly over them."""
    if target.ndim == 1:
        return (cross_entropy(per_image, target) + cross_entropy(per_text, target)) / 2
    return (soft_cross_entropy(per_image, target) + soft_cross_entropy(per_text, target)) / 2


def _matrix(target: Tensor, logits: Tensor) -> Tensor:
    if target.ndim == 2:
        return target
    return torch.zeros_like(logits).scatter(1, target[:, None], 1.0)
