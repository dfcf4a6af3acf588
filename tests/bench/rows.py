"""A row of ``build/bench.json`` and how it is timed."""

import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


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
    return f"{platform.system()} {platform.machine()}, {cores}, Python {platform.python_version()}"


def median_seconds(action: Callable[[], object], repeats: int) -> float:
    """Return the median time of an action after one warm-up."""
    action()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return statistics.median(times)
