"""One step of image-text pretraining: gradients of a whole batch's loss, computed in parts that fit."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from retizero.training.pairs.batches import Batch
from retizero.training.pairs.loss import PairLoss
from retizero.training.pairs.towers import PairTowers
from retizero.training.running.loss_scale import LossScale
from retizero.training.running.precision import Dice, autocast, without_statistics
from retizero.training.running.settings import Compute
from retizero.training.running.world import World, exchanging


class PairObjective:
    """Loss and validation of image-text pretraining.

    A batch that does not fit is computed in parts without changing its loss (Gao et al. 2021): all parts are
    embedded without gradients, the loss of the whole batch gives the gradient of every embedding, and each
    part is then embedded again, with the same dropout, and takes the gradients of its embeddings back through
    the towers.

    Args:
        towers: What learns.
        module: ``towers`` as it is called: itself, or spread over processes.
        loss: Of a whole batch.
        compute: Precision and size of the parts.
        world: The processes.
        score: Validates the weights that are in the towers.
    """

    def __init__(
        self,
        towers: PairTowers,
        module: nn.Module,
        loss: PairLoss,
        compute: Compute,
        world: World,
        score: Callable[[], dict[str, float]],
    ) -> None:
        self._towers, self._module, self._loss = towers, module, loss
        self._compute, self._world, self._score = compute, world, score

    def backward(self, batch: Batch, epoch: int, scaler: LossScale) -> dict[str, Tensor]:
        """Leave gradients of one batch in the weights; return the losses, means over processes."""
        self._module.train()
        batch = batch.to(self._world.device)
        most = self._compute.micro_batch or len(batch)
        if most >= len(batch):
            losses = self._loss(*self._embed(batch), batch.keys, epoch)
            scaler.scale(losses["loss"]).backward()  # type: ignore[no-untyped-call]
        else:
            losses = self._in_parts(batch, batch.split(most), epoch, scaler)
        means = self._world.mean(torch.stack([loss.detach() for loss in losses.values()]))
        return dict(zip(losses, means, strict=True))

    def _in_parts(self, batch: Batch, parts: list[Batch], epoch: int, scaler: LossScale) -> dict[str, Tensor]:
        dice, embedded = [], []
        with torch.no_grad(), without_statistics(self._towers):
            for part in parts:
                dice.append(Dice.now(self._world.device))
                embedded.append(self._embed(part))
        image = torch.cat([part[0] for part in embedded]).requires_grad_()
        text = torch.cat([part[1] for part in embedded]).requires_grad_()
        numbers = [None if each is None else each.detach().requires_grad_() for each in embedded[0][2:]]
        scale, bias = numbers[0], numbers[1]
        assert scale is not None
        losses = self._loss(image, text, scale, bias, batch.keys, epoch)
        scaler.scale(losses["loss"]).backward()  # type: ignore[no-untyped-call]
        begin = 0
        for index, part in enumerate(parts):
            last = index == len(parts) - 1
            rows = slice(begin, begin + len(part))
            begin += len(part)
            with exchanging(self._module, now=last):
                dice[index].again()
                again = self._embed(part)
                graded = [(again[0], _of(image)[rows]), (again[1], _of(text)[rows])]
                if last:
                    graded += [
                        (o, _of(n))
                        for o, n in zip(again[2:], numbers, strict=True)
                        if o is not None and n is not None
                    ]
                torch.autograd.backward([output for output, _ in graded], [slope for _, slope in graded])
        return losses

    def _embed(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        with autocast(self._compute.precision, self._world.device):
            image, text, scale, bias = self._module(batch.pixels, batch.ids, batch.mask)
        return image.float(), text.float(), scale, bias

    def settle(self) -> None:
        """Keep the scale of the logits within its bounds."""
        self._towers.settle()

    def evaluate(self) -> dict[str, float]:
        """Score the weights that are in the towers now."""
        self._module.eval()
        return self._score()


def _of(leaf: Tensor) -> Tensor:
    assert leaf.grad is not None
    return leaf.grad
