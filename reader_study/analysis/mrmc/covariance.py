"""Covariances between the outcomes of readers and treatments that saw the same cases.

Jackknife: Quenouille 1956 over cases of both kinds. DeLong: DeLong 1988. Unbiased: U-statistics, Gallas 2009.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reader_study.analysis.mrmc.outcomes import Floats, Kernels, influences

Covariance = Literal["jackknife", "delong", "unbiased"]


def covariance(kernels: Kernels, method: Covariance) -> Floats:
    """Return (T * R, T * R): covariance over cases with readers held fixed; treatments vary slowest.

    A pair that shares no case has covariance 0.
    """
    if method == "jackknife":
        return _jackknife(kernels)
    if method == "delong":
        return _delong(kernels)
    return _unbiased(kernels)


def _numbers(kernels: Kernels) -> tuple[Floats, ...]:
    """How many cases of each kind each reader read, (T, R, 1)."""
    kinds = range(2, kernels.seen.ndim)
    counts = []
    for kind in kinds:
        others = tuple(axis for axis in kinds if axis != kind)
        held = kernels.seen.max(axis=others) if others else kernels.seen
        counts.append(held.sum(axis=-1, keepdims=True))
    return tuple(counts)


def few_of_a_kind(kernels: Kernels) -> NDArray[np.bool_]:
    """(T, R) whether a reader has an outcome that rests on fewer than two cases of a kind: no covariance."""
    few = np.stack([number[..., 0] < 2 for number in _numbers(kernels)]).any(axis=0)
    return np.asarray(few & ~np.isnan(kernels.means))


def _products(rows: Floats) -> Floats:
    flat = rows.reshape(-1, rows.shape[-1])
    return np.asarray(flat @ flat.T)


def _jackknife(kernels: Kernels) -> Floats:
    """Leaving case k out moves the outcome by -influence / (n - 1) with n cases of its kind."""
    moves = [
        influence / np.maximum(n - 1, 1)
        for influence, n in zip(influences(kernels), _numbers(kernels), strict=True)
    ]
    cases = sum(move.shape[-1] for move in moves)
    return np.asarray(_products(np.concatenate(moves, axis=-1)) * (cases - 1) / cases)


def _delong(kernels: Kernels) -> Floats:
    scaled = [
        influence / np.sqrt(np.maximum(n * (n - 1), 1))
        for influence, n in zip(influences(kernels), _numbers(kernels), strict=True)
    ]
    return _products(np.concatenate(scaled, axis=-1))


def _unbiased(kernels: Kernels) -> Floats:
    means = kernels.means.reshape(-1)
    apart, pairs = _disjoint(kernels.terms), _disjoint(kernels.seen)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.where(pairs > 0, apart / pairs, np.outer(means, means))
    return np.asarray(np.outer(means, means) - expected)


def _disjoint(terms: Floats) -> Floats:
    """Sums over products of terms that share no case, (M, M), by inclusion and exclusion."""
    flat = terms.reshape(terms.shape[0] * terms.shape[1], -1)
    totals = flat.sum(axis=1)
    if terms.ndim == 3:
        return np.asarray(np.outer(totals, totals) - flat @ flat.T)
    by_case = [_products(terms.sum(axis=axis)) for axis in (2, 3)]
    return np.asarray(np.outer(totals, totals) - by_case[0] - by_case[1] + flat @ flat.T)
