"""Readings as arrays: what every comparison is counted from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from reader_study.analysis.table import Read

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Columns:
    """N readings by position of reader, case and arm.

    Attributes:
        readers: ids, in the study's order.
        cases: ids, in the study's order.
        arms: unaided, aided, then others.
        reader: (N,) position in ``readers``; case and arm likewise.
        period: (N,) number of the period.
        hit: (N,) rank at which the reading is right, 0 for never.
        confidence: (N,), NaN where not asked for.
        seconds: (N,), NaN where not known.
        first: (N,) position of the first diagnosis in ``answers``, -1 where there is none.
        answers: every first diagnosis that was given, sorted.
    """

    readers: tuple[str, ...]
    cases: tuple[str, ...]
    arms: tuple[str, ...]
    reader: Integers
    case: Integers
    arm: Integers
    period: Integers
    hit: Integers
    confidence: Floats
    seconds: Floats
    first: Integers
    answers: tuple[str, ...]

    def of_arm(self, arm: str) -> Booleans:
        """(N,) which readings are of that arm."""
        if arm not in self.arms:
            return np.zeros(len(self.reader), bool)
        return np.asarray(self.arm == self.arms.index(arm))

    def grid(self, arm: str) -> Integers:
        """(readers, cases) row of the reading, the first where a case was read again; -1 where missing."""
        found = np.full(len(self.readers) * len(self.cases), -1, np.intp)
        rows = np.flatnonzero(self.of_arm(arm))
        cells = self.reader[rows] * len(self.cases) + self.case[rows]
        found[cells[::-1]] = rows[::-1]
        return found.reshape(len(self.readers), len(self.cases))

    def counts(self, arm: str, k: int) -> tuple[Floats, Floats]:
        """(readers, cases) numbers of right readings (1 <= hit <= k) and of all readings."""
        rows = self.of_arm(arm)
        shape = len(self.readers), len(self.cases)
        cells = self.reader[rows] * shape[1] + self.case[rows]
        right = (self.hit[rows] >= 1) & (self.hit[rows] <= k)
        size = shape[0] * shape[1]
        return (
            np.bincount(cells, right, size).reshape(shape).astype(np.float64),
            np.bincount(cells, minlength=size).reshape(shape).astype(np.float64),
        )


def in_order(arms: Iterable[str]) -> tuple[str, ...]:
    """Each arm once: unaided, aided, then others as they come; the same in every part of a study."""
    found = dict.fromkeys(arms)
    usual = [arm for arm in ("unaided", "aided") if arm in found]
    return (*usual, *(arm for arm in found if arm not in usual))


def columns_of(readers: Sequence[str], cases: Sequence[str], reads: Sequence[Read]) -> Columns:
    """Arrange readings; those of other readers are left out."""
    row = {name: index for index, name in enumerate(readers)}
    column = {name: index for index, name in enumerate(cases)}
    kept = [read for read in reads if read.reader_id in row]
    arms = in_order(read.arm for read in kept)
    answers = tuple(sorted({read.ranks[0] for read in kept if read.ranks}))
    place = {answer: index for index, answer in enumerate(answers)}

    def integers(values: list[int]) -> Integers:
        return np.array(values, np.intp)

    return Columns(
        readers=tuple(readers),
        cases=tuple(cases),
        arms=arms,
        reader=integers([row[read.reader_id] for read in kept]),
        case=integers([column[read.case_id] for read in kept]),
        arm=integers([arms.index(read.arm) for read in kept]),
        period=integers([read.period for read in kept]),
        hit=integers([read.hit for read in kept]),
        confidence=np.array([np.nan if r.confidence is None else r.confidence for r in kept], np.float64),
        seconds=np.array([np.nan if read.seconds is None else read.seconds for read in kept], np.float64),
        first=integers([place[read.ranks[0]] if read.ranks else -1 for read in kept]),
        answers=answers,
    )
