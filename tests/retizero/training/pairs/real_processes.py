"""Processes that are forked from one clean process with the libraries imported, to be joined or killed.

Functions here run in those processes; their results go through files.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from retizero.training.pairs.loss import PairLoss
from retizero.training.pairs.objective import PairObjective
from retizero.training.pairs.recipe import PairRecipe
from retizero.training.pairs.start import starting_point
from retizero.training.running.world import clip_gradients, joined_world, spread, whole


def start(target: Callable[..., None], *arguments: object) -> multiprocessing.process.BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.retizero.training.pairs.real_processes", "retizero.serving"])
    process = context.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def start_together(target: Callable[..., None], count: int, *arguments: object) -> None:
    """Run a function in processes that know each other as torchrun's do, and wait for them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = [start(_as_rank, rank, count, port, target, arguments) for rank in range(count)]
    for process in running:
        process.join()  # the test's own time limit ends what hangs
    assert [process.exitcode for process in running] == [0] * count


def _as_rank(
    rank: int, size: int, port: int, target: Callable[..., None], arguments: Sequence[object]
) -> None:
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE=str(size),
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )
    target(*arguments)


def run_command(arguments: list[str], output: Path) -> None:
    """Run ``retizero`` with stderr in a file; the exit status is the process's."""
    from retizero.cli import main

    sys.stderr = output.open("a", buffering=1)
    os._exit(main(arguments))


def compare_losses(recipes: dict[str, PairRecipe], out: Path) -> None:
    """Losses and gradients of one batch, shared out over the processes of this world, by recipe."""
    from tests.retizero.training.pairs.test_pair_objective import random_batch

    found: dict[str, Any] = {}
    torch.set_num_threads(1)
    with joined_world("cpu") as world:
        share = 8 // world.size
        for name, recipe in recipes.items():
            towers = starting_point(recipe, out.parent / f"work{world.rank}").towers
            module = spread(towers, world, recipe.compute.processes, towers.blocks)
            loss = PairLoss(recipe.loss, world)
            objective = PairObjective(towers, module, loss, recipe.compute, world, dict)
            mine = random_batch().split(share)[world.rank]
            losses = objective.backward(mine, 3, torch.amp.GradScaler("cpu", enabled=False))
            graded = {n: p for n, p in towers.named_parameters() if p.requires_grad}
            gradients = {n: whole(p.grad).clone() for n, p in graded.items() if p.grad is not None}
            norm = clip_gradients(graded.values(), 1.0)
            found[name] = (torch.stack(list(losses.values())), gradients, norm)
        if world.first:
            torch.save(found, out)
