"""Power by simulation: draw studies, analyse each as a real one is, count those that find the effect.

The drawing model is that of Roe and Metz (Acad Radiol 1997; 4:298) for a right-or-wrong outcome with a probit
link: reader r is right on case c in arm a where

    threshold_a + reader_r + reader_arm_ra + case_c + case_arm_ca + noise > 0,

all terms normal, noise with standard deviation 1. Thresholds are set so that the expected accuracies are
those asked for. The analysis is Obuchowski-Rockette with readers and cases random, as in ``analyse``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_distribution
from scipy.stats import multivariate_normal, norm
from scipy.stats import ncf as noncentral_f
from statsmodels.stats.proportion import proportion_confint

from reader_study.analysis.mrmc import paired_proportion
from reader_study.errors import StudyError

SIGNIFICANCE = 0.05


@dataclass(frozen=True)
class Plan:
    """A study that reads every case with and without help.

    Attributes:
        readers: Number of readers, 2 to 200.
        cases: Number of cases, 5 to 5,000.
        unaided: Expected accuracy without help, strictly between 0 and 1.
        effect: Expected accuracy with help minus without; 0 gives the type I error.
        reader_sd: Standard deviation of readers' ability, in units of the noise.
        reader_arm_sd: Of how differently help works on readers.
        case_sd: Of how hard cases are.
        case_arm_sd: Of how differently help works on cases.
    """

    readers: int
    cases: int
    unaided: float
    effect: float
    reader_sd: float = 0.3
    reader_arm_sd: float = 0.1
    case_sd: float = 1.0
    case_arm_sd: float = 0.4

    def __post_init__(self) -> None:
        if not 2 <= self.readers <= 200 or not 5 <= self.cases <= 5_000:
            raise StudyError("A plan has 2 to 200 readers and 5 to 5,000 cases.")
        if not 0 < self.unaided < 1 or not 0 < self.unaided + self.effect < 1:
            raise StudyError("Accuracies with and without help must lie between 0 and 1.")
        if min(self.reader_sd, self.reader_arm_sd, self.case_sd, self.case_arm_sd) < 0:
            raise StudyError("A standard deviation is not negative.")


@dataclass(frozen=True)
class Power:
    """What simulated studies found.

    Attributes:
        studies: How many were drawn.
        power: Share that found a difference at 5 %, two-sided.
        ci: 95 % Wilson interval of that share: the simulation's own uncertainty.
        coverage: Share whose 95 % interval holds the true effect.
        mean_difference: Mean estimate, aided minus unaided.
        standard_error: Mean estimated standard error.
        not_estimable: Studies without an estimate or a test; they count as finding nothing.
    """

    studies: int
    power: float
    ci: tuple[float, float]
    coverage: float
    mean_difference: float
    standard_error: float
    not_estimable: int


@dataclass(frozen=True)
class Moments:
    """Obuchowski and Rockette's variance components of a difference, for one case sample of a given size."""

    treatment_reader: float
    error: float
    cov1: float
    cov2: float
    cov3: float

    def power(self, effect: float, readers: int) -> float:
        """Power at 5 %, two-sided (Hillis, Obuchowski and Berbaum, Acad Radiol 2011; 18:129, section 2).

        The noncentral F with noncentrality r d^2 / 2 over var(TR) + error - cov1 + (r - 1)(cov2 - cov3) and
        the degrees of freedom of the analysis (Hillis, Stat Med 2007; 26:596).

        Args:
            effect: Difference of the two arms' accuracies, d.
            readers: Planned readers, r.
        """
        shared = max(self.cov2 - self.cov3, 0.0)
        single = self.treatment_reader + self.error - self.cov1 - shared
        denominator = single + readers * shared
        if single <= 0:
            sd = np.sqrt(2 * denominator / readers)
            return float(norm.sf(norm.ppf(1 - SIGNIFICANCE / 2) - abs(effect) / sd))
        df = (readers - 1) * (denominator / single) ** 2
        limit = f_distribution.ppf(1 - SIGNIFICANCE, 1, df)
        return float(noncentral_f.sf(limit, 1, df, readers * effect**2 / 2 / denominator))

    def with_cases(self, planned: int, pilot: int) -> Moments:
        """These components of a pilot study's cases, at another number of cases of the same mix."""
        share = pilot / planned
        return Moments(
            max(self.treatment_reader, 0.0),
            self.error * share,
            self.cov1 * share,
            self.cov2 * share,
            self.cov3 * share,
        )


def moments(plan: Plan, cases: int) -> Moments:
    """The components that the drawing model implies, exactly: from bivariate normal probabilities.

    Two readings are right together with the probability of two correlated normals above their thresholds; the
    covariance of proportions over cases is the covariance of single readings over cases, readers given,
    divided by the number of cases.
    """
    parts = (
        np.array([plan.reader_sd, plan.reader_arm_sd, plan.case_sd, plan.case_arm_sd, 1.0], np.float64) ** 2
    )
    reader, reader_arm, case, case_arm, _ = parts.tolist()
    total = float(parts.sum())
    aided, unaided = norm.ppf([plan.unaided + plan.effect, plan.unaided]).tolist()

    def together(first: float, second: float, shared: float) -> float:
        correlation = min(shared / total, 1 - 1e-12)
        covariance = [[1.0, correlation], [correlation, 1.0]]
        return float(multivariate_normal.cdf([first, second], mean=[0.0, 0.0], cov=covariance))

    def covariance(first: float, second: float, readers: float, whole: float) -> float:
        """Over cases: joint probability with all parts shared, less that with only the reader's."""
        return (together(first, second, whole) - together(first, second, readers)) / cases

    error = np.mean(
        [(p - together(t, t, reader + reader_arm)) / cases for p, t in
         ((plan.unaided + plan.effect, aided), (plan.unaided, unaided))]
    )  # fmt: skip
    cov1 = covariance(aided, unaided, reader, reader + case)
    cov2 = float(np.mean([covariance(t, t, 0.0, case + case_arm) for t in (aided, unaided)]))
    cov3 = covariance(aided, unaided, 0.0, case)
    own = np.mean([together(t, t, reader + reader_arm) - together(t, t, 0.0) for t in (aided, unaided)])
    both = together(aided, unaided, reader) - together(aided, unaided, 0.0)
    return Moments(max(float(own) - both, 0.0), float(error), cov1, cov2, cov3)


def formula_power(plan: Plan, *, readers: int | None = None, cases: int | None = None) -> float:
    """Power without simulation, with the components that the plan implies."""
    if plan.effect == 0:
        return SIGNIFICANCE
    return moments(plan, cases or plan.cases).power(plan.effect, readers or plan.readers)


def draw_study(plan: Plan, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw (2, readers, cases) of 1 (right) and 0; arm 0 is aided."""
    total = np.sqrt(1 + plan.reader_sd**2 + plan.reader_arm_sd**2 + plan.case_sd**2 + plan.case_arm_sd**2)
    thresholds = total * norm.ppf([plan.unaided + plan.effect, plan.unaided])
    shape = (2, plan.readers, plan.cases)
    latent = (
        thresholds[:, None, None]
        + rng.normal(0, plan.reader_sd, (1, plan.readers, 1))
        + rng.normal(0, plan.reader_arm_sd, (2, plan.readers, 1))
        + rng.normal(0, plan.case_sd, (1, 1, plan.cases))
        + rng.normal(0, plan.case_arm_sd, (2, 1, plan.cases))
        + rng.normal(0, 1, shape)
    )
    return np.asarray(latent > 0, np.float64)


def simulate_power(
    plan: Plan, studies: int = 1_000, seed: int = 0, progress: Callable[[int], None] = lambda done: None
) -> Power:
    """Draw and analyse studies.

    Args:
        plan: What is planned.
        studies: How many, 50 to 20,000.
        seed: Of the draws.
        progress: Told how many are done.

    Raises:
        StudyError: the number of studies is out of range.
    """
    if not 50 <= studies <= 20_000:
        raise StudyError("Simulate 50 to 20,000 studies.")
    rng = np.random.default_rng(seed)
    found = covered = missing = 0
    differences, errors = [], []
    for done in range(1, studies + 1):
        result = paired_proportion(draw_study(plan, rng))
        if result.difference is not None:
            differences.append(result.difference)
        if result.difference is None or result.p is None or result.ci is None or result.se is None:
            missing += 1
        else:
            found += result.p < SIGNIFICANCE
            covered += result.ci[0] <= plan.effect <= result.ci[1]
            errors.append(result.se)
        progress(done)
    low, high = proportion_confint(found, studies, method="wilson")
    return Power(
        studies=studies,
        power=found / studies,
        ci=(float(low), float(high)),
        coverage=covered / max(1, len(errors)),
        mean_difference=float(np.mean(differences)) if differences else 0.0,
        standard_error=float(np.mean(errors)) if errors else 0.0,
        not_estimable=missing,
    )
