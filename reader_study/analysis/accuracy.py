"""Top-k accuracy of readers and model, with intervals that fit what they are said about.

A single proportion has a Wilson interval. A statement about readers as a group has an interval from a
bootstrap that draws readers and cases anew, both with replacement (Gallas et al., Acad Radiol 2012; 19:463,
for why both are random); the cases that a draw holds are the same for every reader and for the model, which
keeps the pairing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from statsmodels.stats.proportion import proportion_confint

from reader_study.analysis.columns import Columns, columns_of, in_order
from reader_study.analysis.estimates import (
    READERS,
    SIMULATED,
    Estimate,
    GroupAccuracy,
    ModelDifference,
    ReaderAccuracy,
    SiteAccuracy,
    UnequalK,
)
from reader_study.analysis.flow import counts_of, notes_of
from reader_study.analysis.mrmc import readers_against_model
from reader_study.analysis.report import Report
from reader_study.analysis.table import StudyTable

TOP_K = (1, 3, 5)
LEVEL = 0.95
FEWEST_READERS = 2

Array = npt.NDArray[np.float64]


def proportion(x: int, n: int) -> Estimate:
    """How many of n are right, with the Wilson interval.

    >>> proportion(64, 96).ci
    (0.5675650615328923, 0.7529430758478588)
    """
    if n == 0:
        return Estimate(None, None, 0, 0, "There are no readings yet.")
    low, high = proportion_confint(x, n, alpha=1 - LEVEL, method="wilson")
    return Estimate(x / n, (float(low), float(high)), x, n)


@dataclass(frozen=True)
class Grid:
    """Reads of a group of readers in one arm at one k.

    Attributes:
        right: (readers, cases) number of reads that are right.
        reads: (readers, cases) number of reads; 0 where missing.
        model: (cases,) 1 where the model is right, 0 where not; ``None`` without a model.
    """

    right: Array
    reads: Array
    model: Array | None


def make_grid(table: StudyTable, columns: Columns, arm: str, k: int) -> Grid:
    """Count right and all reads of an arm, leaving out readers who read nothing in it."""
    right, count = columns.counts(arm, k)
    model = None
    if table.model:
        hits = np.array([table.model_hits.get(case, 0) for case in columns.cases])
        model = ((hits >= 1) & (hits <= k)).astype(np.float64)
    took_part = count.sum(axis=1) > 0
    return Grid(right[took_part], count[took_part], model)


@lru_cache(maxsize=8)
def _draws(readers: int, cases: int, resamples: int, seed: int) -> tuple[Array, Array]:
    """How often each case (resamples, cases) and each reader is drawn; the same for every metric."""
    rng = np.random.default_rng(seed)
    of_cases = rng.multinomial(cases, np.full(cases, 1 / cases), size=resamples).astype(np.float64)
    of_readers = rng.multinomial(readers, np.full(readers, 1 / readers), size=resamples).astype(np.float64)
    return of_cases, of_readers


def reader_means(grid: Grid, weights: Array) -> tuple[Array, Array]:
    """Accuracy of each reader, and their model's accuracy, under weights on cases.

    Args:
        grid: counts of one arm.
        weights: (draws, cases) how often each case is drawn.

    Returns:
        (draws, readers) accuracy, and (draws, readers) accuracy of the model over the same reads; NaN where a
        draw holds no case that the reader read.
    """
    count = weights @ grid.reads.T
    with np.errstate(invalid="ignore", divide="ignore"):
        readers = (weights @ grid.right.T) / count
        if grid.model is None:
            return readers, np.full_like(readers, np.nan)
        return readers, (weights @ (grid.reads * grid.model).T) / count


def two_way_bootstrap(
    grid: Grid, resamples: int, seed: int, *, against_model: bool
) -> tuple[float, tuple[float, float]]:
    """Mean over readers (minus the model, if asked) with its percentile interval.

    Returns:
        The value on the data, and the 2.5 % and 97.5 % quantiles over draws of readers and cases.
    """
    readers, cases = grid.reads.shape
    case_draws, reader_draws = _draws(readers, cases, resamples, seed)
    accuracy, model = reader_means(grid, np.vstack([np.ones(cases), case_draws]))
    values = accuracy - model if against_model else accuracy
    weights = np.vstack([np.ones(readers), reader_draws]) * np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = (weights * np.nan_to_num(values)).sum(axis=1) / weights.sum(axis=1)
    drawn = means[1:][np.isfinite(means[1:])]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(means[0]), (float(low), float(high))


def group_estimate(grid: Grid, resamples: int, seed: int, *, against_model: bool = False) -> Estimate:
    """The mean over readers, or its difference from the model, or words where it cannot be had."""
    readers, cases = grid.reads.shape
    if readers == 0:
        return Estimate(None, None, None, 0, "There are no readings yet.")
    if against_model and grid.model is None:
        return Estimate(None, None, None, readers, "The study has no predictions of a model.")
    value, ci = two_way_bootstrap(grid, resamples, seed, against_model=against_model)
    if cases < 2:
        return Estimate(value, None, None, readers, "One case gives no interval.")
    if readers < FEWEST_READERS:
        words = (
            "One reader: the interval covers the choice of cases only and says nothing about other readers."
        )
        return Estimate(value, ci, None, readers, words)
    if ci[0] == ci[1]:
        return Estimate(value, None, None, readers, "All draws agree; the interval is not estimable.")
    return Estimate(value, ci, None, readers)


def model_difference(grid: Grid) -> Estimate:
    """Readers minus the fixed model on the same cases; readers and cases random (Obuchowski-Rockette)."""
    readers = len(grid.reads)
    if readers == 0:
        return Estimate(None, None, None, 0, "There are no readings yet.")
    if grid.model is None:
        return Estimate(None, None, None, readers, "The study has no predictions of a model.")
    with np.errstate(invalid="ignore", divide="ignore"):
        found = readers_against_model(grid.right / grid.reads, grid.model)
    return Estimate(found.difference, found.ci, None, readers, found.reason, found.se, found.df, found.p)


def unequal_difference(table: StudyTable, arm: str, unequal: UnequalK) -> Estimate:
    """Readers within their k ranks minus the model within its own k: another question than equal k."""
    if not table.model:
        return Estimate(None, None, None, 0, "The study has no predictions of a model.")
    readers = make_grid(table, table.columns, arm, unequal.readers)
    model = make_grid(table, table.columns, arm, unequal.model)
    return model_difference(Grid(readers.right, readers.reads, model.model))


def report(
    table: StudyTable, *, seed: int = 0, resamples: int = 2000, unequal: UnequalK | None = None
) -> Report:
    """Compute everything about accuracy.

    Args:
        table: the scored study.
        seed: of the bootstrap.
        resamples: draws of the bootstrap.
        unequal: compare the model and readers within different numbers of ranks too.
    """
    ks = tuple(k for k in TOP_K if k <= table.k) or (1,)
    names = {k: f"top{k}" for k in ks}
    arms = in_order(read.arm for read in table.reads) or ("unaided",)
    simulated = [reader.reader_id for reader in table.readers if reader.simulated]
    groups = {READERS: table.columns}
    if simulated:
        groups[SIMULATED] = columns_of(simulated, table.columns.cases, table.reads)
    means, differences = [], []
    for arm in arms:
        for group, columns in groups.items():
            for k, metric in names.items():
                grid = make_grid(table, columns, arm, k)
                estimate = group_estimate(grid, resamples, seed)
                means.append(GroupAccuracy(group, arm, metric, len(grid.reads), estimate))
                against = model_difference(grid)
                differences.append(ModelDifference(group, arm, metric, against))
    return Report(
        table=table,
        study=table.study,
        metrics=tuple(names.values()),
        model_identity=table.model_identity,
        model={
            metric: proportion(sum(1 <= answer.hit <= k for answer in table.model), len(table.model))
            for k, metric in names.items()
            if table.model
        },
        readers=tuple(_readers(table, groups, arms, names)),
        groups=tuple(means),
        sites=tuple(_sites(table, arms, names)),
        model_vs_readers=tuple(differences),
        unequal=unequal,
        unequal_k={arm: unequal_difference(table, arm, unequal) for arm in arms} if unequal else {},
        counts=counts_of(table),
        notes=tuple(notes_of(table, unequal)),
        methods=(
            f"Top-k accuracy under the scoring rule '{table.study.get('rule', 'same')}'. Single "
            "readers, sites and the "
            "model: Wilson score interval; the interval of a site takes its reads as independent. "
            "Mean over readers: percentile interval of a bootstrap over readers and cases "
            f"({resamples} draws, seed {seed}). Difference from the model, and aided against unaided: "
            "Obuchowski-Rockette with jackknife covariances and Hillis degrees of freedom, readers and cases "
            "random, model fixed. Level 95 %. Simulated readers never enter the "
            "readers' numbers."
        ),
        seed=seed,
        resamples=resamples,
    )


def _readers(
    table: StudyTable, groups: Mapping[str, Columns], arms: Sequence[str], names: dict[int, str]
) -> list[ReaderAccuracy]:
    counted: dict[tuple[str, str, int], Estimate] = {}
    for columns in groups.values():
        for arm in arms:
            for k in names:
                right, read = (each.sum(axis=1) for each in columns.counts(arm, k))
                for index, reader in enumerate(columns.readers):
                    counted[reader, arm, k] = proportion(int(right[index]), int(read[index]))
    return [
        ReaderAccuracy(
            reader.reader_id, reader.site, reader.simulated, arm, metric, counted[reader.reader_id, arm, k]
        )
        for arm in arms
        for reader in table.readers
        for k, metric in names.items()
    ]


def _sites(table: StudyTable, arms: Sequence[str], names: dict[int, str]) -> list[SiteAccuracy]:
    rows = []
    site_of = {reader.reader_id: reader.site for reader in table.readers if not reader.simulated}
    for site in sorted(set(site_of.values())):
        here = np.array([site_of[reader] == site for reader in table.columns.readers])
        for arm in arms:
            for k, metric in names.items():
                right, read = (each[here] for each in table.columns.counts(arm, k))
                active = int((read.sum(axis=1) > 0).sum())
                accuracy = proportion(int(right.sum()), int(read.sum()))
                rows.append(SiteAccuracy(site, arm, metric, active, accuracy))
    return rows
