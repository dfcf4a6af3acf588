"""A row of ``build/bench.json`` and how it is timed."""

import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

_CLOCK = time.process_time if os.environ.get("BENCH_CLOCK") == "cpu" else time.perf_counter


@dataclass(frozen=True)
class Row:
    """One measured number, as ``contracts.md`` writes it."""

    name: str
    value: float
    unit: str
    compared_with: str
    ratio: float | None
    target: str
    passed: bool
    machine: str


def machine() -> str:
    """Describe the machine in a few words."""
    cores = f"{os.cpu_count()} cores"
    clock = ", CPU seconds" if _CLOCK is time.process_time else ""
    return f"{platform.system()} {platform.machine()}, {cores}, Python {platform.python_version()}{clock}"


def median_seconds(action: Callable[[], object], repeats: int) -> float:
    """Return the median time of an action after one warm-up."""
    action()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def best_in_turn(*actions: Callable[[], object], repeats: int = 3) -> tuple[float, ...]:
    """Return the least seconds of actions that take turns, after a warm-up of each.

    What else the machine does can only add time, and in turns it meets all of them alike. On a crowded
    machine ``BENCH_CLOCK=cpu OMP_NUM_THREADS=1`` counts the CPU seconds of one thread instead.
    """
    least = [math.inf] * len(actions)
    for turn in range(repeats + 1):
        for number, action in enumerate(actions):
            started = _CLOCK()
            action()
            if turn:
                least[number] = min(least[number], _CLOCK() - started)
    return tuple(least)
