# ruff: noqa: E501 - lines of the page that is written
"""``python -m docs.statistics``: simulate what tests and intervals promise, write ``docs/statistics.md``."""

import argparse
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from statsmodels.stats.proportion import proportion_confint
from tqdm import tqdm

from reader_study.analysis.accuracy import Grid, two_way_bootstrap
from reader_study.analysis.mrmc import (
    auc_kernels,
    obuchowski_rockette,
    paired_proportion,
    proportion_kernels,
    readers_against_model,
    u_statistics,
)
from reader_study.analysis.mrmc.comparison import Comparison
from reader_study.planning import Plan, draw_study

OUT = Path(__file__).with_name("statistics.md")
PLAN = Plan(10, 100, 0.65, 0.0)
RESAMPLES = 500
Draw = Callable[[np.random.Generator], Comparison]


@dataclass(frozen=True)
class Promise:
    """What a method did in studies without an effect.

    Attributes:
        method: what was tried.
        studies: how many were drawn.
        wrong: share that found a difference at 5 %, two-sided; ``None`` for an interval without a test.
        covered: share of 95 % intervals that hold the true value.
        not_estimable: studies without an answer; they count as finding nothing and are left out of coverage.
    """

    method: str
    studies: int
    wrong: float | None
    covered: float
    not_estimable: int


def proportion_correct(rng: np.random.Generator) -> Comparison:
    """Aided against unaided, Obuchowski-Rockette."""
    return paired_proportion(draw_study(PLAN, rng))


def by_u_statistics(rng: np.random.Generator) -> Comparison:
    """The same by U-statistics, every seventh reading missing."""
    drawn = draw_study(PLAN, rng)
    drawn.reshape(-1)[rng.permutation(drawn.size)[: drawn.size // 7]] = np.nan
    return u_statistics(proportion_kernels(drawn)).pairs[0][2]


def area_under_curve(rng: np.random.Generator) -> Comparison:
    """Ratings by the model of Roe and Metz, Obuchowski-Rockette on the empirical area, jackknife."""
    readers, cases = PLAN.readers, PLAN.cases
    truth = np.arange(cases) % 2 == 1
    shape = (2, readers, cases)
    ratings = (
        1.5 * truth
        + rng.normal(0, PLAN.case_sd, (1, 1, cases))
        + rng.normal(0, PLAN.case_arm_sd, (2, 1, cases))
        + rng.normal(0, PLAN.reader_sd, (1, readers, 1)) * truth
        + rng.normal(0, PLAN.reader_arm_sd, (2, readers, 1)) * truth
        + rng.normal(0, 1, shape)
    )
    return obuchowski_rockette(auc_kernels(ratings, truth)).pairs[0].rrrc


def model_against_readers(rng: np.random.Generator) -> Comparison:
    """A fixed model that is as often right as readers are on average, on the same cases."""
    readers, model = _readers_and_model(rng)
    return readers_against_model(readers, model)


def mean_of_readers(rng: np.random.Generator) -> Comparison:
    """The bootstrap interval of the readers' mean; there is no test."""
    readers, _ = _readers_and_model(rng)
    grid = Grid(readers, np.ones_like(readers), None)
    seed = int(rng.integers(2**31))
    value, ci = two_way_bootstrap(grid, RESAMPLES, seed, against_model=False)
    return Comparison(value - PLAN.unaided, ci=(ci[0] - PLAN.unaided, ci[1] - PLAN.unaided))


def _readers_and_model(rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Readings (R, C) of one arm and a model's answers (C,), sharing how hard cases are."""
    case = rng.normal(0, PLAN.case_sd, PLAN.cases)
    ability = rng.normal(0, PLAN.reader_sd, (PLAN.readers, 1))
    total = np.sqrt(1 + PLAN.reader_sd**2 + PLAN.case_sd**2)
    latent = total * norm.ppf(PLAN.unaided) + ability + case + rng.normal(0, 1, (PLAN.readers, PLAN.cases))
    alone = np.sqrt(1 + PLAN.case_sd**2) * norm.ppf(PLAN.unaided) + case + rng.normal(0, 1, PLAN.cases)
    return (latent > 0).astype(np.float64), (alone > 0).astype(np.float64)


METHODS: dict[str, tuple[Draw, bool]] = {
    "Aided against unaided, proportion correct, Obuchowski-Rockette": (proportion_correct, True),
    "The same by U-statistics, one seventh of the readings missing": (by_u_statistics, True),
    "Two arms, area under the ROC curve, Obuchowski-Rockette": (area_under_curve, True),
    "Readers against a fixed model, Obuchowski-Rockette": (model_against_readers, True),
    f"Mean of readers, two-way bootstrap ({RESAMPLES} draws)": (mean_of_readers, False),
}


def simulate(studies: int, seed: int) -> list[Promise]:
    """Draw studies without an effect and analyse each; the true difference is zero in all of them."""
    found = []
    with tqdm(total=studies * len(METHODS), unit="study", disable=None) as bar:
        for name, (draw, tests) in METHODS.items():
            rng = np.random.default_rng(seed)
            wrong = covered = missing = 0
            for _ in range(studies):
                result = draw(rng)
                bar.update()
                if result.ci is None:
                    missing += 1
                    continue
                wrong += result.p is not None and result.p < 0.05
                covered += result.ci[0] <= 0 <= result.ci[1]
            share = covered / max(1, studies - missing)
            found.append(Promise(name, studies, wrong / studies if tests else None, share, missing))
    return found


def page(found: list[Promise], seed: int) -> str:
    """The document."""
    rows = []
    for each in found:
        n = each.studies - each.not_estimable
        low, high = proportion_confint(round(each.covered * n), n, method="wilson")
        wrong = "no test" if each.wrong is None else f"{100 * each.wrong:.1f} %"
        rows.append(
            f"| {each.method} | {wrong} | {100 * each.covered:.1f} % ({100 * low:.1f} to {100 * high:.1f}) "
            f"| {each.not_estimable} |"
        )
    studies = found[0].studies
    table = "\n".join(rows)
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "statsmodels"))
    return f"""# How the statistics keep their promises

Written by `python -m docs.statistics --studies {studies} --seed {seed}` (Python {platform.python_version()},
{libraries}). {studies:,} studies without an effect were drawn for each method, {PLAN.readers} readers and
{PLAN.cases} cases each, and analysed as a real study is. A test at 5 % should find a difference in 5 % of them; a 95 %
interval should hold the true value in 95 %. With {studies:,} studies, chance alone moves such a share by about
{196 * (0.05 * 0.95 / studies) ** 0.5:.1f} points.

| method | found a difference at 5 % | 95 % intervals that hold the truth | not estimable |
|---|---:|---:|---:|
{table}

Readings are drawn by the model of Roe and Metz (Acad Radiol 1997; 4:298) for right and wrong answers with a probit
link; spreads of readers {PLAN.reader_sd:g}, of readers by arm {PLAN.reader_arm_sd:g}, of cases {PLAN.case_sd:g}, of
cases by arm {PLAN.case_arm_sd:g}, in units of the noise of one reading; accuracy {PLAN.unaided:.0%}.

## Where the numbers are checked

- `tests/reader_study/analysis/test_reference.py` walks every entry of the reference file made with MRMCaov, RJafroc,
  iMRMC, irr, irrCAC, lme4, geepack, pROC, binom and exact2x2, and every key of the synthetic study's file; an entry
  without a check fails the test. The odds ratio's standard error of the logistic mixed model differs from lme4's by
  0.5 %: lme4 takes it from a coarser numerical Hessian.
- `tests/reader_study/analysis/test_designs.py` compares with plain loops: ties, missing readings, three and four
  treatments, readers and cases nested, covariance differences below zero, negative variances.
- Power: `reader_study.planning.formula_power` is the closed formula of Hillis, Obuchowski and Berbaum (Acad Radiol
  2011; 18:129) with the variance components that the drawing model implies; `tests/reader_study/test_planning.py`
  compares it with simulation, and with a published table of sample sizes for Van Dyke's study.

## What is left out on purpose

Tests that pool the readings of all readers (McNemar over readers, conditional logistic regression) ignore that
readings of a reader, and of a case, belong together. On Van Dyke's data the pooled McNemar test of sensitivity gives
p = 0.00006 where random readers give p = 0.020. No report offers them for a claim about readers.
"""


def main() -> None:
    """Simulate and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    OUT.write_text(page(simulate(asked.studies, asked.seed), asked.seed), encoding="utf-8")


if __name__ == "__main__":
    main()
