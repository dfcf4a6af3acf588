"""Learning rates by step."""

from __future__ import annotations

import math
from collections.abc import Callable


def warmup_then_cosine(steps: int, warmup: float, horizon: int | None = None) -> Callable[[int], float]:
    """Factor of the learning rate by step: linear rise, then a cosine that ends at zero.

    Args:
        steps: Steps of the run.
        warmup: Share of them that rises.
        horizon: Step where the cosine ends; None for the last step of the run.
    """
    rise, end = max(1, round(steps * warmup)), horizon or steps

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / rise
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / max(1, end - rise))))

    return factor
