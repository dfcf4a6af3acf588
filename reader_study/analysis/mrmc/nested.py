"""Readers nested in treatments: every reader reads in one treatment only (Hillis 2014, Stat Med 33:330).

There is no interaction of reader and treatment to be seen, so the mean square of readers within treatments
takes its place; Cov2 is that of readers of the same treatment, Cov3 that of readers of different ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from reader_study.analysis.mrmc.comparison import Comparison, compared
from reader_study.analysis.mrmc.outcomes import Floats

FEW_NESTED = "Not estimable: random readers need at least two readers in each treatment."


@dataclass(frozen=True)
class Pair:
    """Treatment ``first`` minus ``second`` (positions) under the three claims about readers and cases."""

    first: int
    second: int
    rrrc: Comparison
    frrc: Comparison
    rrfc: Comparison


def nested_readers(outcomes: Floats, full: Floats) -> tuple[Pair, ...]:
    """Compare treatments whose readers are others in each.

    Args:
        outcomes: (T, R), NaN where the reader did not read in the treatment.
        full: (T * R, T * R) covariances over cases, readers held fixed.
    """
    treatments = len(outcomes)
    cells = [np.flatnonzero(~np.isnan(row)) + t * outcomes.shape[1] for t, row in enumerate(outcomes)]
    values = [outcomes.reshape(-1)[own] for own in cells]
    sizes = [len(own) for own in cells]
    freedom = sum(sizes) - treatments
    square = sum(float(((own - own.mean()) ** 2).sum()) for own in values) / freedom if freedom else math.nan
    within = [full[np.ix_(own, own)] for own in cells]
    pairs_within = sum(size * (size - 1) for size in sizes)
    cov2 = sum(float(block.sum() - np.trace(block)) for block in within) / max(pairs_within, 1)
    between = np.concatenate(
        [full[np.ix_(cells[a], cells[b])].reshape(-1) for a, b in combinations(range(treatments), 2)]
    )
    shared = max(cov2 - float(between.mean()), 0.0)
    found = []
    for a, b in combinations(range(treatments), 2):
        difference = float(values[a].mean() - values[b].mean())
        per_reader = 1 / sizes[a] + 1 / sizes[b]
        across = full[np.ix_(cells[a], cells[b])].mean()
        fixed = float(within[a].mean() + within[b].mean() - 2 * across)
        frrc = compared(difference, fixed, math.inf)
        if min(sizes) < 2:
            few = Comparison(difference, reason=FEW_NESTED)
            found.append(Pair(a, b, few, frrc, few))
            continue
        variance = square * per_reader + 2 * shared
        df = freedom * (variance / (square * per_reader)) ** 2 if square > 0 else math.inf
        rrfc = compared(difference, square * per_reader, freedom)
        found.append(Pair(a, b, compared(difference, variance, df), frrc, rrfc))
    return tuple(found)
