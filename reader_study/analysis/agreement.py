"""Agreement of readers on a nominal scale; readings may be missing (Gwet 2014, Inter-Rater Reliability).

Variances are those of the cases drawn at random (Gwet 2014, chapters 5 and 6; irrCAC has the same).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]
LEVEL = 0.95


def agreement(answers: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Any]]:
    """Fleiss' kappa, Gwet's AC1 and Krippendorff's alpha.

    Args:
        answers: First choices of the readers, by case; readers who did not read it are left out.

    Returns:
        ``fleiss``, ``ac1`` and ``alpha``, each with ``value``, ``se`` and ``ci``, or nulls and a ``reason``.
    """
    names = sorted({answer for given in answers.values() for answer in given})
    counts = np.array(
        [[list(given).count(name) for name in names] for given in answers.values()], float
    ).reshape(-1, len(names))
    counts = counts[counts.sum(axis=1) > 0]
    several = counts.sum(axis=1) >= 2
    if several.sum() < 2:
        return {key: _nothing("fewer than two cases were read twice") for key in ("fleiss", "ac1", "alpha")}
    if len(names) < 2:
        return {key: _nothing("all readings name one category") for key in ("fleiss", "ac1", "alpha")}
    return {"fleiss": _fleiss(counts), "ac1": _ac1(counts), "alpha": _alpha(counts[several])}


def _nothing(why: str) -> dict[str, Any]:
    return {"value": None, "se": None, "ci": None, "reason": f"Not estimable: {why}."}


def _observed(counts: Floats) -> Floats:
    """Share of agreeing pairs of readers, by case; 0 where fewer than two read it."""
    readers = counts.sum(axis=1)
    pairs = np.where(readers > 1, readers * (readers - 1), 1)
    return np.asarray((counts * (counts - 1)).sum(axis=1) / pairs)


def _shares(counts: Floats) -> Floats:
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def _fleiss(counts: Floats) -> dict[str, Any]:
    shares = _shares(counts)
    prevalence = shares.mean(axis=0)
    return _chance_corrected(counts, shares @ prevalence, float(prevalence @ prevalence))


def _ac1(counts: Floats) -> dict[str, Any]:
    shares = _shares(counts)
    prevalence = shares.mean(axis=0)
    others = counts.shape[1] - 1
    chance = float(prevalence @ (1 - prevalence)) / others
    return _chance_corrected(counts, shares @ (1 - prevalence) / others, chance)


def _chance_corrected(counts: Floats, by_case: Floats, chance: float) -> dict[str, Any]:
    several = counts.sum(axis=1) >= 2
    observed = _observed(counts)
    value = (observed[several].mean() - chance) / (1 - chance)
    linear = len(counts) / several.sum() * np.where(several, observed - chance, 0.0) / (1 - chance)
    return _with_interval(float(value), linear - 2 * (1 - value) * (by_case - chance) / (1 - chance))


def _alpha(counts: Floats) -> dict[str, Any]:
    readers = counts.sum(axis=1)
    mean_readers = readers.mean()
    small = 1 / readers.sum()
    prevalence = counts.mean(axis=0) / mean_readers
    chance = float(prevalence @ prevalence)
    agreeing = (counts * (counts - 1)).sum(axis=1) / (mean_readers * (readers - 1))
    observed = (1 - small) * agreeing.mean() + small
    value = (observed - chance) / (1 - chance)
    # The variance is that of alpha without its small-sample term, as in irrCAC.
    plain = (agreeing.mean() - chance) / (1 - chance)
    excess = (readers - mean_readers) / mean_readers
    by_case = counts @ prevalence / mean_readers - chance * excess
    linear = (agreeing - observed * excess - chance - 2 * (1 - plain) * (by_case - chance)) / (1 - chance)
    return _with_interval(float(value), linear + value - plain)


def _with_interval(value: float, linear: Floats) -> dict[str, Any]:
    cases = len(linear)
    se = float(np.sqrt(((linear - value) ** 2).sum() / (cases * (cases - 1))))
    half = float(stats.t(cases - 1).ppf(0.5 + LEVEL / 2)) * se
    return {"value": value, "se": se, "ci": [value - half, min(value + half, 1.0)]}
