"""What a label's scores are worth over every threshold: area under the ROC curve, average precision.

Weights are (N, R) as in ``metrics``. Both sum images between neighbouring thresholds with one sparse matrix
product, so that thousands of resamples take seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from retizero.evaluation.metrics import mean_of_defined, ones_without

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]


def roc_auc(scores: Floats, truth: Bools, weights: Floats | None = None) -> Floats:
    """Area under the ROC curve: the chance that an image with the label scores above one without, ties half.

    Args:
        scores: (N,).
        truth: (N,).
        weights: (N, R).

    Returns:
        (R,), NaN where only one class was drawn.

    >>> roc_auc(np.array([0.1, 0.4, 0.4, 0.8]), np.array([False, True, False, True])).tolist()
    [0.875]
    """
    positive, equal, below, negatives = _at_thresholds(scores, truth, ones_without(len(scores), weights))
    won = (positive * (below + equal / 2)).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.asarray(won / (positive.sum(axis=0) * negatives))


def average_precision_over_thresholds(scores: Floats, truth: Bools, weights: Floats | None = None) -> Floats:
    """Average precision: the precision at each score of a true image, weighted by the recall gained there.

    Args:
        scores: (N,).
        truth: (N,).
        weights: (N, R).

    Returns:
        (R,), NaN where no image with the label was drawn.

    >>> average_precision_over_thresholds(np.array([0.9, 0.5, 0.4]), np.array([True, False, True])).tolist()
    [0.8333333333333333]
    """
    positive, _, below, negatives = _at_thresholds(scores, truth, ones_without(len(scores), weights))
    hits = np.cumsum(positive[::-1], axis=0)[::-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(positive > 0, hits / (hits + negatives - below), 0)
        return np.asarray((positive * precision).sum(axis=0) / positive.sum(axis=0))


def macro_auc(scores: Floats, truth: Bools, weights: Floats | None = None) -> Floats:
    """Mean one-versus-rest ``roc_auc`` over the labels that some images have and some have not.

    Args:
        scores: (N, K).
        truth: (N, K).
        weights: (N, R).

    Returns:
        (R,), NaN where there is no such label. A label of which a resample drew one class only is left out
        of that resample's mean.
    """
    return _macro(roc_auc, scores, truth, weights)


def macro_average_precision(scores: Floats, truth: Bools, weights: Floats | None = None) -> Floats:
    """Mean of ``average_precision_over_thresholds`` over labels, with the arguments of ``macro_auc``."""
    return _macro(average_precision_over_thresholds, scores, truth, weights)


def _macro(
    metric: Callable[[Floats, Bools, Floats | None], Floats],
    scores: Floats,
    truth: Bools,
    weights: Floats | None,
) -> Floats:
    mixed = [k for k in range(truth.shape[1]) if 0 < truth[:, k].sum() < len(truth)]
    if not mixed:
        return np.full(1 if weights is None else weights.shape[1], np.nan)
    return mean_of_defined(np.stack([metric(scores[:, k], truth[:, k], weights) for k in mixed]))


def _at_thresholds(scores: Floats, truth: Bools, weights: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Weights at and below the m different scores of the true images, in ascending order.

    Returns:
        True images at each score, others at it, others below it, each (m, R), and all others (R,).
    """
    thresholds = np.unique(scores[truth])
    place = np.searchsorted(thresholds, scores, side="left")
    at = np.zeros(len(scores), np.bool_)
    inside = place < len(thresholds)
    at[inside] = thresholds[place[inside]] == scores[inside]
    # Even segments lie between thresholds, odd ones at a threshold.
    between = _sum_by(2 * place + at, ~truth, 2 * len(thresholds) + 1) @ weights
    cumulated = np.cumsum(between, axis=0)
    positive = _sum_by(place, truth, len(thresholds)) @ weights
    return positive, between[1::2], cumulated[:-1:2], cumulated[-1]


def _sum_by(segment: NDArray[np.integer[Any]], members: Bools, segments: int) -> csr_array:
    """Sparse (segments, N) that adds up the members of each segment."""
    columns = np.flatnonzero(members)
    return csr_array((np.ones(len(columns)), (segment[columns], columns)), shape=(segments, len(segment)))
