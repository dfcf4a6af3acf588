"""How long a reading took, from events at the server's time; what a browser says of durations is not used."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

PAUSES = {"hidden": "visible", "idle": "active", "paused": "resumed"}
RESUMES = frozenset(PAUSES.values())


@dataclass(frozen=True)
class TimedEvent:
    """One event of a visit; a visit is everything under one token."""

    visit: str
    kind: str
    at: datetime


def reading_seconds(events: Sequence[TimedEvent]) -> float | None:
    """Seconds that a case was in front of its reader, over all visits, to the submission.

    A visit starts when the case is first shown and ends at its last event (the submission, in the last
    visit); time in a hidden tab or idle is taken out.

    Returns:
        Seconds, never negative; ``None`` where the case was never shown or never submitted.
    """
    if not any(event.kind == "submitted" for event in events):
        return None
    ordered = sorted(events, key=lambda event: event.visit)
    visits = [_visit_seconds(list(visit)) for _, visit in groupby(ordered, key=lambda event: event.visit)]
    shown = [seconds for seconds in visits if seconds is not None]
    return sum(shown) if shown else None


def seconds_so_far(events: Iterable[TimedEvent], now: datetime) -> float:
    """Seconds that a case has been before its reader until now, for the protocol's time limit.

    Stricter than ``reading_seconds``: sitting still is no pause, for who thinks before the photograph uses up
    its time; and a page that was left without a word goes on counting until it is hidden or paused.
    """
    seconds, since, paused = 0.0, None, set[str]()
    for event in sorted(events, key=lambda event: event.at):
        if since is None and event.kind != "shown":
            continue
        if since is not None and not paused:
            seconds += (event.at - since).total_seconds()
        since = event.at
        if event.kind == "shown":
            paused.clear()
        elif event.kind in ("hidden", "paused"):
            paused.add(PAUSES[event.kind])
        else:
            paused.discard(event.kind)
    if since is not None and not paused:
        seconds += max(0.0, (now - since).total_seconds())
    return seconds


def _visit_seconds(events: Iterable[TimedEvent]) -> float | None:
    """Seconds of one visit without its pauses, ``None`` where the case was not shown in it."""
    ordered = sorted(events, key=lambda event: event.at)
    started = next((event.at for event in ordered if event.kind == "shown"), None)
    if started is None:
        return None
    seconds, since, open_pauses = 0.0, started, set[str]()
    for event in ordered:
        if event.at < started:
            continue
        if not open_pauses:
            seconds += (event.at - since).total_seconds()
        since = event.at
        if event.kind in PAUSES:
            open_pauses.add(PAUSES[event.kind])
        elif event.kind in RESUMES:
            open_pauses.discard(event.kind)
    return seconds
