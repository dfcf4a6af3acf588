"""Metrics of ranked answers, each also under weights: a bootstrap resample is a weighting of the images.

Weights are (N, R): how often each of N images is drawn in each of R resamples. Without weights every image
counts once. The results then are (R,), or plain numbers for one column of ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]


def truth_ranks(scores: Floats, truth: Bools) -> NDArray[np.int64]:
    """Rank of the best-placed true label of each image, 1 the first.

    A wrong label with the same score stands before the true one: ties count against the model.

    Args:
        scores: (N, K), larger is more likely.
        truth: (N, K), at least one true label in each row.

    >>> scores = np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2]])
    >>> truth_ranks(scores, np.array([[False, True, False], [True, False, False]])).tolist()
    [2, 2]
    """
    best = np.where(truth, scores, -np.inf).max(axis=1, keepdims=True)
    return np.asarray(1 + ((scores >= best) & ~truth).sum(axis=1), np.int64)


def label_ranks(scores: Floats, truth: Bools) -> NDArray[np.int64]:
    """Rank of every label of each image among the labels that are wrong for the image, (N, K), 1 the first.

    What ``truth_ranks`` does for the best true label, for each label on its own; only entries where
    ``truth`` holds are meaningful.
    """
    wrong = np.sort(np.where(truth, -np.inf, scores), axis=1)
    ranks = [
        1 + len(row) - np.searchsorted(row, own, side="left") for row, own in zip(wrong, scores, strict=True)
    ]
    return np.asarray(ranks, np.int64).reshape(scores.shape)


def mean(values: Floats, weights: Floats | None = None) -> Floats:
    """Weighted mean of (N,) values."""
    weights = ones_without(len(values), weights)
    return np.asarray((values @ weights) / weights.sum(axis=0))


def recall_by_class(
    correct: Bools, classes: NDArray[np.integer[Any]], weights: Floats | None = None
) -> Floats:
    """Fraction of each class's images that are correct, (C, R); NaN where a class was not drawn.

    Args:
        correct: (N,) whether the answer is right.
        classes: (N,) index of the true class, 0 to C - 1.
        weights: (N, R).
    """
    weights = ones_without(len(correct), weights)
    members = np.eye(int(classes.max()) + 1)[classes]
    with np.errstate(invalid="ignore"):
        return np.asarray(((members * correct[:, None]).T @ weights) / (members.T @ weights))


def balanced_accuracy(
    correct: Bools, classes: NDArray[np.integer[Any]], weights: Floats | None = None
) -> Floats:
    """Mean recall over the classes that occur (Brodersen et al. 2010).

    >>> balanced_accuracy(np.array([True, False, True]), np.array([0, 0, 1])).tolist()
    [0.75]
    """
    present = np.unique(classes, return_inverse=True)[1]
    return mean_of_defined(recall_by_class(correct, present, weights))


def average_precision(relevant: Bools) -> float:
    """Mean over the relevant results of the precision at their place; 0 where nothing is relevant.

    >>> average_precision(np.array([True, False, True]))
    0.8333333333333333
    """
    places = np.flatnonzero(relevant) + 1
    return float((np.arange(1, len(places) + 1) / places).mean()) if len(places) else 0.0


def mean_of_defined(values: Floats) -> Floats:
    """Mean over the first axis of what is not NaN, (R,) of (C, R); NaN where nothing is left."""
    defined = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(defined, values, 0).sum(axis=0) / defined.sum(axis=0))


def ones_without(number: int, weights: Floats | None) -> Floats:
    """Return the weights, or one column of ones, (N, 1), in their place."""
    return np.ones((number, 1)) if weights is None else weights
