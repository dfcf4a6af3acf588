"""Mixed models with crossed random readers and cases: linear by REML, logistic by Laplace's approximation.

The random part has one standard deviation for readers and one for cases. With cases eliminated first, every
equation is as small as the number of readers, so that thousands of readings take milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, special, stats

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
_TINY = 1e-300


@dataclass(frozen=True)
class Crossed:
    """Which reader (N,) and which case (N,) each reading has, and how many of each there are."""

    reader: Integers
    case: Integers
    readers: int
    cases: int

    def sums(self, values: Floats) -> tuple[Floats, Floats]:
        """Sums of (N,) or (N, P) values by reader and by case."""
        if values.ndim == 1:
            by_reader = np.bincount(self.reader, values, self.readers).astype(np.float64)
            return by_reader, np.bincount(self.case, values, self.cases).astype(np.float64)
        columns = [self.sums(column) for column in values.T]
        return np.column_stack([c[0] for c in columns]), np.column_stack([c[1] for c in columns])

    def together(self, weights: Floats) -> Floats:
        """(readers, cases) sums of weights."""
        cell = self.reader * self.cases + self.case
        found = np.bincount(cell, weights, self.readers * self.cases).astype(np.float64)
        return found.reshape(self.readers, self.cases)


class Factored:
    """The matrix S Z'WZ S + I of scaled random effects, factored; S holds the standard deviations."""

    def __init__(self, crossed: Crossed, weights: Floats, scales: tuple[float, float]) -> None:
        of_reader, of_case = crossed.sums(weights)
        self.cases = scales[1] ** 2 * of_case + 1
        self.across = scales[0] * scales[1] * crossed.together(weights)
        rest = -(self.across / self.cases) @ self.across.T
        rest[np.diag_indices_from(rest)] += scales[0] ** 2 * of_reader + 1
        self.rest = linalg.cho_factor(rest, lower=True)

    @property
    def log_determinant(self) -> float:
        """Of the whole matrix."""
        return float(np.log(self.cases).sum() + 2 * np.log(np.diag(self.rest[0])).sum())

    def solve(self, readers: Floats, cases: Floats) -> tuple[Floats, Floats]:
        """Solve for right-hand sides split into readers' and cases' rows."""
        per_case = (cases.T / self.cases).T
        found = linalg.cho_solve(self.rest, readers - self.across @ per_case)
        return found, per_case - ((self.across.T @ found).T / self.cases).T


@dataclass(frozen=True)
class Fitted:
    """Fixed coefficients (P,) with standard errors, and the random standard deviations."""

    coefficients: Floats
    errors: Floats
    sd_reader: float
    sd_case: float
    sigma: float


def linear(outcome: Floats, fixed: Floats, crossed: Crossed) -> Fitted:
    """REML, profiled over coefficients and residual variance (Bates, J Stat Softw 2015; 67:1, eq. 42)."""
    ones = np.ones(len(outcome))
    zx, zy = crossed.sums(fixed), crossed.sums(outcome)
    xx, xy, yy = fixed.T @ fixed, fixed.T @ outcome, float(outcome @ outcome)
    free = len(outcome) - fixed.shape[1]

    def solve(scales: Floats) -> tuple[float, Floats, Floats, float]:
        reader, case = abs(float(scales[0])), abs(float(scales[1]))
        factored = Factored(crossed, ones, (reader, case))
        x_reader, x_case = reader * zx[0], case * zx[1]
        y_reader, y_case = reader * zy[0], case * zy[1]
        sx, sy = factored.solve(x_reader, x_case), factored.solve(y_reader, y_case)
        normal = xx - x_reader.T @ sx[0] - x_case.T @ sx[1]
        right = xy - x_reader.T @ sy[0] - x_case.T @ sy[1]
        beta = np.linalg.solve(normal, right)
        residual = yy - float(y_reader @ sy[0] + y_case @ sy[1]) - float(beta @ right)
        sigma2 = max(residual / free, _TINY)
        logs = factored.log_determinant + np.linalg.slogdet(normal)[1]
        return float(logs + free * np.log(sigma2)), np.asarray(beta), normal, sigma2

    best = _least(lambda scales: solve(scales)[0], np.array([0.3, 0.3]))
    _, beta, normal, sigma2 = solve(best)
    sigma = float(np.sqrt(sigma2))
    errors = np.sqrt(sigma2 * np.diag(np.linalg.inv(normal)))
    return Fitted(beta, errors, abs(float(best[0])) * sigma, abs(float(best[1])) * sigma, sigma)


def logistic(right: Floats, fixed: Floats, crossed: Crossed) -> Fitted:
    """Maximum likelihood by Laplace's approximation (as ``glmer``); errors from the Hessian at the maximum.

    Raises:
        ArithmeticError: it does not converge, as where an arm has only right or only wrong readings.
    """
    modes = (np.zeros(crossed.readers), np.zeros(crossed.cases))

    def deviance(parameters: Floats) -> float:
        nonlocal modes
        scales = abs(float(parameters[0])), abs(float(parameters[1]))
        offset = fixed @ parameters[2:]
        modes = _modes(right, offset, crossed, scales, modes)
        value, mean = _penalised(right, offset, crossed, scales, modes)
        return value + Factored(crossed, mean * (1 - mean), scales).log_determinant

    share = np.clip(right.mean(), 0.02, 0.98)
    start = np.concatenate([[0.5, 0.7], [np.log(share / (1 - share))], np.zeros(fixed.shape[1] - 1)])
    found = optimize.minimize(
        lambda parameters: deviance(parameters) / len(right),
        start,
        method="BFGS",
        jac="3-point",
        options={"gtol": 1e-6, "finite_diff_rel_step": 1e-4},
    )
    best = np.asarray(found.x)
    if not np.isfinite(found.fun) or np.abs(best).max() > 30:
        raise ArithmeticError("the likelihood has no maximum")
    hessian = _hessian(deviance, best) / 2
    kept = np.concatenate([np.abs(best[:2]) > 1e-3, np.ones(fixed.shape[1], bool)])
    errors = np.sqrt(np.diag(np.linalg.inv(hessian[np.ix_(kept, kept)])))[-fixed.shape[1] :]
    return Fitted(best[2:], errors, abs(float(best[0])), abs(float(best[1])), float("nan"))


def _penalised(
    right: Floats, offset: Floats, crossed: Crossed, scales: tuple[float, float], modes: tuple[Floats, Floats]
) -> tuple[float, Floats]:
    """Deviance plus squared random effects, and expected outcomes (N,)."""
    u, v = modes
    predictor = offset + scales[0] * u[crossed.reader] + scales[1] * v[crossed.case]
    fit = float(2 * (np.logaddexp(0, predictor) - right * predictor).sum())
    return fit + float(u @ u + v @ v), np.asarray(special.expit(predictor))


def _modes(
    right: Floats, offset: Floats, crossed: Crossed, scales: tuple[float, float], modes: tuple[Floats, Floats]
) -> tuple[Floats, Floats]:
    """The random effects of highest density given the rest: Newton's steps, halved where they overshoot."""
    value, mean = _penalised(right, offset, crossed, scales, modes)
    for _ in range(100):
        by_reader, by_case = crossed.sums(right - mean)
        gradient = scales[0] * by_reader - modes[0], scales[1] * by_case - modes[1]
        step = Factored(crossed, mean * (1 - mean), scales).solve(*gradient)
        size = 1.0
        while size > 1e-6:
            tried = modes[0] + size * step[0], modes[1] + size * step[1]
            after, mean = _penalised(right, offset, crossed, scales, tried)
            if after <= value:
                break
            size /= 2
        else:
            return modes
        gained, value, modes = value - after, after, tried
        if gained < 1e-10:
            return modes
    raise ArithmeticError("the modes of the random effects do not converge")


def wald(coefficient: float, error: float) -> tuple[float, tuple[float, float]]:
    """Two-sided p of z, and the 95 % interval."""
    half = float(stats.norm.ppf(0.975)) * error
    return float(2 * stats.norm.sf(abs(coefficient / error))), (coefficient - half, coefficient + half)


def _least(function: Callable[[Floats], float], start: Floats) -> Floats:
    options = {"xatol": 1e-6, "fatol": 1e-8}
    return np.asarray(optimize.minimize(function, start, method="Nelder-Mead", options=options).x)


def _hessian(function: Callable[[Floats], float], at: Floats, step: float = 1e-3) -> Floats:
    """Second derivatives by central differences."""
    size = len(at)
    steps = np.eye(size) * step
    found = np.empty((size, size))
    centre = function(at)
    for i in range(size):
        found[i, i] = (function(at + steps[i]) - 2 * centre + function(at - steps[i])) / step**2
        for j in range(i):
            corners = [function(at + a * steps[i] + b * steps[j]) for a in (1, -1) for b in (1, -1)]
            found[i, j] = found[j, i] = (corners[0] - corners[1] - corners[2] + corners[3]) / (4 * step**2)
    return found
