"""Do probabilities mean what they say: calibration error and the table behind a reliability diagram."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.evaluation.metrics import ones_without

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]

BINS = 15


def calibration_error(
    confidence: Floats, correct: Bools, weights: Floats | None = None, bins: int = BINS
) -> Floats:
    """Expected calibration error over bins of equal width (Guo et al. 2017, equation 3).

    Args:
        confidence: (N,) probability of the first answer, in 0 to 1.
        correct: (N,) whether it is right.
        weights: (N, R).
        bins: Number of bins; a value on a border belongs to the lower bin.

    >>> round(float(calibration_error(np.array([0.9, 0.9, 0.3]), np.array([True, False, False]))[0]), 6)
    0.366667
    """
    weights = ones_without(len(confidence), weights)
    gaps = np.zeros((bins, len(confidence)))
    gaps[_bin_of(confidence, bins), np.arange(len(confidence))] = confidence - correct
    return np.asarray(np.abs(gaps @ weights).sum(axis=0) / weights.sum(axis=0))


def reliability_table(confidence: Floats, correct: Bools, bins: int = BINS) -> list[dict[str, Any]]:
    """Images, mean confidence and accuracy of each bin that has images.

    >>> reliability_table(np.array([0.9, 0.95]), np.array([True, False]), bins=2)
    [{'low': 0.5, 'high': 1.0, 'n': 2, 'confidence': 0.925, 'accuracy': 0.5}]
    """
    place = _bin_of(confidence, bins)
    return [
        {
            "low": number / bins,
            "high": (number + 1) / bins,
            "n": int((place == number).sum()),
            "confidence": float(confidence[place == number].mean()),
            "accuracy": float(correct[place == number].mean()),
        }
        for number in np.unique(place).tolist()
    ]


def _bin_of(confidence: Floats, bins: int) -> NDArray[np.int64]:
    return np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
