"""Everything that a step changes, so that a run can stop at any moment and go on bit for bit.

Nothing random is carried from one step to the next: order, views, captions and dropout of a step are drawn
from the seed and the number of the step (``seeded``), so the position is all that has to be kept of them.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from retizero.training.running.average import AveragedWeights
from retizero.training.running.loss_scale import LossScale
from retizero.training.running.schedule import warmup_then_cosine
from retizero.training.running.settings import Optimiser, Run
from retizero.training.running.world import clip_gradients, fill, gradient_norm, whole


def seeded(*numbers: int) -> np.random.Generator:
    """Return a generator that depends on the numbers alone: seed, epoch, step, rank, ..."""
    return np.random.default_rng(list(numbers))


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seed torch for one step of one process, for dropout."""
    torch.manual_seed(int(seeded(seed, step, rank).integers(2**63)))


class RunState:
    """Weights that learn, their average, optimiser, loss scaling, position and history.

    Args:
        network: Not wrapped; sharded or not.
        settings: Of the run.
        heads: Names of the parameters that learn at the head's rate.
        steps_per_epoch: Steps of an epoch.
        fingerprint: Identifies settings and data.
        device: Kind of device, for loss scaling.
        factors: Of the learning rate, by name of the parameter, where not 1.

    Attributes:
        epoch: Current epoch, from 1; beyond the last one when the run is done.
        step: Steps done in the current epoch.
        sums: Sum of every loss over the current epoch's steps, float64.
        history: One row per finished epoch.
        best: Epoch, score and weights (on the first process) of the best validation.
        stopped: Whether validation ended the run early.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: Run,
        heads: set[str],
        steps_per_epoch: int,
        fingerprint: str,
        device: str,
        factors: Mapping[str, float] | None = None,
    ) -> None:
        self.fingerprint, self.steps_per_epoch = fingerprint, steps_per_epoch
        self.parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}
        own = network.state_dict()
        frozen = {name for name, p in network.named_parameters() if not p.requires_grad}
        self.weights: dict[str, Tensor] = {n: t for n, t in own.items() if n not in frozen}
        rules = settings.optimiser
        self.optimiser = torch.optim.AdamW(
            _groups(self.parameters, heads, factors or {}, rules),
            betas=rules.betas,
            eps=rules.epsilon,
            fused=device == "cpu",
        )
        self._peaks = [group["lr"] for group in self.optimiser.param_groups]
        self._factor = warmup_then_cosine(
            settings.epochs * steps_per_epoch,
            rules.warmup_epochs / settings.epochs,
            None if rules.horizon_epochs is None else round(rules.horizon_epochs * steps_per_epoch),
        )
        self.scaler = LossScale(enabled=settings.compute.precision == "fp16")
        self.average = AveragedWeights(self.weights, rules.average) if rules.average else None
        self._clip = rules.clip_norm
        self.epoch, self.step = 1, 0
        self.sums: dict[str, Tensor] = {}
        self.history: list[dict[str, float]] = []
        self.best: tuple[int, float, dict[str, Tensor]] = (0, -math.inf, {})
        self.stopped = False

    @property
    def steps_done(self) -> int:
        """Steps since the start of the run."""
        return (self.epoch - 1) * self.steps_per_epoch + self.step

    def apply(self) -> Tensor | None:
        """Make one step with the gradients that are there; return their norm before clipping.

        In fp16 no step is made with gradients that overflowed.

        Raises:
            DivergedError: In fp16 they overflow whatever the scale of the loss.
        """
        factor = self._factor(self.steps_done)
        for group, peak in zip(self.optimiser.param_groups, self._peaks, strict=True):
            group["lr"] = peak * factor
        norm = None
        self.scaler.unscale(self.parameters.values())
        if self._clip is not None or self.scaler.enabled:
            norm = gradient_norm(self.parameters.values())
        if norm is None or not self.scaler.enabled or self.scaler.judge(float(norm)):
            if norm is not None and self._clip is not None:
                clip_gradients(self.parameters.values(), self._clip, norm)
            self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return norm

    def advance(self, losses: dict[str, Tensor]) -> None:
        """Count a finished step."""
        for name, loss in losses.items():
            wide = loss.detach().double()
            self.sums[name] = self.sums[name] + wide if name in self.sums else wide
        self.step += 1
        if self.average is not None:
            self.average.follow(self.steps_done)

    @contextlib.contextmanager
    def judged_weights(self) -> Iterator[None]:
        """Have the network compute with the weights that are validated and written."""
        if self.average is None:
            yield
        else:
            with self.average.in_place():
                yield

    def judged(self) -> dict[str, Tensor]:
        """Return those weights, whole, on the CPU; every process must ask."""
        values = self.weights if self.average is None else self.average.values
        return _on_cpu(values)

    def state_dict(self) -> dict[str, Any]:
        """Return plain values and whole tensors; every process must ask."""
        moments = {
            name: _on_cpu(self.optimiser.state[parameter])
            for name, parameter in self.parameters.items()
            if parameter in self.optimiser.state
        }
        return {
            "run": self.fingerprint,
            "weights": _on_cpu(self.weights),
            "average": _on_cpu(self.average.values) if self.average else None,
            "moments": moments,
            "scaler": self.scaler.state_dict(),
            "epoch": self.epoch,
            "step": self.step,
            "sums": _on_cpu(self.sums),
            "history": self.history,
            "best": list(self.best),
            "stopped": self.stopped,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to where ``state_dict`` was taken."""
        for name, tensor in self.weights.items():
            fill(tensor, state["weights"][name])
        if self.average is not None:
            for name, tensor in self.average.values.items():
                fill(tensor, state["average"][name])
        for name, moments in state["moments"].items():
            parameter = self.parameters[name]
            mine: dict[str, Tensor] = {}
            for kind, value in moments.items():
                like = torch.empty_like(parameter) if value.shape == parameter.shape else value.clone()
                fill(like, value)
                mine[kind] = like
            self.optimiser.state[parameter] = mine
        self.scaler.load_state_dict(state["scaler"])
        self.epoch, self.step = state["epoch"], state["step"]
        device = next(iter(self.parameters.values())).device
        self.sums = {name: value.to(device) for name, value in state["sums"].items()}
        self.history, self.stopped = state["history"], state["stopped"]
        self.best = (state["best"][0], state["best"][1], state["best"][2])


def _on_cpu(tensors: dict[str, Any]) -> dict[str, Any]:
    return {name: whole(tensor).detach().cpu().clone() for name, tensor in tensors.items()}


def _groups(
    parameters: dict[str, nn.Parameter], heads: set[str], factors: Mapping[str, float], rules: Optimiser
) -> list[dict[str, object]]:
    """Parameters by learning rate and weight decay."""
    head_rate = rules.head_learning_rate or rules.learning_rate
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        rate = (head_rate if name in heads else rules.learning_rate) * factors.get(name, 1.0)
        decay = rules.weight_decay if rules.decay_all or parameter.ndim > 1 else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [{"params": ps, "lr": rate, "weight_decay": decay} for (rate, decay), ps in groups.items()]
