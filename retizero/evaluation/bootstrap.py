"""Intervals by resampling groups (patients), because images of one patient are not independent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.evaluation.metrics import mean

Floats = NDArray[np.floating[Any]]

RESAMPLES = 2_000
LEVEL = 0.95
_CELLS = 4_000_000  # images times resamples held at a time: 32 MB of weights


class GroupBootstrap:
    """Draws groups with replacement, the same draws for every statistic.

    Args:
        groups: Group of each of N images.
        resamples: Number of resamples R.
        seed: Seed of the draws.
    """

    def __init__(self, groups: Sequence[str], resamples: int = RESAMPLES, seed: int = 0) -> None:
        unique, self._group_of = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
        self.n_groups = len(unique)
        self.resamples = resamples
        self.seed = seed

    def interval(self, statistic: Callable[[Floats], Floats]) -> list[float] | None:
        """Percentile interval at 95 % of a statistic (Efron 1981).

        Args:
            statistic: Takes weights (N, r), how often each image is drawn in each of r resamples, and
                returns (r,).

        Returns:
            ``[low, high]``; None where there is one group only or the statistic is undefined.
        """
        found = self.intervals(lambda weights: statistic(weights)[None])
        return None if found is None else found[0]

    def intervals(self, statistics: Callable[[Floats], Floats]) -> list[list[float] | None] | None:
        """Intervals of S statistics at once, from weights (N, r) to (S, r); None where there is one group."""
        if self.n_groups < 2:
            return None
        return [self.percentiles(values) for values in self.distribution(statistics)]

    def distribution(self, statistics: Callable[[Floats], Floats]) -> Floats:
        """The S statistics in every resample, (S, R)."""
        return np.concatenate([statistics(weights) for weights in self._weights()], axis=1)

    @staticmethod
    def percentiles(values: Floats) -> list[float] | None:
        """95 % interval of one statistic in (R,) resamples; None where it is defined in none."""
        defined = values[np.isfinite(values)]
        if len(defined) == 0:
            return None
        low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return [float(low), float(high)]

    def _weights(self) -> Iterator[Floats]:
        """How often each image is drawn, (N, r) float64, a part of the resamples at a time."""
        random = np.random.default_rng(self.seed)
        step = max(1, _CELLS // len(self._group_of))
        for start in range(0, self.resamples, step):
            count = min(step, self.resamples - start)
            drawn = random.integers(0, self.n_groups, (count, self.n_groups))
            drawn += np.arange(count)[:, None] * self.n_groups
            times = np.bincount(drawn.ravel(), minlength=count * self.n_groups).reshape(count, -1)
            yield np.ascontiguousarray(times.T.astype(np.float64))[self._group_of]

    def groups_of(self, members: NDArray[np.bool_]) -> int:
        """How many groups (N,) images belong to."""
        return len(np.unique(self._group_of[members]))

    def describe(self) -> str:
        """State the interval in one sentence."""
        return (
            f"{LEVEL:.0%} percentile intervals over {self.resamples:,} bootstrap resamples of "
            f"{self.n_groups:,} groups, seed {self.seed}"
        )


def estimate_mean(values: NDArray[Any], bootstrap: GroupBootstrap) -> dict[str, Any]:
    """``estimate`` of the mean of (N,) values or (N,) truths."""
    numbers = np.asarray(values, np.float64)
    return estimate(lambda weights: mean(numbers, weights), bootstrap)


def estimate(statistic: Callable[[Floats | None], Floats], bootstrap: GroupBootstrap) -> dict[str, Any]:
    """Value and interval of one statistic as ``{"value", "ci"}``; None in place of what is undefined."""
    value = float(statistic(None)[0])
    if not np.isfinite(value):
        return {"value": None, "ci": None}
    return {"value": value, "ci": bootstrap.interval(statistic)}
