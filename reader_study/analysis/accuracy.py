"""Top-k accuracy of readers and model, with intervals that fit what they are said about.

A single proportion has a Wilson interval. A statement about readers as a group has an interval from a
bootstrap that draws readers and cases anew, both with replacement (Gallas et al., Acad Radiol 2012; 19:463,
for why both are random); the cases that a draw holds are the same for every reader and for the model, which
keeps the pairing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from statsmodels.stats.proportion import proportion_confint

from reader_study.analysis.mrmc import readers_against_model
from reader_study.analysis.report import (
    READERS,
    SIMULATED,
    Estimate,
    GroupAccuracy,
    ModelDifference,
    ReaderAccuracy,
    Report,
    SiteAccuracy,
)
from reader_study.analysis.table import AnalysedReader, Read, StudyTable

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


def make_grid(table: StudyTable, readers: Sequence[AnalysedReader], reads: Sequence[Read], k: int) -> Grid:
    """Count right and all reads of those readers, leaving out readers who read nothing."""
    column = {case.case_id: index for index, case in enumerate(table.cases)}
    row = {reader.reader_id: index for index, reader in enumerate(readers)}
    right, count = np.zeros((len(readers), len(column))), np.zeros((len(readers), len(column)))
    for read in reads:
        if read.reader_id in row:
            place = row[read.reader_id], column[read.case_id]
            count[place] += 1
            right[place] += 1 <= read.hit <= k
    model = None
    if table.model:
        model = np.zeros(len(column))
        for answer in table.model:
            model[column[answer.case_id]] = 1 <= answer.hit <= k
    took_part = count.sum(axis=1) > 0
    return Grid(right[took_part], count[took_part], model)


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
    rng = np.random.default_rng(seed)
    case_draws = rng.multinomial(cases, np.full(cases, 1 / cases), size=resamples).astype(np.float64)
    reader_draws = rng.multinomial(readers, np.full(readers, 1 / readers), size=resamples).astype(np.float64)
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


def report(table: StudyTable, *, seed: int = 0, resamples: int = 2000) -> Report:
    """Compute everything about accuracy.

    Args:
        table: the scored study.
        seed: of the bootstrap.
        resamples: draws of the bootstrap.
    """
    ks = tuple(k for k in TOP_K if k <= table.k) or (1,)
    names = {k: f"top{k}" for k in ks}
    arms = tuple(dict.fromkeys(read.arm for read in table.reads)) or ("unaided",)
    groups = {
        READERS: [reader for reader in table.readers if not reader.simulated],
        SIMULATED: [reader for reader in table.readers if reader.simulated],
    }
    means, differences = [], []
    for arm in arms:
        reads = [read for read in table.reads if read.arm == arm]
        for group, readers in groups.items():
            if group == SIMULATED and not readers:
                continue
            for k, metric in names.items():
                grid = make_grid(table, readers, reads, k)
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
        readers=tuple(_readers(table, arms, names)),
        groups=tuple(means),
        sites=tuple(_sites(table, arms, names)),
        model_vs_readers=tuple(differences),
        counts=_counts(table),
        notes=tuple(_notes(table)),
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


def _tally(reads: Sequence[Read], k: int) -> Estimate:
    return proportion(sum(1 <= read.hit <= k for read in reads), len(reads))


def _readers(table: StudyTable, arms: Sequence[str], names: dict[int, str]) -> list[ReaderAccuracy]:
    rows = []
    for arm in arms:
        for reader in table.readers:
            reads = [read for read in table.reads if read.arm == arm and read.reader_id == reader.reader_id]
            for k, metric in names.items():
                rows.append(
                    ReaderAccuracy(
                        reader.reader_id, reader.site, reader.simulated, arm, metric, _tally(reads, k)
                    )
                )
    return rows


def _sites(table: StudyTable, arms: Sequence[str], names: dict[int, str]) -> list[SiteAccuracy]:
    rows = []
    for site in sorted({reader.site for reader in table.readers if not reader.simulated}):
        here = {reader.reader_id for reader in table.readers if reader.site == site and not reader.simulated}
        for arm in arms:
            reads = [read for read in table.reads if read.arm == arm and read.reader_id in here]
            active = len({read.reader_id for read in reads})
            for k, metric in names.items():
                rows.append(SiteAccuracy(site, arm, metric, active, _tally(reads, k)))
    return rows


def _counts(table: StudyTable) -> dict[str, int]:
    """Counts of the real readers' work; simulated readers are only numbered."""
    real = {reader.reader_id for reader in table.readers if not reader.simulated}
    reads = [read for read in table.reads if read.reader_id in real]
    expected = sum(table.expected.get(reader_id, 0) for reader_id in real)
    return {
        "cases": len(table.cases),
        "readers": len(real),
        "simulated_readers": len(table.readers) - len(real),
        "readings": len(reads),
        "simulated_readings": len(table.reads) - len(reads),
        "expected_readings": expected,
        "missing_readings": max(expected - len(reads), 0),
        "unresolved_entries": sum(read.unresolved for read in reads),
        "readings_with_unresolved": sum(read.unresolved > 0 for read in reads),
    }


def _notes(table: StudyTable) -> list[str]:
    counts = _counts(table)
    notes = []
    if table.study.get("synthetic"):
        notes.append("The cases of this study are synthetic; nothing here says anything about patients.")
    if table.study.get("live_results") and table.study.get("state") == "open":
        notes.append("Results are shown while the study is open because its protocol is for teaching.")
    if counts["simulated_readers"]:
        notes.append(
            f"{counts['simulated_readers']} readers are simulated (drawn by a program); they are "
            "marked, and left out "
            "of every number about readers."
        )
    if counts["readings"] == 0:
        notes.append("No reader has read a case yet.")
    elif counts["missing_readings"]:
        notes.append(
            f"{counts['missing_readings']} of {counts['expected_readings']} readings are missing; "
            "each reader's "
            "accuracy rests on the cases that the reader read."
        )
    if counts["readings_with_unresolved"]:
        notes.append(
            f"{counts['readings_with_unresolved']} readings hold free text that nobody has "
            "adjudicated; such a rank "
            "counts as not matching."
        )
    if not table.model:
        notes.append("The study has no predictions of a model.")
    return notes
