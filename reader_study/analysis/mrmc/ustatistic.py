"""U-statistic analysis of any design: missing readings, split plots, nested cases (Gallas 2006, 2009).

The mean over all observed terms is pooled over readers. Its variance comes from moments of products of two
terms that share the reader, a case of either kind, or nothing; degrees of freedom after Obuchowski, Gallas
and Hillis 2012 (Acad Radiol 19:1508). As in the iMRMC software, t is used with whole degrees of freedom
below 50 and the normal distribution from there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import chain, combinations

import numpy as np

from reader_study.analysis.mrmc.comparison import Comparison, compared
from reader_study.analysis.mrmc.outcomes import Floats, Kernels

NORMAL_FROM = 50.0
Axes = tuple[int, ...]


@dataclass(frozen=True)
class UAnalysis:
    """Pooled means (T,), their covariance (T, T) and each treatment's and each pair's test."""

    means: tuple[Comparison, ...]
    pairs: tuple[tuple[int, int, Comparison], ...]
    covariance: Floats


def u_statistics(kernels: Kernels) -> UAnalysis:
    """Analyse (T, R, ...) terms; readers and cases are random."""
    treatments = len(kernels.terms)
    pooled = _pooled(kernels)
    moments = {(a, b): _moments(kernels, a, b) for a in range(treatments) for b in range(a, treatments)}
    variances = np.empty((treatments, treatments))
    for (a, b), found in moments.items():
        variances[a, b] = variances[b, a] = pooled[a] * pooled[b] - found[()]
    sizes = _sizes(kernels)
    means = tuple(
        _tested(float(pooled[t]), float(variances[t, t]), moments[t, t], sizes) for t in range(treatments)
    )
    pairs = []
    for a, b in combinations(range(treatments), 2):
        contrast = {
            axes: moments[a, a][axes] + moments[b, b][axes] - 2 * moments[a, b][axes]
            for axes in moments[a, b]
        }
        variance = float(variances[a, a] + variances[b, b] - 2 * variances[a, b])
        pairs.append((a, b, _tested(float(pooled[a] - pooled[b]), variance, contrast, sizes)))
    return UAnalysis(means, tuple(pairs), variances)


def _pooled(kernels: Kernels) -> Floats:
    axes = tuple(range(1, kernels.terms.ndim))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(kernels.terms.sum(axes) / kernels.seen.sum(axes))


def _sizes(kernels: Kernels) -> tuple[int, ...]:
    """How many readers, and cases of each kind, were observed at all."""
    seen = kernels.seen.max(axis=0)
    axes = range(seen.ndim)
    return tuple(
        int(np.count_nonzero(seen.max(axis=tuple(other for other in axes if other != axis)))) for axis in axes
    )


@cache
def _subsets(axes: Axes) -> tuple[Axes, ...]:
    return tuple(chain.from_iterable(combinations(axes, n) for n in range(len(axes) + 1)))


def _moments(kernels: Kernels, a: int, b: int) -> dict[Axes, float]:
    """Mean product of a term of treatment a and one of b that share exactly the given axes (0 is readers)."""
    products = _exact_sums(kernels.terms[a], kernels.terms[b])
    counts = _exact_sums(kernels.seen[a], kernels.seen[b])
    return {axes: products[axes] / counts[axes] if counts[axes] > 0 else math.nan for axes in products}


def _exact_sums(x: Floats, y: Floats) -> dict[Axes, float]:
    """Sums of x * y over pairs that agree in exactly the given axes, by inclusion and exclusion."""
    every = tuple(range(x.ndim))
    at_least: dict[Axes, float] = {}
    for axes in _subsets(every):
        free = tuple(axis for axis in every if axis not in axes)
        at_least[axes] = float((x.sum(axis=free) * y.sum(axis=free)).sum())
    return {
        axes: sum(
            (-1) ** (len(more) - len(axes)) * value
            for more, value in at_least.items()
            if set(axes) <= set(more)
        )
        for axes in at_least
    }


def _tested(value: float, variance: float, moments: dict[Axes, float], sizes: tuple[int, ...]) -> Comparison:
    if math.isnan(value):
        return Comparison(None, reason="Not estimable: nothing was read.")
    if math.isnan(variance):
        return Comparison(
            value, reason="Not estimable: no two readers read different cases in these treatments."
        )
    df = _degrees_of_freedom(variance, moments, sizes)
    test_df = math.inf if math.isnan(df) or df >= NORMAL_FROM else max(1.0, math.floor(df))
    return compared(value, variance, math.inf if math.isnan(df) else df, test_df=test_df)


def _degrees_of_freedom(variance: float, moments: dict[Axes, float], sizes: tuple[int, ...]) -> float:
    """Satterthwaite over readers and each kind of case; NaN where a component is not observed."""
    components = {
        axes: sum((-1) ** (len(axes) - len(fewer)) * moments[fewer] for fewer in _subsets(axes))
        for axes in moments
        if axes
    }
    below = 0.0
    for axis, size in enumerate(sizes):
        if size < 2:
            continue
        part = sum(
            component / math.prod(sizes[each] for each in axes)
            for axes, component in components.items()
            if axis in axes
        )
        below += part**2 / (size - 1)
    return variance**2 / below if below > 0 else math.nan
