"""How long a run still takes."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Estimates the time left from the steps done since it was made.

    Args:
        steps: Steps of the whole run.
        done: Steps done before, when a run is resumed.
        now: Monotonic time, seconds.
    """

    def __init__(self, steps: int, done: int = 0, now: Callable[[], float] = time.monotonic) -> None:
        self._steps, self._before, self._now = steps, done, now
        self._started = now()

    def left(self, done: int) -> str:
        """Say how many minutes are left after ``done`` steps of the whole run."""
        pace = (self._now() - self._started) / max(1, done - self._before)
        return f"about {pace * (self._steps - done) / 60:.0f} min left"
