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


def start(target: Callable[..., None], *arguments: object) -> multiprocessing.process.BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.retizero.training.pairs.compared_losses", "retizero.serving"])
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
