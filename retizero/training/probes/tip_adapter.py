"""Tip-Adapter (Zhang et al., ECCV 2022): the text's answer plus that of a cache of labelled photographs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.training.probes.problem import Fitted, Floats, Problem, best_on_validation

ALPHAS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)  # how much the cache counts
BETAS = (1.0, 3.0, 5.5, 10.0, 20.0)  # how near a photograph must be to count
DEFAULT = 6  # alpha 1, beta 3


@dataclass(frozen=True)
class CacheHead:
    """``s f . t_k + alpha sum_i exp(-beta (1 - f . f_i)) [y_i = k]``; all embeddings of unit norm.

    Attributes:
        text_weights: (K, D), s t_k.
        keys: (N, D) cached photographs.
        values: (N, K) their classes, 0/1.
        alpha: Weight of the cache.
        beta: Sharpness of its similarities.
    """

    text_weights: Floats
    keys: Floats
    values: Floats
    alpha: float
    beta: float

    def logits(self, features: NDArray[np.floating[Any]]) -> Floats:
        """(N, D) to (N, K)."""
        queries = features.astype(np.float64)
        near = np.exp(-self.beta * (1 - queries @ self.keys.T))
        return np.asarray(queries @ self.text_weights.T + self.alpha * near @ self.values)


def fit_tip_adapter(problem: Problem) -> Fitted:
    """Build the cache; how much it counts and how sharply is chosen on validation photographs."""
    if problem.texts is None:
        raise ValueError("Tip-Adapter needs embeddings of the class names.")
    texts = problem.scale * problem.texts

    def tried() -> Iterator[Fitted]:
        for alpha in ALPHAS:
            for beta in BETAS:
                head = CacheHead(texts, problem.features, problem.members, alpha, beta)
                yield Fitted(head, {"alpha": alpha, "beta": beta})

    return best_on_validation(problem, tried(), DEFAULT)
