"""Every comparison of the report beyond accuracy, under the keys of the ``analyse`` command."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from reader_study.analysis import paired
from reader_study.analysis.agreement import agreement
from reader_study.analysis.mrmc import paired_proportion
from reader_study.analysis.table import Read, StudyTable

Floats = NDArray[np.float64]
OR_METHOD = "Obuchowski-Rockette, proportion correct, jackknife, readers and cases random, Hillis df"
ONE_ARM = "Not estimable: no case was read both unaided and aided."


def comparisons(table: StudyTable, metrics: dict[str, int]) -> dict[str, Any]:
    """Compute everything that the real readers' readings allow.

    Args:
        table: The scored study.
        metrics: Name and k, such as ``{"top1": 1}``.
    """
    real = {reader.reader_id for reader in table.readers if not reader.simulated}
    reads = [read for read in table.reads if read.reader_id in real]
    unaided = [read for read in reads if read.arm == "unaided"]
    pairs = paired.pairs_of(table, reads)
    hits = {answer.case_id: answer.hit for answer in table.model}
    answers = {answer.case_id: (answer.ranks[0], answer.hit) for answer in table.model if answer.ranks}
    return {
        "aided_vs_unaided": {name: _aided_vs_unaided(pairs, k) for name, k in metrics.items()},
        "mcnemar": {
            "reader_vs_model": {
                name: paired.reader_vs_model_mcnemar(unaided, hits, k) if hits else []
                for name, k in metrics.items()
            },
            "aided_vs_unaided": {"top1": paired.aided_vs_unaided_mcnemar(pairs)},
        },
        "agreement": {arm: agreement(_first_choices(reads, arm)) for arm in sorted({r.arm for r in reads})},
        "gee": {"top1": gee(reads)},
        "time": {"log_seconds": log_seconds(reads)},
        "confidence": paired.confidence(pairs),
        "reclassification": {"top1": paired.reclassification(pairs)},
        "automation_bias": {"top1": paired.automation_bias(pairs, answers)},
    }


def _first_choices(reads: Sequence[Read], arm: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for read in reads:
        if read.arm == arm and read.ranks:
            found.setdefault(read.case_id, []).append(read.ranks[0])
    return found


def _aided_vs_unaided(pairs: paired.Pairs, k: int) -> dict[str, Any]:
    if not pairs:
        empty = dict.fromkeys(("difference", "se", "df", "ci", "p"))
        return {**empty, "method": OR_METHOD, "reason": ONE_ARM}
    readers = sorted({a.reader_id for a, _ in pairs})
    cases = sorted({a.case_id for a, _ in pairs})
    correct = np.full((2, len(readers), len(cases)), np.nan)
    for unaided, aided in pairs:
        column = cases.index(unaided.case_id)
        row = readers.index(unaided.reader_id)
        correct[0, row, column] = 1 <= aided.hit <= k
        correct[1, row, column] = 1 <= unaided.hit <= k
    return {**paired_proportion(correct).to_json(), "method": OR_METHOD}


def gee(reads: Sequence[Read]) -> dict[str, Any]:
    """Logistic GEE of Top-1 on aided, cases as clusters, independence, robust standard error (Liang 1986)."""
    import statsmodels.api as sm

    right = np.array([read.hit == 1 for read in reads], float)
    aided = np.array([read.arm == "aided" for read in reads], float)
    if len(set(aided)) < 2 or any(len(set(right[aided == arm])) < 2 for arm in (0, 1)):
        words = "Not estimable: it needs two arms, each with right and wrong readings."
        return {"coefficient": None, "robust_se": None, "p": None, "cluster": "case", "reason": words}
    groups = np.unique([read.case_id for read in reads], return_inverse=True)[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = sm.GEE(right, sm.add_constant(aided), groups, family=sm.families.Binomial()).fit()
    return {
        "coefficient": float(fitted.params[1]),
        "robust_se": float(fitted.bse[1]),
        "p": float(fitted.pvalues[1]),
        "cluster": "case",
    }


def log_seconds(reads: Sequence[Read]) -> dict[str, Any]:
    """Effect of help on log seconds: fixed arm and period, crossed random readers and cases (REML)."""
    timed = [read for read in reads if read.seconds is not None and read.seconds > 0]
    aided = np.array([read.arm == "aided" for read in timed], float)
    readers, reader = np.unique([read.reader_id for read in timed], return_inverse=True)
    cases, case = np.unique([read.case_id for read in timed], return_inverse=True)
    periods = np.unique([read.period for read in timed])
    late = [np.array([read.period == period for read in timed], float) for period in periods[1:]]
    fixed = np.column_stack([np.ones(len(timed)), aided, *late])
    if len(timed) <= fixed.shape[1] + 2 or np.linalg.matrix_rank(fixed) < fixed.shape[1]:
        words = "Not estimable: it needs timed readings in two arms that periods do not equal."
        return {"coefficient": None, "se": None, "ratio": None, "reason": words}
    random = np.zeros((len(timed), len(readers) + len(cases)))
    random[np.arange(len(timed)), reader] = 1
    random[np.arange(len(timed)), len(readers) + case] = 1
    outcome = np.log([read.seconds or 1.0 for read in timed])
    coefficient, se = _crossed_reml(outcome, fixed, random, (len(readers), len(cases)))
    return {"coefficient": coefficient, "se": se, "ratio": float(np.exp(coefficient))}


def _crossed_reml(
    outcome: Floats, fixed: Floats, random: Floats, sizes: tuple[int, int]
) -> tuple[float, float]:
    """Second fixed coefficient and its standard error, by profiled REML (Bates 2015, eq. 42)."""
    zz, zx, zy = random.T @ random, random.T @ fixed, random.T @ outcome
    xx, xy, yy = fixed.T @ fixed, fixed.T @ outcome, float(outcome @ outcome)
    free = len(outcome) - fixed.shape[1]

    def solve(scales: Floats) -> tuple[float, Floats, Floats, float]:
        scale = np.repeat(np.abs(scales), sizes)
        lower = np.linalg.cholesky(scale[:, None] * zz * scale + np.eye(len(scale)))
        half_x = np.linalg.solve(lower, scale[:, None] * zx)
        half_y = np.linalg.solve(lower, scale * zy)
        normal = xx - half_x.T @ half_x
        beta = np.linalg.solve(normal, xy - half_x.T @ half_y)
        residual = yy - half_y @ half_y - beta @ (xy - half_x.T @ half_y)
        sigma2 = residual / free
        logs = 2 * np.log(np.diag(lower)).sum() + np.linalg.slogdet(normal)[1]
        return float(logs + free * np.log(max(sigma2, 1e-300))), np.asarray(beta), normal, float(sigma2)

    best = optimize.minimize(
        lambda scales: solve(scales)[0],
        np.array([0.3, 0.3]),
        method="Nelder-Mead",
        options={"xatol": 1e-6, "fatol": 1e-8},
    )
    _, beta, normal, sigma2 = solve(best.x)
    return float(beta[1]), float(np.sqrt(sigma2 * np.linalg.inv(normal)[1, 1]))
