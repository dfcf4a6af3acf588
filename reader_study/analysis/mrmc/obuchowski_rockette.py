"""Obuchowski-Rockette analysis with Hillis' degrees of freedom (Hillis 2014, Stat Med 33:330).

Readers and cases random (RRRC), readers fixed (FRRC), cases fixed (RRFC); any number of treatments; one
treatment of readers against a stand-alone model (Hillis 2005, 2014 section 5). Readers who each read in one
treatment only are nested in it (Hillis 2014, "reader nested within test"). Differences Cov2 - Cov3 below zero
count as zero where readers are random, and as they are where readers are fixed, as in MRMCaov and RJafroc.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import special

from reader_study.analysis.mrmc.comparison import Comparison, compared
from reader_study.analysis.mrmc.covariance import Covariance, covariance, few_of_a_kind
from reader_study.analysis.mrmc.nested import Pair, nested_readers
from reader_study.analysis.mrmc.outcomes import Floats, Kernels, proportion_kernels

FEW_READERS = "Not estimable: random readers need at least two readers."
MISSING_CELL = (
    "Not estimable: some readers have an outcome in some of the treatments only; leave these readers out, or "
    "use U-statistics, which are made for such designs."
)
ONE_OF_A_KIND = "Not estimable: a reader read fewer than two cases of a kind in a treatment."


@dataclass(frozen=True)
class Components:
    """Mean squares, covariances (Cov1 same reader, Cov2 same treatment, Cov3 neither) and the global F."""

    reader: float
    treatment_reader: float
    error: float
    cov1: float
    cov2: float
    cov3: float
    ms_treatment: float
    ms_reader: float
    ms_treatment_reader: float
    denominator: float
    f: float | None
    df1: float
    df2: float | None
    p: float | None


@dataclass(frozen=True)
class Analysis:
    """Everything one table of outcomes says."""

    pairs: tuple[Pair, ...]
    means: tuple[Comparison, ...]
    components: Components | None
    outcomes: Floats


def obuchowski_rockette(kernels: Kernels, method: Covariance = "jackknife") -> Analysis:
    """Analyse (T, R) outcomes of readers who read in every treatment, or each in one of them."""
    outcomes = kernels.means
    treatments, readers = outcomes.shape
    means = tuple(_mean(kernels, t, method) for t in range(treatments))
    read = ~np.isnan(outcomes)
    if not read.all():
        if treatments > 1 and (read.sum(axis=0) == 1).all() and read.any(axis=1).all():
            return Analysis(nested_readers(outcomes, covariance(kernels, method)), means, None, outcomes)
        return _none_of(MISSING_CELL, treatments, means, outcomes)
    if few_of_a_kind(kernels).any():
        return _none_of(ONE_OF_A_KIND, treatments, means, outcomes)
    components = _components(outcomes, covariance(kernels, method))
    pairs = tuple(
        _pair(outcomes, components, first, second) for first, second in combinations(range(treatments), 2)
    )
    return Analysis(pairs, means, components if treatments > 1 and readers > 1 else None, outcomes)


def _none_of(why: str, treatments: int, means: tuple[Comparison, ...], outcomes: Floats) -> Analysis:
    nothing = Comparison(None, reason=why)
    pairs = tuple(Pair(a, b, nothing, nothing, nothing) for a, b in combinations(range(treatments), 2))
    return Analysis(pairs, means, None, outcomes)


def paired_proportion(correct: Floats) -> Comparison:
    """Treatment 1 minus treatment 2 in proportion correct, readers and cases random.

    Args:
        correct: (2, R, C) of 1, 0 and NaN for missing.
    """
    return obuchowski_rockette(proportion_kernels(correct)).pairs[0].rrrc


def readers_against_model(readers: Floats, model: Floats) -> Comparison:
    """Mean proportion correct of random readers minus that of one fixed model on the same random cases.

    Args:
        readers: (R, C) of 1, 0 and NaN for missing.
        model: (C,) of 1 and 0.
    """
    both = np.stack([readers, np.where(np.isnan(readers), np.nan, model)])
    return against_fixed(proportion_kernels(both))


def against_fixed(kernels: Kernels, method: Covariance = "jackknife") -> Comparison:
    """First minus second of two treatments, where the second is the same fixed model beside every reader.

    Single-treatment Obuchowski-Rockette of the readers' differences: variance (MS + R max(Cov2, 0)) / R.
    """
    outcomes = kernels.means
    if np.isnan(outcomes).any():
        return Comparison(None, reason="Not estimable: a reader and the model share no cases.")
    readers = outcomes.shape[1]
    if few_of_a_kind(kernels).any():
        return Comparison(float((outcomes[0] - outcomes[1]).mean()), reason=ONE_OF_A_KIND)
    differences = outcomes[0] - outcomes[1]
    full = covariance(kernels, method)
    contrast = np.hstack([np.eye(readers), -np.eye(readers)])
    return _single(differences, contrast @ full @ contrast.T)


def _mean(kernels: Kernels, treatment: int, method: Covariance) -> Comparison:
    one = Kernels(kernels.terms[treatment : treatment + 1], kernels.seen[treatment : treatment + 1])
    outcomes = one.means[0]
    read = ~np.isnan(outcomes)
    if not read.any():
        return Comparison(None, reason="Not estimable: nothing was read.")
    one = Kernels(one.terms[:, read], one.seen[:, read])
    if few_of_a_kind(one).any():
        return Comparison(float(outcomes[read].mean()), reason=ONE_OF_A_KIND)
    return _single(outcomes[read], covariance(one, method))


def _single(values: Floats, between: Floats) -> Comparison:
    """Mean of readers' values (R,) with covariances (R, R) over cases; readers and cases random."""
    readers = len(values)
    mean = float(values.mean())
    if readers < 2:
        return Comparison(mean, reason=FEW_READERS)
    square = float(values.var(ddof=1))
    cov2 = max(float((between.sum() - np.trace(between)) / (readers * (readers - 1))), 0.0)
    total = square + readers * cov2
    df = (readers - 1) * (total / square) ** 2 if square > 0 else math.inf
    return compared(mean, total / readers, df)


def _components(outcomes: Floats, full: Floats) -> Components:
    treatments, readers = outcomes.shape
    grid = full.reshape(treatments, readers, treatments, readers)
    same_reader = np.einsum("arbr->abr", grid)
    cells = treatments * readers
    error = float(np.trace(full) / cells)
    by_treatment = np.einsum("arac->arc", grid)
    cov1_sum = float(same_reader.sum() - np.trace(full))
    cov2_sum = float(by_treatment.sum() - np.trace(full))
    cov3_sum = float(full.sum() - np.trace(full)) - cov1_sum - cov2_sum
    cov1 = cov1_sum / (cells * (treatments - 1)) if treatments > 1 else 0.0
    cov2 = cov2_sum / (cells * (readers - 1)) if readers > 1 else 0.0
    several = treatments > 1 and readers > 1
    cov3 = cov3_sum / (cells * (treatments - 1) * (readers - 1)) if several else 0.0
    of_treatment, of_reader = outcomes.mean(axis=1), outcomes.mean(axis=0)
    residual = outcomes - of_treatment[:, None] - of_reader + outcomes.mean()
    ms_t = readers * float(of_treatment.var(ddof=1)) if treatments > 1 else 0.0
    ms_r = treatments * float(of_reader.var(ddof=1)) if readers > 1 else 0.0
    ms_tr = float((residual**2).sum()) / ((treatments - 1) * (readers - 1)) if several else 0.0
    denominator = ms_tr + readers * max(cov2 - cov3, 0.0)
    f = df2 = p = None
    df1 = treatments - 1
    if several and denominator > 0:
        f = ms_t / denominator
        df2 = df1 * (readers - 1) * (denominator / ms_tr) ** 2 if ms_tr > 0 else math.inf
        p = float(special.fdtrc(df1, df2, f) if math.isfinite(df2) else special.chdtrc(df1, f * df1))
    return Components(
        reader=(ms_r - ms_tr) / treatments - cov1 + cov3,
        treatment_reader=ms_tr - error + cov1 + (cov2 - cov3),
        error=error,
        cov1=cov1,
        cov2=cov2,
        cov3=cov3,
        ms_treatment=ms_t,
        ms_reader=ms_r,
        ms_treatment_reader=ms_tr,
        denominator=denominator,
        f=f,
        df1=float(df1),
        df2=df2 if df2 is not None and math.isfinite(df2) else None,
        p=p,
    )


def _pair(outcomes: Floats, found: Components, first: int, second: int) -> Pair:
    treatments, readers = outcomes.shape
    difference = float(outcomes[first].mean() - outcomes[second].mean())
    shared = max(found.cov2 - found.cov3, 0.0)
    fixed = 2 / readers * (found.error - found.cov1 + (readers - 1) * (found.cov2 - found.cov3))
    frrc = compared(difference, fixed, math.inf)
    if readers < 2:
        few = Comparison(difference, reason=FEW_READERS)
        return Pair(first, second, few, frrc, few)
    ms, df = found.ms_treatment_reader, (treatments - 1) * (readers - 1)
    denominator = ms + readers * shared
    random_df = df * (denominator / ms) ** 2 if ms > 0 else math.inf
    return Pair(
        first,
        second,
        rrrc=compared(difference, 2 / readers * denominator, random_df),
        frrc=frrc,
        rrfc=compared(difference, 2 / readers * ms, df),
    )
