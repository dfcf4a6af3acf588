"""Agreement of readers; readings may be missing (Gwet 2014, Handbook of Inter-Rater Reliability, 4th ed.).

Variances are those of the cases drawn at random (Gwet, chapters 5 and 6; irrCAC has the same). Weights make
a coefficient for ordered categories: Gwet's ordinal weights turn AC1 into AC2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from reader_study.analysis.columns import Columns

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]
LEVEL = 0.95
NOMINAL = ("fleiss", "ac1", "alpha", "conger", "brennan_prediger", "percent")
MISSING = -1


def agreement(labels: Labels) -> dict[str, dict[str, Any]]:
    """Agreement on categories without an order.

    Args:
        labels: (cases, readers) category of each reading, from 0; -1 where missing.

    Returns:
        Fleiss' kappa, Gwet's AC1, Krippendorff's alpha, Conger's kappa, Brennan and Prediger's, and percent
        agreement, each with ``value``, ``se`` and ``ci``, or nulls and a ``reason``; Fleiss' with ``z``
        against no agreement (Fleiss 1979) where every case has equally many readings.
    """
    labels, counts, why = _counted(labels)
    if why:
        return {key: _nothing(why) for key in NOMINAL}
    alike = np.eye(counts.shape[1])
    several = counts.sum(axis=1) >= 2
    fleiss = _fleiss(counts, alike)
    return {
        "fleiss": fleiss | _against_chance(counts, fleiss["value"]),
        "ac1": _gwet(counts, alike),
        "alpha": _alpha(counts[several], alike),
        "conger": _conger(labels, counts),
        "brennan_prediger": _chance_corrected(counts, alike, 0.0, 1 / counts.shape[1]),
        "percent": _chance_corrected(counts, alike, 0.0, 0.0),
    }


def ordinal_agreement(labels: Labels) -> dict[str, dict[str, Any]]:
    """Agreement on ordered categories 0, 1, 2, ...: Gwet's AC2 (ordinal weights), alpha (ordinal metric)."""
    keys = ("ac2", "alpha")
    categories = int(labels.max(initial=0)) + 1
    labels, counts, why = _counted(labels, categories)
    if why:
        return {key: _nothing(why) for key in keys}
    apart = np.abs(np.subtract.outer(np.arange(categories), np.arange(categories)))
    gwet = 1 - (apart + 1) * apart / (categories * (categories - 1))
    several = counts.sum(axis=1) >= 2
    return {"ac2": _gwet(counts, gwet), "alpha": _alpha(counts[several], _ordinal_metric(counts[several]))}


def first_choices(columns: Columns, arm: str) -> Labels:
    """(cases, readers) first diagnoses in an arm; of a case read again, the first reading."""
    return _taken(columns, arm, columns.first)


def confidences(columns: Columns, arm: str) -> Labels:
    """(cases, readers) confidence in an arm, the lowest level that was used as 0."""
    known = ~np.isnan(columns.confidence)
    lowest = columns.confidence[known].min() if known.any() else 0.0
    levels = np.where(known, columns.confidence - lowest, MISSING).astype(np.intp)
    return _taken(columns, arm, levels)


def intra_reader(columns: Columns, arm: str) -> dict[str, Any]:
    """Agreement of readers with themselves on cases that they read twice in an arm, readers together."""
    rows = np.flatnonzero(columns.of_arm(arm))
    cells = columns.reader[rows] * len(columns.cases) + columns.case[rows]
    order = np.argsort(cells, kind="stable")
    again = np.flatnonzero(np.diff(cells[order]) == 0)
    start = again[np.concatenate([[True], np.diff(again) > 1])] if len(again) else again
    twice = np.column_stack([columns.first[rows[order[start]]], columns.first[rows[order[start + 1]]]])
    found = agreement(twice.reshape(-1, 2))
    return {"pairs": len(start), "percent": found["percent"], "ac1": found["ac1"]}


def _taken(columns: Columns, arm: str, values: Labels) -> Labels:
    rows = columns.grid(arm)
    if not len(values):
        return np.full(rows.T.shape, MISSING)
    return np.asarray(np.where(rows >= 0, values[rows], MISSING).T)


def _counted(labels: Labels, categories: int | None = None) -> tuple[Labels, Floats, str]:
    """Cases with a reading, (cases, categories) numbers of readings, and why there is no coefficient."""
    labels = labels[(labels >= 0).any(axis=1)]
    if categories is None:
        used = np.unique(labels[labels >= 0])
        labels = np.where(labels >= 0, np.searchsorted(used, labels), MISSING)
        categories = len(used)
    if not categories:
        return labels, np.zeros((0, 0)), "fewer than two cases were read twice"
    counts = np.stack([(labels == each).sum(axis=1) for each in range(categories)], axis=1).astype(float)
    if (counts.sum(axis=1) >= 2).sum() < 2:
        return labels, counts, "fewer than two cases were read twice"
    if (counts.sum(axis=0) > 0).sum() < 2:
        return labels, counts, "all readings name one category"
    return labels, counts, ""


def _nothing(why: str) -> dict[str, Any]:
    return {"value": None, "se": None, "ci": None, "reason": f"Not estimable: {why}."}


def _observed(counts: Floats, weights: Floats) -> Floats:
    """Weighted share of agreeing pairs of readers, by case; 0 where fewer than two read it."""
    readers = counts.sum(axis=1)
    pairs = np.where(readers > 1, readers * (readers - 1), 1)
    return np.asarray((counts * (counts @ weights - 1)).sum(axis=1) / pairs)


def _shares(counts: Floats) -> Floats:
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def _fleiss(counts: Floats, weights: Floats) -> dict[str, Any]:
    shares = _shares(counts)
    prevalence = shares.mean(axis=0)
    expected = weights @ prevalence
    return _chance_corrected(counts, weights, shares @ expected, float(prevalence @ expected))


def _gwet(counts: Floats, weights: Floats) -> dict[str, Any]:
    shares = _shares(counts)
    prevalence = shares.mean(axis=0)
    size = counts.shape[1]
    scale = weights.sum() / (size * (size - 1))
    chance = scale * float(prevalence @ (1 - prevalence))
    return _chance_corrected(counts, weights, scale * (shares @ (1 - prevalence)), chance)


def _chance_corrected(
    counts: Floats, weights: Floats, by_case: Floats | float, chance: float
) -> dict[str, Any]:
    """(observed - chance) / (1 - chance); ``by_case`` is each case's part in the chance, if it has one."""
    several = counts.sum(axis=1) >= 2
    observed = _observed(counts, weights)
    value = (observed[several].mean() - chance) / (1 - chance)
    linear = len(counts) / several.sum() * np.where(several, observed - chance, 0.0) / (1 - chance)
    if isinstance(by_case, float):  # a chance that the data do not enter
        return _with_interval(float(value), linear)
    return _with_interval(float(value), linear - 2 * (1 - value) * (by_case - chance) / (1 - chance))


def _conger(labels: Labels, counts: Floats) -> dict[str, Any]:
    """Chance from each reader's own shares (Conger 1980)."""
    readers, size = labels.shape[1], counts.shape[1]
    if readers < 2:
        return _nothing("there is one reader")
    gave = labels >= 0
    took_part = gave.any(axis=0)
    labels, gave, readers = labels[:, took_part], gave[:, took_part], int(took_part.sum())
    number, cases = gave.sum(axis=0), len(labels)
    chosen = np.stack([labels == each for each in range(size)], axis=2).astype(float)
    shares = chosen.sum(axis=0) / number[:, None]
    total = shares.sum(axis=0)
    chance = float((total**2 - (shares**2).sum(axis=0)).sum() / (readers * (readers - 1)))
    deviations = (chosen - (gave - number / cases)[:, :, None] * shares) * (cases / number)[:, None]
    by_case = (deviations * (total - shares)).sum(axis=(1, 2)) / (readers * (readers - 1))
    return _chance_corrected(counts, np.eye(size), by_case, chance)


def _alpha(counts: Floats, weights: Floats) -> dict[str, Any]:
    readers = counts.sum(axis=1)
    mean_readers = readers.mean()
    small = 1 / readers.sum()
    prevalence = counts.mean(axis=0) / mean_readers
    expected = weights @ prevalence
    chance = float(prevalence @ expected)
    if 1 - chance < 1e-12:
        return _nothing("all readings name one category")
    agreeing = (counts * (counts @ weights - 1)).sum(axis=1) / (mean_readers * (readers - 1))
    observed = (1 - small) * agreeing.mean() + small
    value = (observed - chance) / (1 - chance)
    # The variance is that of alpha without its small-sample term, as in irrCAC.
    plain = (agreeing.mean() - chance) / (1 - chance)
    excess = (readers - mean_readers) / mean_readers
    by_case = counts @ expected / mean_readers - chance * excess
    linear = (agreeing - observed * excess - chance - 2 * (1 - plain) * (by_case - chance)) / (1 - chance)
    return _with_interval(float(value), linear + value - plain)


def _ordinal_metric(counts: Floats) -> Floats:
    """Krippendorff's ordinal distances turned into weights: how many readings lie between two categories."""
    total = counts.sum(axis=0)
    middle = np.cumsum(total) - total / 2
    distance = np.subtract.outer(middle, middle) ** 2
    return np.asarray(1 - distance / max(float(distance.max()), 1e-300))


def _against_chance(counts: Floats, value: float) -> dict[str, Any]:
    readers = counts.sum(axis=1)
    if np.ptp(readers) > 0:
        return {}
    share = counts.sum(axis=0) / counts.sum()
    spread = float(share @ (1 - share))
    m, cases = readers[0], len(counts)
    skewness = float((share * (1 - share)) @ (1 - 2 * share))
    variance = 2 / (spread**2 * cases * m * (m - 1)) * (spread**2 - skewness)
    return {"z": value / float(np.sqrt(variance))} if variance > 0 else {}


def _with_interval(value: float, linear: Floats) -> dict[str, Any]:
    cases = len(linear)
    se = float(np.sqrt(((linear - value) ** 2).sum() / (cases * (cases - 1))))
    half = float(stats.t(cases - 1).ppf(0.5 + LEVEL / 2)) * se
    return {"value": value, "se": se, "ci": [max(value - half, -1.0), min(value + half, 1.0)]}
