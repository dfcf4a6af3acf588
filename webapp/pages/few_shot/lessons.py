"""Lessons of the visitors there are now: in memory, bounded, gone with the browser tab or after idling."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from webapp.pages.few_shot.lesson import Lesson

MOST_VISITORS = 64
IDLE_SECONDS = 3600.0


class Lessons:
    """Lesson of each session; the least recently used one makes room. Thread-safe.

    Args:
        most: Sessions kept.
        idle_seconds: After so long without use a lesson is dropped.
        now: Monotonic clock, seconds.
    """

    def __init__(
        self,
        most: int = MOST_VISITORS,
        idle_seconds: float = IDLE_SECONDS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._idle, self._now = most, idle_seconds, now
        self._kept: OrderedDict[str, tuple[float, Lesson]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, session: str) -> Lesson:
        """Return a session's lesson, an empty one where there is none."""
        with self._lock:
            self._forget_idle()
            found = self._kept.get(session)
            if found is None:
                return Lesson()
            self._kept[session] = (self._now(), found[1])
            self._kept.move_to_end(session)
            return found[1]

    def change(self, session: str, change: Callable[[Lesson], Lesson]) -> Lesson:
        """Replace a session's lesson by what ``change`` makes of it, and return that; at once for all."""
        with self._lock:
            self._forget_idle()
            before = self._kept.get(session)
            lesson = change(before[1] if before else Lesson())
            self._kept.pop(session, None)
            if lesson.examples:
                self._kept[session] = (self._now(), lesson)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return lesson

    def drop(self, session: str) -> None:
        """Forget a session's lesson."""
        with self._lock:
            self._kept.pop(session, None)

    def __len__(self) -> int:
        with self._lock:
            self._forget_idle()
            return len(self._kept)

    def _forget_idle(self) -> None:
        limit = self._now() - self._idle
        while self._kept and next(iter(self._kept.values()))[0] < limit:
            self._kept.popitem(last=False)
