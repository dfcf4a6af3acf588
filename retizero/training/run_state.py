"""Everything that a training step changes, so that a run can stop and go on bit for bit."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retizero.training.checkpoint import generator_state, restore_generator
from retizero.training.config import PretrainConfig
from retizero.training.diverged import require_numbers
from retizero.training.learner import Learner
from retizero.training.schedule import parameter_groups, warmup_then_cosine


def as_written(learner: Learner) -> Iterator[Tensor]:
    """Weights as a model folder holds them, in half precision, where large ones become infinite."""
    for weight in learner.state_dict().values():
        yield weight.half() if weight.is_floating_point() else weight


class RunState:
    """Learner, averaged weights, optimiser, schedule, random draws, position and history of a run.

    Args:
        learner: Changed in place.
        config: Settings.
        steps_per_epoch: Steps of an epoch.
        fingerprint: Identifies settings and photographs (``run_fingerprint``).

    Attributes:
        epoch: Current epoch, from 1; ``config.epochs + 1`` when done.
        step: Steps done in the current epoch.
        order: (steps, batch) photographs of the current epoch.
        losses: Losses of the current epoch's steps.
        history: One row per finished epoch.
        best: Score and averaged weights of the best epoch.
    """

    def __init__(
        self, learner: Learner, config: PretrainConfig, steps_per_epoch: int, fingerprint: str
    ) -> None:
        torch.manual_seed(config.seed)
        self.fingerprint = fingerprint
        self.rng = np.random.default_rng(config.seed)
        self.learner = learner
        self.average = copy.deepcopy(learner)
        self.optimiser = torch.optim.AdamW(parameter_groups(learner, config), betas=(0.9, 0.98))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser, warmup_then_cosine(config.epochs * steps_per_epoch, config.warmup)
        )
        self.epoch, self.step = 1, 0
        self.order: NDArray[np.int64] = np.zeros((0, config.batch), np.int64)
        self.losses: list[float] = []
        self.history: list[dict[str, float]] = []
        self.best: tuple[float, dict[str, Tensor]] = (-math.inf, {})

    def require_numbers(self) -> None:
        """Make sure that the current epoch can be judged and saved.

        Raises:
            DivergedError: Its losses, or weights of the learner or of the average, are no longer numbers.
        """
        weights = chain(self.learner.state_dict().values(), as_written(self.average))
        require_numbers({"loss": float(np.mean(self.losses))}, weights, self.epoch)

    def state_dict(self) -> dict[str, Any]:
        """Return plain values and tensors."""
        return {
            "run": self.fingerprint,
            "learner": self.learner.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.last_epoch,
            "rates": [group["lr"] for group in self.optimiser.param_groups],
            "torch": torch.get_rng_state(),
            "numpy": generator_state(self.rng),
            "epoch": self.epoch,
            "step": self.step,
            "order": torch.from_numpy(self.order),
            "losses": self.losses,
            "history": self.history,
            "best": list(self.best),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to where ``state_dict`` was taken."""
        self.learner.load_state_dict(state["learner"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.last_epoch = state["schedule"]
        self.schedule._last_lr = list(state["rates"])
        self.epoch, self.step = state["epoch"], state["step"]
        self.order = state["order"].numpy()
        self.losses, self.history = state["losses"], state["history"]
        self.best = (state["best"][0], state["best"][1])
        torch.set_rng_state(state["torch"])
        restore_generator(self.rng, state["numpy"])
