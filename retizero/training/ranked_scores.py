"""The scores that choose an epoch where labels are ranked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ranked_scores(hit: NDArray[np.bool_], primary: NDArray[np.int64]) -> dict[str, float]:
    """Top-1, Top-3, Top-5 and balanced accuracy of rankings, and their mean.

    Args:
        hit: (N, K), whether the label at each rank is the right one.
        primary: (N,) right label.
    """
    top = {f"top{k}": float(hit[:, :k].any(axis=1).mean()) for k in (1, 3, 5)}
    balanced = float(np.mean([hit[primary == label, 0].mean() for label in np.unique(primary)]))
    return {**top, "balanced": balanced, "score": (sum(top.values()) + balanced) / 4}
