"""What a reader achieves in a treatment, and how each case moves it: empirical AUC, proportion correct."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Outcome = Literal["auc", "proportion"]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Kernels:
    """The terms whose mean is the outcome, and which of them were observed.

    Attributes:
        terms: (T, R, C1, C0) for the AUC: 1, 0.5 or 0 for each diseased and non-diseased pair; (T, R, C)
            for a proportion: 1 or 0 for each case. Zero where not observed.
        seen: The same shape, 1 where observed.
    """

    terms: Floats
    seen: Floats

    @property
    def means(self) -> Floats:
        """The outcome (T, R); NaN where nothing was observed."""
        axes = tuple(range(2, self.terms.ndim))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.terms.sum(axes) / self.seen.sum(axes))


def auc_kernels(ratings: Floats, truth: NDArray[np.bool_]) -> Kernels:
    """Compare every diseased with every non-diseased case; a tie counts one half (Bamber 1975).

    Args:
        ratings: (T, R, C), NaN for a missing reading.
        truth: (C,) True for diseased.
    """
    diseased, healthy = ratings[..., truth][..., :, None], ratings[..., ~truth][..., None, :]
    seen = ~(np.isnan(diseased) | np.isnan(healthy))
    terms = np.where(seen, (diseased > healthy) + 0.5 * (diseased == healthy), 0.0)
    return Kernels(terms, seen.astype(np.float64))


def proportion_kernels(correct: Floats) -> Kernels:
    """Take (T, R, C) of 1 (correct), 0 (wrong) and NaN (missing)."""
    seen = ~np.isnan(correct)
    return Kernels(np.where(seen, correct, 0.0), seen.astype(np.float64))


def influences(kernels: Kernels) -> tuple[Floats, ...]:
    """How each case's own mean differs from the outcome.

    Returns:
        One array (T, R, C) for each kind of case (diseased, then non-diseased, for the AUC): mean of the
        terms that hold the case, minus the outcome; 0 where the reader did not read it.
    """
    found = []
    kinds = range(2, kernels.terms.ndim)
    for kind in kinds:
        others = tuple(axis for axis in kinds if axis != kind)
        held = kernels.seen.sum(others) if others else kernels.seen
        total = kernels.terms.sum(others) if others else kernels.terms
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append(np.where(held > 0, total / held - kernels.means[..., None], 0.0))
    return tuple(found)
