"""Draw k training photographs of each class, of as many patients as possible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def draw_shots(
    classes: NDArray[np.int64],
    groups: Sequence[str],
    shots: int,
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Return indices of ``shots`` photographs of each class, all of a class that has fewer.

    A second photograph of a patient is drawn only when the class has no further patient.

    Args:
        classes: (N,) class of each photograph.
        groups: N patients.
        shots: k.
        rng: Decides the draw.
    """
    chosen: list[int] = []
    for label in np.unique(classes):
        order = rng.permutation(np.flatnonzero(classes == label))
        seen: dict[str, int] = {}
        turns = []
        for index in order:
            turns.append(seen.setdefault(groups[int(index)], 0))
            seen[groups[int(index)]] += 1
        by_turn = order[np.argsort(np.array(turns), kind="stable")]
        chosen += [int(index) for index in by_turn[:shots]]
    return np.array(sorted(chosen), np.int64)
