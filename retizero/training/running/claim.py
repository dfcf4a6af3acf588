"""What a run makes sure of before it begins: that it can write, and that no other run writes the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from retizero.training.places import require_places
from retizero.training.running.checkpoint import sole_run
from retizero.training.running.settings import Run
from retizero.training.running.world import World


@contextmanager
def claimed(world: World, settings: Run, folder: bool = True) -> Iterator[None]:
    """Keep the places of a run to it while the block lasts; every process must enter.

    Args:
        world: The processes of the run.
        settings: Of the run.
        folder: Whether the result is a folder; a file otherwise.

    Raises:
        ConfigError: A place cannot be written.
        CheckpointError: Another run with the same checkpoint is going on.
    """
    with ExitStack() as held:

        def claim() -> None:
            require_places(settings.out, settings.checkpoints, folder)
            held.enter_context(sole_run(settings.checkpoint))

        world.on_first(claim)
        yield
