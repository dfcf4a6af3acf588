"""The processes of one run under ``torchrun``, on one host or several; one process where there is no such."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch.distributed as distributed

_PATIENCE = timedelta(days=7)  # one process may have much more to do than another
T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """This process among all of the run.

    Attributes:
        rank: Number of this process, from 0.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    def first_decides(self, decide: Callable[[], T]) -> T:
        """Wait for all, let the first process do something once; all get its result, or its error.

        Raises:
            Exception: What ``decide`` raised in the first process, the same in all.
        """
        outcome: list[Any] = [None, None]
        if self.size > 1:
            distributed.barrier()
        if self.rank == 0:
            try:
                outcome[0] = decide()
            except Exception as error:
                outcome[1] = error
        if self.size > 1:
            distributed.broadcast_object_list(outcome, src=0)
        if outcome[1] is not None:
            raise outcome[1]
        result: T = outcome[0]
        return result


@contextmanager
def ranks_of_torchrun() -> Iterator[Ranks]:
    """Join the other processes that ``torchrun`` started, by what it says in the environment."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Ranks()
        return
    distributed.init_process_group("gloo", timeout=_PATIENCE)
    try:
        yield Ranks(distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()
