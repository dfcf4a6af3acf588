"""The train loop of every run: image-text pairs, labelled photographs, classifiers, masked autoencoding."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from retizero.model.memory import keep_freed_memory
from retizero.training.running.checkpoint import load_checkpoint, put_aside, save_checkpoint
from retizero.training.running.diverged import DivergedError, require_numbers
from retizero.training.running.journal import Journal
from retizero.training.running.loss_scale import LossScale
from retizero.training.running.settings import Run
from retizero.training.running.state import RunState, seed_step
from retizero.training.running.world import World


class Objective(Protocol):
    """What a run makes smaller."""

    def backward(self, batch: Any, epoch: int, scaler: LossScale) -> dict[str, Tensor]:  # noqa: ANN401
        """Leave gradients of one batch in the weights.

        Returns:
            The losses, means over all processes; ``loss`` is their total.
        """

    def settle(self) -> None:
        """Put weights back into their bounds after a step."""

    def evaluate(self) -> dict[str, float]:
        """Score the weights that are in the network now; ``score`` says which epoch is best."""


Batches = Callable[[int, int], Iterable[Any]]
"""Batches of an epoch (from 1), beginning at a step (from 0)."""


def train(
    settings: Run,
    world: World,
    state: RunState,
    objective: Objective,
    batches: Batches,
    journal: Journal,
    patience: int | None = None,
    resume: bool = False,
) -> None:
    """Train until the last epoch, or until validation has not improved for ``patience`` epochs.

    Afterwards ``state.best`` holds the weights of the best epoch, or those of the last where nothing is
    validated.

    Args:
        settings: Of the run.
        world: The processes that take part.
        state: Changed in place.
        objective: Loss and validation.
        batches: Data by epoch and step.
        journal: Receives progress.
        patience: Epochs without a better score that end the run; None for no end.
        resume: Go on from the checkpoint where there is one.

    Raises:
        CheckpointError: The checkpoint was made by another run, or cannot be read or written.
        DivergedError: Losses or weights are no longer numbers; what was saved before stays.
    """
    if world.device.type == "cpu":
        keep_freed_memory()
    checkpoint = settings.checkpoint
    _prepare(checkpoint, state, world, journal, resume)
    journal.start(settings.epochs * state.steps_per_epoch, state.steps_done)
    while state.epoch <= settings.epochs and not state.stopped:
        for batch in batches(state.epoch, state.step):
            seed_step(settings.seed, state.steps_done, world.rank)
            losses = objective.backward(batch, state.epoch, state.scaler)
            norm = state.apply()
            objective.settle()
            state.advance(losses)
            save = state.step % settings.checkpoint_every == 0 and state.step < state.steps_per_epoch
            if save or journal.due():
                _tell_step(state, losses, norm, journal)
            if save:
                _save(checkpoint, state, world)
        _finish_epoch(settings, world, state, objective, journal, patience)
        _save(checkpoint, state, world)
    if state.best[1] == -math.inf:  # nothing was validated
        judged = state.judged()
        state.best = (state.epoch - 1, -math.inf, judged if world.first else {})
    journal.close()


def _prepare(checkpoint: Path, state: RunState, world: World, journal: Journal, resume: bool) -> None:
    """Load what a killed run left, or put it aside when the run starts anew."""
    if not resume:
        if world.first and (aside := put_aside(checkpoint)):
            journal.tell(f"The checkpoint of an earlier run is now {aside}.")
        return
    found = world.on_first(
        lambda: load_checkpoint(checkpoint, state.fingerprint) if checkpoint.exists() else None
    )
    if found is None:
        journal.tell(f"There is no checkpoint {checkpoint} yet; the run starts from the beginning.")
        return
    state.load_state_dict(found)
    journal.tell(f"Going on at epoch {state.epoch}, step {state.step} of {state.steps_per_epoch}.")


def _tell_step(state: RunState, losses: dict[str, Tensor], norm: Tensor | None, journal: Journal) -> None:
    values = {name: float(loss) for name, loss in losses.items()}
    if norm is not None:
        values["gradient"] = float(norm)
    values["rate"] = float(state.optimiser.param_groups[0]["lr"])
    journal.step(state.epoch, state.step, state.steps_per_epoch, state.steps_done, values)


def _finish_epoch(
    settings: Run,
    world: World,
    state: RunState,
    objective: Objective,
    journal: Journal,
    patience: int | None,
) -> None:
    """Score the weights, keep them when they are the best, and go to the next epoch."""
    _require_numbers(world, state)
    means = {name: float(total) / max(1, state.step) for name, total in state.sums.items()}
    with state.judged_weights():
        scores = objective.evaluate()
    done, epoch = state.steps_done, state.epoch
    state.history.append({"epoch": epoch, **means, **scores})
    score = scores.get("score", -math.inf)
    if "score" in scores:
        _require_numbers(world, state, {"score": score})
    if score > state.best[1]:
        judged = state.judged()
        state.best = (epoch, score, judged if world.first else {})
    state.stopped = patience is not None and "score" in scores and epoch - state.best[0] >= patience
    journal.log("epoch", {**means, **scores}, done)
    told = " ".join(f"{name} {value:.4f}" for name, value in {**means, **scores}.items())
    journal.tell(f"epoch {epoch}/{settings.epochs} {told}")
    if state.stopped and epoch < settings.epochs:
        journal.tell(f"No better validation for {patience} epochs: stopping; epoch {state.best[0]} is kept.")
    state.epoch, state.step, state.sums = epoch + 1, 0, {}


def _save(checkpoint: Path, state: RunState, world: World) -> None:
    _require_numbers(world, state)
    values = state.state_dict()
    world.on_first(lambda: save_checkpoint(checkpoint, values))


def _require_numbers(world: World, state: RunState, scores: dict[str, float] | None = None) -> None:
    """End every process where losses, weights or scores of one are no longer numbers."""
    sums = {name: float(total) for name, total in state.sums.items()}
    try:
        require_numbers({**sums, **(scores or {})}, state.weights.values(), state.epoch)
        mine = None
    except DivergedError as error:
        mine = str(error)
    told = [problem for problem in world.gathered(mine) if problem]
    if told and world.first:
        raise DivergedError(told[0])
    if told:
        raise SystemExit(2)
