"""Simulations of power that run beside the server, one a plan, and are kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from reader_study.planning import Plan, Power, simulate_power

STUDIES = 1_000
SEED = 20261125
MOST_KEPT = 200
MOST_WAITING = 20


@dataclass
class Simulation:
    """How far one plan is; ``power`` is there at the end."""

    done: int = 0
    power: Power | None = None


class Simulations:
    """One worker, so that planning never takes more than one core from readers."""

    def __init__(self) -> None:
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="planning")
        self._kept: OrderedDict[Plan, Simulation] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, plan: Plan) -> Simulation | None:
        """The plan's simulation, started if it is new; ``None`` while too many wait."""
        with self._lock:
            found = self._kept.get(plan)
            if found is not None:
                self._kept.move_to_end(plan)
                return found
            if sum(each.power is None for each in self._kept.values()) >= MOST_WAITING:
                return None
            found = self._kept[plan] = Simulation()
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        self._worker.submit(self._run, plan, found)
        return found

    def _run(self, plan: Plan, simulation: Simulation) -> None:
        def tell(done: int) -> None:
            simulation.done = done

        simulation.power = simulate_power(plan, STUDIES, SEED, tell)
