"""U-statistic analysis of any design: missing readings, split plots, nested cases (Gallas 2006, 2009).

The mean over all observed terms is pooled over readers. Its variance comes from moments of products of two
terms that share the reader, a case of either kind, or nothing; degrees of freedom from mean squares after
Obuchowski, Gallas and Hillis 2012 (Acad Radiol 19:1508). As in the iMRMC software, readings that are missing
count through the probability that two terms share a reader or a case, and t is used with whole degrees of
freedom up to 50 and the normal distribution beyond.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import chain, combinations

import numpy as np

from reader_study.analysis.mrmc.comparison import Comparison, compared
from reader_study.analysis.mrmc.outcomes import Floats, Kernels

NORMAL_BEYOND = 50.0
Axes = tuple[int, ...]


@dataclass(frozen=True)
class UAnalysis:
    """Pooled means (T,), their covariance (T, T) and each treatment's and each pair's test.

    ``bootstrap`` has the pairs' tests by the variance of the ideal two-way bootstrap (the limit of infinitely
    many draws of readers and cases; iMRMC calls it MLE): never negative, a little too large in small studies.
    """

    means: tuple[Comparison, ...]
    pairs: tuple[tuple[int, int, Comparison], ...]
    bootstrap: tuple[Comparison, ...]
    bootstrap_means: tuple[Comparison, ...]
    covariance: Floats


@dataclass(frozen=True)
class _Shared:
    """Products of a term of one treatment and one of another, by what the two terms share.

    Attributes:
        nothing: Mean product of terms that share neither the reader nor a case of any kind.
        ideal: Covariance of the two means under the two-way bootstrap; NaN where it has no terms.
        excess: For readers and each kind of case: mean product of terms that share it, whatever else they
            share, above the product of the means. A mean square, but for a factor that cancels.
        size: How many readers, and cases of each kind, there are in effect: one divided by the probability
            that two terms share one. 0 where the treatments have none in common.
    """

    nothing: float
    ideal: float
    excess: tuple[float, ...]
    size: tuple[float, ...]


def u_statistics(kernels: Kernels) -> UAnalysis:
    """Analyse (T, R, ...) terms; readers and cases are random."""
    treatments = len(kernels.terms)
    pooled = _pooled(kernels)
    shared = {(a, b): _shared(kernels, a, b) for a in range(treatments) for b in range(a, treatments)}
    variances = np.empty((treatments, treatments))
    for (a, b), found in shared.items():
        variances[a, b] = variances[b, a] = pooled[a] * pooled[b] - found.nothing
    means, bootstrap_means = [], []
    for t in range(treatments):
        parts = [_part(shared[t, t], axis) for axis in range(kernels.terms.ndim - 1)]
        means.append(_tested(float(pooled[t]), float(variances[t, t]), parts))
        bootstrap_means.append(_tested(float(pooled[t]), shared[t, t].ideal, parts))
    pairs, bootstrap = [], []
    for a, b in combinations(range(treatments), 2):
        variance = float(variances[a, a] + variances[b, b] - 2 * variances[a, b])
        parts = _parts_of_difference(shared[a, a], shared[b, b], shared[a, b])
        pairs.append((a, b, _tested(float(pooled[a] - pooled[b]), variance, parts)))
        ideal = shared[a, a].ideal + shared[b, b].ideal - 2 * shared[a, b].ideal
        bootstrap.append(_tested(float(pooled[a] - pooled[b]), ideal, parts))
    return UAnalysis(tuple(means), tuple(pairs), tuple(bootstrap), tuple(bootstrap_means), variances)


def _pooled(kernels: Kernels) -> Floats:
    axes = tuple(range(1, kernels.terms.ndim))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(kernels.terms.sum(axes) / kernels.seen.sum(axes))


@cache
def _subsets(axes: Axes) -> tuple[Axes, ...]:
    return tuple(chain.from_iterable(combinations(axes, n) for n in range(len(axes) + 1)))


def _shared(kernels: Kernels, a: int, b: int) -> _Shared:
    products = _sums_at_least(kernels.terms[a], kernels.terms[b])
    counts = _sums_at_least(kernels.seen[a], kernels.seen[b])
    every = tuple(range(kernels.terms.ndim - 1))
    unshared = _exactly_nothing(counts)
    overall = products[()] / counts[()] if counts[()] else math.nan
    return _Shared(
        nothing=_exactly_nothing(products) / unshared if unshared > 0 else math.nan,
        ideal=_ideal(products, counts),
        excess=tuple(products[axis,] / counts[axis,] - overall if counts[axis,] else 0.0 for axis in every),
        size=tuple(counts[()] / counts[axis,] if counts[axis,] else 0.0 for axis in every),
    )


def _sums_at_least(x: Floats, y: Floats) -> dict[Axes, float]:
    """Sums of x * y over pairs of terms that agree in the given axes at least (0 is readers)."""
    every = tuple(range(x.ndim))
    sums: dict[Axes, float] = {}
    for axes in _subsets(every):
        free = tuple(axis for axis in every if axis not in axes)
        sums[axes] = float((x.sum(axis=free) * y.sum(axis=free)).sum())
    return sums


def _ideal(products: dict[Axes, float], counts: dict[Axes, float]) -> float:
    """Covariance of the means where readers and cases are drawn from those there are (Gallas 2009).

    A resample shares a set of axes as often as the design does; given that, its terms are drawn from all
    pairs that agree in these axes at least.
    """
    total = counts[()]
    if not total:
        return math.nan
    every = max(counts, key=len)
    weighted = 0.0
    for axes in counts:
        rest = tuple(axis for axis in every if axis not in axes)
        exactly = sum((-1) ** len(more) * counts[tuple(sorted((*axes, *more)))] for more in _subsets(rest))
        if exactly and counts[axes]:
            weighted += exactly / total * products[axes] / counts[axes]
    return weighted - products[()] / total


def _exactly_nothing(at_least: dict[Axes, float]) -> float:
    """The sum over pairs that agree in no axis, by inclusion and exclusion."""
    return float(sum((-1) ** len(axes) * value for axes, value in at_least.items()))


Part = tuple[float, int]  # excess and degrees of freedom


def _part(shared: _Shared, axis: int) -> Part:
    return shared.excess[axis], round(shared.size[axis] - 1)


def _parts_of_difference(first: _Shared, second: _Shared, both: _Shared) -> list[Part]:
    """Of readers and each kind of case: one part where treatments have them in common, else one for each."""
    parts = []
    for axis in range(len(both.size)):
        separate = [_part(first, axis), _part(second, axis)]
        if both.size[axis] > 0:
            excess = first.excess[axis] + second.excess[axis] - 2 * both.excess[axis]
            parts.append((excess, min(df for _, df in separate)))
        else:
            parts += separate
    return parts


def _tested(value: float, variance: float, parts: list[Part]) -> Comparison:
    if math.isnan(value):
        return Comparison(None, reason="Not estimable: nothing was read.")
    if math.isnan(variance):
        return Comparison(
            value, reason="Not estimable: no two readers read different cases in these treatments."
        )
    df = _degrees_of_freedom(variance, parts)
    test_df = math.inf if math.isnan(df) or df > NORMAL_BEYOND else max(1.0, math.floor(df))
    return compared(value, variance, math.inf if math.isnan(df) else df, test_df=test_df)


def _degrees_of_freedom(variance: float, parts: list[Part]) -> float:
    """Satterthwaite over mean squares, never fewer than the least of them has (Gaylor 1969)."""
    counted = [(excess, df) for excess, df in parts if df > 0]
    below = sum((excess / df) ** 2 / df for excess, df in counted)
    if below <= 0:
        return math.nan
    return max(variance**2 / below, float(min(df for _, df in counted)))
