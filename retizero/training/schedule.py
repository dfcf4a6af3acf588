"""Learning rates: by step, and by the depth of a parameter."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import nn

from retizero.training.config import PretrainConfig
from retizero.training.learner import Learner


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


def parameter_groups(learner: Learner, config: PretrainConfig) -> list[dict[str, object]]:
    """Matrices decay, biases and norms do not; projections learn faster than pretrained stages.

    The last pretrained child of the image stages learns at ``config.learning_rate``, each one before it at
    ``config.layer_decay`` times the rate of the next.
    """
    children = list(learner.back.children())
    depths = [child for child in children[:-1] if any(True for _ in child.parameters())]
    rates = {id(p): config.head_learning_rate for p in learner.parameters()}
    for above, child in enumerate(reversed(depths)):
        for parameter in child.parameters():
            rates[id(parameter)] = config.learning_rate * config.layer_decay**above
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in learner.parameters():
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((rates[id(parameter)], decay), []).append(parameter)
    return [{"params": ps, "lr": rate, "weight_decay": decay} for (rate, decay), ps in groups.items()]
