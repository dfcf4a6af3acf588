"""What guessing would score: printed beside every number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def hit_chance(
    right: NDArray[np.integer[Any]], possible: NDArray[np.integer[Any]], k: int
) -> NDArray[np.float64]:
    """Chance that k answers drawn without replacement hold a right one: 1 - C(n - r, k) / C(n, k).

    Args:
        right: (N,) number of right answers r.
        possible: (N,) number of answers n to draw from.
        k: Answers drawn.

    >>> hit_chance(np.array([1, 2]), np.array([4, 4]), 2).round(6).tolist()
    [0.5, 0.833333]
    """
    missed = np.ones(len(right))
    for drawn in range(k):
        left = np.maximum(possible - drawn, 1)
        missed *= np.clip((possible - right - drawn) / left, 0, 1)
    return 1 - missed
