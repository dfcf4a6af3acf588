"""How every run begins: its processes join, and it makes sure that it can write, and alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from retizero.training.places import require_places
from retizero.training.running.checkpoint import sole_run
from retizero.training.running.journal import Journal
from retizero.training.running.settings import Run
from retizero.training.running.world import World, joined_world


@contextmanager
def begun(settings: Run, folder: bool = True) -> Iterator[tuple[World, Journal]]:
    """Join the processes of a run and keep its places to it while the block lasts; every process must enter.

    Args:
        settings: Of the run.
        folder: Whether the result is a folder; a file otherwise.

    Yields:
        The processes, and what tells of the run.

    Raises:
        ConfigError: A place cannot be written, or the device is not there.
        CheckpointError: Another run with the same checkpoint is going on.
    """
    if settings.compute.threads is not None:
        torch.set_num_threads(settings.compute.threads)
    with joined_world(settings.compute.device) as world, ExitStack() as held:

        def claim() -> None:
            require_places(settings.out, settings.checkpoints, folder)
            held.enter_context(sole_run(settings.checkpoint))

        world.on_first(claim)
        yield world, Journal(world.first, settings.tensorboard)
