"""How sure an answer is: temperature, split-conformal sets, Dirichlet uncertainty.

Each belongs to the candidate list it was computed for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Floats = NDArray[np.floating[Any]]


def softmax(logits: Floats, temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities (N, K) of logits (N, K) divided by the temperature.

    >>> softmax(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    scaled = np.asarray(logits, np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def fit_temperature(logits: Floats, truth: NDArray[np.integer[Any]]) -> float:
    """Temperature with the least negative log likelihood on held-out rows (Guo et al. 2017).

    Args:
        logits: (N, K).
        truth: (N,) index of the true label.
    """
    rows = np.arange(len(truth))

    def loss(logarithm: float) -> float:
        return float(-np.log(softmax(logits, math.exp(logarithm))[rows, truth] + 1e-300).mean())

    found = minimize_scalar(loss, bounds=(math.log(0.05), math.log(20.0)), method="bounded")
    return math.exp(float(found.x))


def conformal_threshold(probabilities: Floats, truth: NDArray[np.integer[Any]], coverage: float) -> float:
    """Split-conformal threshold of the score 1 - p(true label) (Sadinle et al. 2019).

    The ceil((n + 1) coverage)-th smallest score, so that new exchangeable rows are covered with at least that
    probability; infinite when n is too small to promise it.

    >>> conformal_threshold(np.array([[.9, .1], [.8, .2], [.6, .4], [.3, .7]]), np.array([0, 0, 0, 0]), 0.8)
    0.7
    """
    scores = np.sort(1 - np.asarray(probabilities, np.float64)[np.arange(len(truth)), truth])
    rank = math.ceil((len(scores) + 1) * coverage)
    return float(scores[rank - 1]) if rank <= len(scores) else math.inf


def conformal_members(probabilities: Floats, threshold: float) -> list[list[int]]:
    """Columns of each row whose score is within the threshold, most probable first; never empty.

    The most probable label always belongs, which can only raise the coverage.
    """
    sets = []
    for row in np.asarray(probabilities, np.float64):
        order = np.argsort(-row, kind="stable")
        inside = [int(column) for column in order if 1 - row[column] <= threshold]
        sets.append(inside or [int(order[0])])
    return sets


def is_calibrated_for(conformal: Mapping[str, Any] | None, ids: Sequence[str]) -> bool:
    """Whether a stored calibration belongs to exactly this candidate list, in any order."""
    return conformal is not None and len(ids) == len(set(ids)) and set(conformal["candidates"]) == set(ids)


def dirichlet_uncertainty(logits: Floats) -> NDArray[np.float64]:
    """Uncertainty K / S of the Dirichlet with evidence softplus(logits), (N,), in 0..1 (method.md).

    >>> round(float(dirichlet_uncertainty(np.array([[2.0, -1.0, 0.5]]))[0]), 6)
    0.467707
    """
    evidence = np.logaddexp(0.0, np.asarray(logits, np.float64))
    return np.asarray(evidence.shape[1] / (evidence + 1).sum(axis=1))
