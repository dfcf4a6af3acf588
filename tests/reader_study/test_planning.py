"""Power by simulation: nominal error without an effect, expected accuracies, more power with more data."""

import json

import numpy as np
import pytest
from scipy.stats import nct, t

from reader_study.analysis.mrmc import obuchowski_rockette, proportion_kernels
from reader_study.analysis.mrmc.outcomes import auc_kernels
from reader_study.analysis.mrmc.ratings import read_ratings
from reader_study.cli import main
from reader_study.errors import StudyError
from reader_study.planning import Moments, Plan, draw_study, formula_power, moments, simulate_power


def test_expected_accuracies_are_those_asked_for():
    rng = np.random.default_rng(0)
    drawn = [draw_study(Plan(20, 100, 0.6, 0.15), rng).mean(axis=(1, 2)) for _ in range(300)]
    assert np.mean(drawn, axis=0) == pytest.approx([0.75, 0.6], abs=0.01)


def test_without_an_effect_the_test_is_wrong_as_often_as_it_says():
    found = simulate_power(Plan(8, 60, 0.6, 0.0), studies=400, seed=1)
    assert 0.02 <= found.power <= 0.085
    assert found.coverage >= 0.915
    assert found.ci[0] < found.power < found.ci[1]


def test_power_is_that_of_a_t_test_over_readers_where_only_noise_varies():
    plan = Plan(6, 80, 0.5, 0.08, reader_sd=0, reader_arm_sd=0, case_sd=0, case_arm_sd=0)
    variance = (0.58 * 0.42 + 0.25) / (6 * 80)
    expected = nct.sf(t.ppf(0.975, 5), 5, 0.08 / variance**0.5)  # six readers: five degrees of freedom
    assert simulate_power(plan, studies=300, seed=2).power == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(
    "plan", [Plan(8, 80, 0.6, 0.1), Plan(5, 60, 0.7, 0.12, 0.5, 0.3, 1.2, 0.3), Plan(12, 50, 0.5, 0.0)]
)
def test_simulated_power_is_that_of_the_formula_of_hillis_obuchowski_and_berbaum(plan):
    found = simulate_power(plan, studies=300, seed=5)
    assert formula_power(plan) == pytest.approx(found.power, abs=0.09)


def test_the_implied_components_are_those_of_drawn_studies():
    plan = Plan(6, 60, 0.6, 0.1, 0.4, 0.3, 0.9, 0.5)
    rng = np.random.default_rng(4)
    drawn = [obuchowski_rockette(proportion_kernels(draw_study(plan, rng))).components for _ in range(400)]
    wanted = moments(plan, plan.cases)
    for name in ("treatment_reader", "error", "cov1", "cov2", "cov3"):
        values = np.array([getattr(each, name) for each in drawn])
        error = values.std() / len(values) ** 0.5
        # the jackknife is a little too large in small samples
        assert getattr(wanted, name) == pytest.approx(
            values.mean(), abs=4 * error + 0.02 * abs(values.mean())
        )


def test_the_formula_is_a_t_test_over_readers_where_only_noise_varies():
    plan = Plan(6, 80, 0.5, 0.08, reader_sd=0, reader_arm_sd=0, case_sd=0, case_arm_sd=0)
    variance = (0.58 * 0.42 + 0.25) / (6 * 80)
    assert formula_power(plan) == pytest.approx(
        nct.sf(t.ppf(0.975, 5), 5, 0.08 / variance**0.5) + nct.cdf(-t.ppf(0.975, 5), 5, 0.08 / variance**0.5),
        abs=0.01,
    )


PUBLISHED = ("4 1089", "5 344", "6 251", "7 211", "8 188", "9 173", "10 163", "12 149", "15 137", "50 109")
"""Readers, and cases for 80 % power to see Van Dyke's difference (Chakraborty, book on RJafroc)."""


@pytest.mark.parametrize("row", PUBLISHED)
def test_the_published_sample_sizes_for_van_dykes_study_are_found(shared, row):
    readers, cases = map(int, row.split())
    ratings = read_ratings(shared / "reference_stats/data/vandyke.csv")
    found = obuchowski_rockette(auc_kernels(ratings.values, ratings.truth))
    effect = found.pairs[0].rrrc.difference
    of = found.components
    pilot = Moments(of.treatment_reader, of.error, of.cov1, of.cov2, of.cov3)
    powers = [pilot.with_cases(n, len(ratings.truth)).power(effect, readers) for n in (cases, cases - 1)]
    assert powers[0] >= 0.8 > powers[1], "no smaller number of cases is enough"


def test_more_readers_cases_and_effect_give_more_power_and_spread_gives_less():
    def power(**changes):
        return simulate_power(
            Plan(**({"readers": 5, "cases": 50, "unaided": 0.6, "effect": 0.08} | changes)), 120
        ).power

    base = power()
    assert power(readers=15) > base
    assert power(cases=200) > base
    assert power(effect=0.16) > base
    assert power(reader_arm_sd=0.8) < base


def test_the_same_seed_gives_the_same_power():
    plan = Plan(4, 30, 0.5, 0.1)
    assert simulate_power(plan, 60, seed=3) == simulate_power(plan, 60, seed=3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"readers": 1}, "2 to 200 readers"),
        ({"effect": 0.5}, "between 0 and 1"),
        ({"case_sd": -1.0}, "not negative"),
    ],
)
def test_impossible_plans_are_refused_in_words(changes, words):
    with pytest.raises(StudyError, match=words):
        Plan(**({"readers": 4, "cases": 30, "unaided": 0.6, "effect": 0.1} | changes))


def test_the_command_prints_the_power_and_what_it_was_computed_from(capsys):
    asked = [
        "power",
        "--readers",
        "4",
        "--cases",
        "30",
        "--unaided",
        ".6",
        "--effect",
        ".1",
        "--studies",
        "50",
    ]
    assert main([*asked, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["plan"]["readers"] == 4
    assert 0 <= told["power"] <= 1
    assert main([*asked[:-1], "10"]) == 2
    assert "50 to 20,000" in capsys.readouterr().err
