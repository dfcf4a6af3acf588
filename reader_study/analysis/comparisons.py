"""Every comparison of the report beyond accuracy, under the keys of the ``analyse`` command."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from reader_study.analysis import mixed
from reader_study.analysis.columns import Booleans, Columns, Floats
from reader_study.analysis.mrmc import paired_proportion, proportion_kernels, u_statistics
from reader_study.analysis.paired import Pairs

OR_METHOD = "Obuchowski-Rockette, proportion correct, jackknife, readers and cases random, Hillis df"
U_METHOD = "U-statistic, proportion correct, readers and cases random, BDG df (iMRMC)"
ONE_ARM = "Not estimable: no case was read both unaided and aided."
LARGEST_CLUSTER = 500
LARGE_CLUSTERS = f"Not computed: clusters of more than {LARGEST_CLUSTER} readings take too long."
TWO_ARMS = "Not estimable: it needs two arms, each with right and wrong readings."


def aided_vs_unaided(pairs: Pairs, k: int) -> dict[str, Any]:
    """Top-k accuracy aided minus unaided, readers and cases random.

    Over cases that a reader read in both arms; where there are none (a split plot), U-statistics over all.
    """
    if not pairs.both.any():
        split = by_u_statistics(pairs.columns, k)
        if split["difference"] is not None:
            return split
        empty = dict.fromkeys(("difference", "se", "df", "ci", "p"))
        return {**empty, "method": OR_METHOD, "reason": ONE_ARM}
    outcomes = pairs.outcomes(k)
    outcomes = outcomes[:, :, ~np.isnan(outcomes).all(axis=(0, 1))]
    return {**paired_proportion(outcomes).to_json(), "method": OR_METHOD}


def by_u_statistics(columns: Columns, k: int) -> dict[str, Any]:
    """Aided minus unaided over all readings, paired or not: missing readings, split plots (Gallas 2009)."""
    empty = dict.fromkeys(("difference", "se", "df", "ci", "p"))
    if not {"aided", "unaided"} <= set(columns.arms):
        return {**empty, "method": U_METHOD, "reason": "Not estimable: there are not both arms."}
    counted = [columns.counts(arm, k) for arm in ("aided", "unaided")]
    with np.errstate(invalid="ignore", divide="ignore"):
        outcomes = np.stack([right / read for right, read in counted])
    found = u_statistics(proportion_kernels(outcomes))
    return {**found.pairs[0][2].to_json(), "method": U_METHOD}


def gee(columns: Columns, *, cluster: str = "case", exchangeable: bool = False) -> dict[str, Any]:
    """Logistic GEE of Top-1 on aided with robust standard errors (Liang and Zeger 1986).

    Args:
        columns: the readings.
        cluster: ``case`` or ``reader``; the other source of correlation is left out, which makes this a
            sensitivity analysis.
        exchangeable: Working correlation; independence otherwise.
    """
    from statsmodels.genmod import families
    from statsmodels.genmod.cov_struct import Exchangeable, Independence
    from statsmodels.genmod.generalized_estimating_equations import GEE

    right, aided = (columns.hit == 1).astype(float), columns.of_arm("aided").astype(float)
    groups = columns.case if cluster == "case" else columns.reader
    names = {"cluster": cluster, "working": "exchangeable" if exchangeable else "independence"}
    if not _estimable(right, aided) or len(np.unique(groups)) < 2:
        return {"coefficient": None, "robust_se": None, "p": None, **names, "reason": TWO_ARMS}
    if exchangeable and np.bincount(groups).max() > LARGEST_CLUSTER:
        return {"coefficient": None, "robust_se": None, "p": None, **names, "reason": LARGE_CLUSTERS}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a variance that is not one is looked for below
        design = np.column_stack([np.ones_like(aided), aided])
        structure = Exchangeable() if exchangeable else Independence()
        fitted = GEE(right, design, groups, family=families.Binomial(), cov_struct=structure).fit()
        se = float(fitted.bse[1])
    if not np.isfinite(se) or se <= 0:
        return {"coefficient": None, "robust_se": None, "p": None, **names, "reason": TWO_ARMS}
    return {
        "coefficient": float(fitted.params[1]),
        "robust_se": se,
        "p": float(fitted.pvalues[1]),
        **names,
    }


def gee_sensitivity(columns: Columns) -> list[dict[str, Any]]:
    """The same by the other clusters and working correlations."""
    others = (("case", True), ("reader", False), ("reader", True))
    return [gee(columns, cluster=cluster, exchangeable=exchangeable) for cluster, exchangeable in others]


def glmm(columns: Columns) -> dict[str, Any]:
    """Logistic mixed model of Top-1 on aided, crossed random readers and cases (Laplace)."""
    empty: dict[str, Any] = dict.fromkeys(("coefficient", "se", "p", "odds_ratio", "ci"))
    right, aided = (columns.hit == 1).astype(float), columns.of_arm("aided").astype(float)
    if not _estimable(right, aided):
        return {**empty, "reason": TWO_ARMS}
    design = np.column_stack([np.ones_like(aided), aided])
    try:
        fitted = mixed.logistic(right, design, _crossed(columns, np.ones(len(right), bool)))
    except (ArithmeticError, np.linalg.LinAlgError):
        return {**empty, "reason": "Not estimable: the mixed model does not converge on these readings."}
    coefficient, se = float(fitted.coefficients[1]), float(fitted.errors[1])
    if not np.isfinite(se) or se <= 0:
        return {**empty, "reason": "Not estimable: the mixed model does not converge on these readings."}
    p, (low, high) = mixed.wald(coefficient, se)
    return {
        "coefficient": coefficient,
        "se": se,
        "p": p,
        "odds_ratio": float(np.exp(coefficient)),
        "ci": [float(np.exp(low)), float(np.exp(high))],
        "sd_reader": fitted.sd_reader,
        "sd_case": fitted.sd_case,
    }


def log_seconds(columns: Columns) -> dict[str, Any]:
    """Effect of help on log seconds: fixed arm and period, crossed random readers and cases (REML)."""
    timed = columns.seconds > 0
    aided = columns.of_arm("aided")[timed].astype(float)
    periods = columns.period[timed]
    late = [(periods == period).astype(float) for period in np.unique(periods)[1:]]
    fixed = np.column_stack([np.ones_like(aided), aided, *late])
    if len(aided) <= fixed.shape[1] + 2 or np.linalg.matrix_rank(fixed) < fixed.shape[1]:
        words = "Not estimable: it needs timed readings in two arms that periods do not equal."
        return {"coefficient": None, "se": None, "ratio": None, "reason": words}
    outcome = np.log(columns.seconds[timed])
    if np.ptp(outcome) < 1e-12:
        words = "Not estimable: all readings took equally long."
        return {"coefficient": None, "se": None, "ratio": None, "reason": words}
    fitted = mixed.linear(outcome, fixed, _crossed(columns, timed))
    coefficient, se = float(fitted.coefficients[1]), float(fitted.errors[1])
    p, (low, high) = mixed.wald(coefficient, se)
    return {
        "coefficient": coefficient,
        "se": se,
        "ratio": float(np.exp(coefficient)),
        "ci": [float(np.exp(low)), float(np.exp(high))],
        "p": p,
    }


def _crossed(columns: Columns, rows: Booleans) -> mixed.Crossed:
    readers, reader = np.unique(columns.reader[rows], return_inverse=True)
    cases, case = np.unique(columns.case[rows], return_inverse=True)
    return mixed.Crossed(reader, case, len(readers), len(cases))


def _estimable(right: Floats, aided: Floats) -> bool:
    return len(np.unique(aided)) == 2 and all(len(np.unique(right[aided == arm])) == 2 for arm in (0, 1))
