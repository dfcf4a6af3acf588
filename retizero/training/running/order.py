"""Which examples a step takes: drawn from seed and epoch alone, so that any step can be found again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from retizero.training.errors import ConfigError
from retizero.training.running.settings import Run
from retizero.training.running.state import seeded
from retizero.training.running.world import World

_ORDER = 0x0DE  # keeps the draws of the order apart from those of views


class Order:
    """The examples of every epoch and step, for one process.

    An epoch is ``count // batch`` steps; what is left over changes from epoch to epoch. Fewer examples than a
    batch are one batch. The parts of all processes, in order of rank, are the batch that one process alone
    would take.

    Args:
        count: Number of examples.
        settings: Of the run.
        world: The processes.
        weights: (count,) chances of being drawn; None takes every example at most once per epoch.

    Raises:
        ConfigError: The batch cannot be shared evenly, or there are too few examples.
    """

    def __init__(
        self, count: int, settings: Run, world: World, weights: NDArray[np.float64] | None = None
    ) -> None:
        if settings.batch % world.size:
            raise ConfigError(
                f"A batch of {settings.batch} cannot be shared evenly by {world.size} processes."
            )
        if count < 2 * world.size:
            raise ConfigError(f"There are {count} examples, too few for {world.size} processes.")
        self._count, self._seed, self._world = count, settings.seed, world
        self._weights = None if weights is None else weights / weights.sum()
        self._batch = min(settings.batch, count // world.size * world.size)
        self.steps = count // self._batch

    def whole(self, epoch: int) -> NDArray[np.int64]:
        """Examples of an epoch, (steps, batch), of all processes."""
        rng = seeded(self._seed, epoch, _ORDER)
        number = self.steps * self._batch
        if self._weights is None:
            drawn = rng.permutation(self._count)[:number]
        else:
            drawn = rng.choice(self._count, number, p=self._weights)
        return drawn.reshape(self.steps, self._batch).astype(np.int64)

    def mine(self, epoch: int, step: int) -> list[list[tuple[int, int, int]]]:
        """This process's examples of each step from ``step`` on, as (epoch, place in the epoch, example)."""
        share = self._batch // self._world.size
        begin = self._world.rank * share
        rows = self.whole(epoch)
        return [
            [(epoch, at * self._batch + begin + k, int(rows[at, begin + k])) for k in range(share)]
            for at in range(step, self.steps)
        ]


class _Steps:
    """Hands the steps to the loader; it only iterates."""

    def __init__(self, steps: Sequence[list[tuple[int, int, int]]]) -> None:
        self._steps = steps

    def __iter__(self) -> Iterator[list[tuple[int, int, int]]]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)


def loaded(
    examples: Dataset[Any],
    collate: Any,  # noqa: ANN401 - a function of the data set's examples
    steps: Sequence[list[tuple[int, int, int]]],
    settings: Run,
    world: World,
) -> Iterable[Any]:
    """Read the examples of the steps in order, in worker processes where the settings say so."""
    workers = settings.compute.workers
    return DataLoader(
        examples,
        batch_sampler=_Steps(steps),
        collate_fn=collate,
        num_workers=workers,
        pin_memory=world.device.type == "cuda",
        prefetch_factor=4 if workers else None,
    )
