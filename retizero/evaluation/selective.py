"""Risk and coverage: how often answers are wrong when the least sure ones are not given.

Geifman & El-Yaniv, "Selective classification for deep neural networks", 2017. Images of equal uncertainty are
answered or withheld together, so that their order in a file does not matter.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.evaluation.metrics import ones_without

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]


def risk_coverage(uncertainty: Floats, wrong: Bools, weights: Floats | None = None) -> tuple[Floats, Floats]:
    """Coverage and risk when everything up to the m-th different uncertainty is answered.

    Args:
        uncertainty: (N,), larger is less sure.
        wrong: (N,) whether the answer is wrong.
        weights: (N, R).

    Returns:
        Coverage (m, R), ascending, and risk (m, R), NaN where nothing has been drawn yet.
    """
    weights = ones_without(len(uncertainty), weights)
    _, step = np.unique(uncertainty, return_inverse=True)
    order = np.argsort(step, kind="stable")
    last = np.flatnonzero(np.diff(step[order], append=-1) != 0)
    answered = np.cumsum(weights[order], axis=0)[last]
    mistaken = np.cumsum(weights[order] * wrong[order, None], axis=0)[last]
    with np.errstate(invalid="ignore"):
        return answered / answered[-1], mistaken / answered


def aurc(uncertainty: Floats, wrong: Bools, weights: Floats | None = None) -> Floats:
    """Area under the risk-coverage curve: mean over images of the risk among those at least as sure.

    >>> aurc(np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, False, True, False])).round(6).tolist()
    [0.145833]
    """
    coverage, risk = risk_coverage(uncertainty, wrong, weights)
    gained = np.diff(coverage, axis=0, prepend=0)
    return np.asarray(np.where(gained > 0, gained * risk, 0).sum(axis=0))


def selective_risk(
    uncertainty: Floats, wrong: Bools, coverage: float, weights: Floats | None = None
) -> Floats:
    """Risk when the surest images are answered until at least this share of all is.

    >>> selective_risk(np.array([0.1, 0.2, 0.3, 0.4]), np.array([False, False, True, True]), 0.75).tolist()
    [0.3333333333333333]
    """
    reached, risk = risk_coverage(uncertainty, wrong, weights)
    enough = (reached >= coverage - 1e-12).argmax(axis=0)
    return np.asarray(np.take_along_axis(risk, enough[None], axis=0)[0])
