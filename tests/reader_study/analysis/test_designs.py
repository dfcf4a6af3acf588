"""Designs that reviewers bring: ties, missing readings, nesting, negative variances; against plain loops."""

import math
from itertools import combinations, product

import numpy as np
import pytest
from scipy import stats

from reader_study.analysis.mrmc import u_statistics
from reader_study.analysis.mrmc.covariance import covariance as covariance_of
from reader_study.analysis.mrmc.outcomes import auc_kernels, proportion_kernels
from reader_study.analysis.mrmc.ratings import Ratings
from reader_study.analysis.mrmc.result import mrmc


def draw(seed, treatments=2, readers=4, cases=14, missing=0.0):
    """Coarse ratings full of ties; some missing."""
    rng = np.random.default_rng(seed)
    truth = np.arange(cases) % 2 == 0
    values = np.round(rng.normal(size=(treatments, readers, cases)) * 1.3 + truth * 1.2).clip(-2, 3)
    values[rng.random(values.shape) < missing] = np.nan
    names = (tuple(f"t{i}" for i in range(treatments)), tuple(f"r{i}" for i in range(readers)))
    return Ratings(values, truth, *names, tuple(f"c{i}" for i in range(cases)))


def outcome(row, truth, kind):
    """One reader's AUC, or share of calls (rating >= 1) that are right, by loops."""
    if kind == "proportion":
        right = [(rating >= 1) == sick for rating, sick in zip(row, truth, strict=True) if rating == rating]
        return sum(right) / len(right)
    terms = [
        (x > y) + 0.5 * (x == y)
        for x, sick in zip(row, truth, strict=True)
        for y, other in zip(row, truth, strict=True)
        if sick and not other and x == x and y == y
    ]
    return sum(terms) / len(terms)


def plain_covariance(values, truth, kind):
    """Jackknife over all cases of the study, by leaving each out."""
    treatments, readers, cases = values.shape
    left_out = np.array(
        [
            [
                outcome(np.delete(values[t, r], c), np.delete(truth, c), kind)
                for t, r in product(range(treatments), range(readers))
            ]
            for c in range(cases)
        ]
    )
    deviations = left_out - left_out.mean(axis=0)
    return (cases - 1) / cases * deviations.T @ deviations


def plain_or(values, truth, kind):
    """Difference, variances and df of each pair of treatments (Hillis 2014; FRRC as in MRMCaov)."""
    treatments, readers, _ = values.shape
    theta = np.array(
        [[outcome(values[t, r], truth, kind) for r in range(readers)] for t in range(treatments)]
    )
    full = plain_covariance(values, truth, kind)
    cells = list(product(range(treatments), range(readers)))
    kinds = {"error": [], "cov1": [], "cov2": [], "cov3": []}
    for (i, (t, r)), (j, (u, s)) in product(enumerate(cells), repeat=2):
        name = "error" if (t, r) == (u, s) else "cov1" if r == s else "cov2" if t == u else "cov3"
        kinds[name].append(full[i, j])
    mean = {name: sum(found) / len(found) for name, found in kinds.items()}
    residual = theta - theta.mean(1)[:, None] - theta.mean(0) + theta.mean()
    freedom = (treatments - 1) * (readers - 1)
    square = (residual**2).sum() / freedom
    clipped = square + readers * max(mean["cov2"] - mean["cov3"], 0)
    fixed = mean["error"] - mean["cov1"] + (readers - 1) * (mean["cov2"] - mean["cov3"])
    return [
        (theta[a].mean() - theta[b].mean(), 2 / readers * clipped, freedom * (clipped / square) ** 2,
         2 / readers * fixed, 2 / readers * square, freedom)
        for a, b in combinations(range(treatments), 2)
    ], mean  # fmt: skip


@pytest.mark.parametrize("kind", ["auc", "proportion"])
@pytest.mark.parametrize(
    ("seed", "treatments", "missing"), [(1, 2, 0.0), (2, 3, 0.0), (3, 2, 0.15), (4, 3, 0.1), (5, 4, 0.0)]
)
def test_every_claim_equals_plain_loops_on_ties_missing_readings_and_several_treatments(
    kind, seed, treatments, missing
):
    ratings = draw(seed, treatments, missing=missing)
    want, _ = plain_or(ratings.values, ratings.truth, kind)
    found = mrmc(ratings, kind, threshold=1 if kind == "proportion" else None)["pairs"]
    for pair, (difference, rrrc, df, frrc, rrfc, freedom) in zip(found, want, strict=True):
        assert pair["rrrc"]["difference"] == pytest.approx(difference)
        assert [pair["rrrc"]["se"] ** 2, pair["rrrc"]["df"]] == pytest.approx([rrrc, df])
        assert [pair["rrfc"]["se"] ** 2, pair["rrfc"]["df"]] == pytest.approx([rrfc, freedom])
        half = stats.t(df).ppf(0.975) * math.sqrt(rrrc)
        assert pair["rrrc"]["ci"] == pytest.approx((difference - half, difference + half))
        if frrc > 0:
            z = difference / math.sqrt(frrc)
            assert pair["frrc"]["p"] == pytest.approx(2 * stats.norm.sf(abs(z)))
        else:
            assert "negative" in pair["frrc"]["reason"]


def test_a_covariance_difference_below_zero_counts_as_zero_for_random_readers_and_as_it_is_for_fixed_ones():
    clipped = 0
    for seed in range(40):
        ratings = draw(seed, readers=3, cases=10)
        ((_, _, _, frrc, rrfc, freedom),), mean = plain_or(ratings.values, ratings.truth, "auc")
        if mean["cov2"] >= mean["cov3"] or frrc <= 0 or rrfc <= 0:
            continue
        pair = mrmc(ratings, "auc")["pairs"][0]
        assert pair["rrrc"]["se"] == pytest.approx(math.sqrt(rrfc))
        assert pair["rrrc"]["df"] == pytest.approx(freedom)
        assert pair["frrc"]["se"] == pytest.approx(math.sqrt(frrc))
        clipped += 1
    assert clipped >= 3


def test_readers_nested_in_treatments_are_compared_by_the_mean_square_of_readers_within():
    ratings = draw(11, readers=6)
    values = ratings.values.copy()
    values[0, 3:], values[1, :3] = np.nan, np.nan
    nested = Ratings(values, ratings.truth, ratings.treatments, ratings.readers, ratings.cases)
    theta = [[outcome(values[t, r], ratings.truth, "auc") for r in range(3 * t, 3 * t + 3)] for t in range(2)]
    # every reader as the only one of a "treatment" gives covariances of all with all
    together = np.stack([values[t, 3 * t : 3 * t + 3] for t in range(2)]).reshape(1, 6, -1)
    full = plain_covariance(together, ratings.truth, "auc")
    cov2 = np.mean([full[i, j] for i, j in product(range(6), repeat=2) if i != j and i // 3 == j // 3])
    cov3 = np.mean([full[i, j] for i, j in product(range(6), repeat=2) if i // 3 != j // 3])
    square = np.mean([np.var(own, ddof=1) for own in theta])
    total = square + 3 * max(cov2 - cov3, 0)
    pair = mrmc(nested, "auc")["pairs"][0]["rrrc"]
    assert pair["difference"] == pytest.approx(np.mean(theta[0]) - np.mean(theta[1]))
    assert [pair["se"] ** 2, pair["df"]] == pytest.approx([2 / 3 * total, 4 * (total / square) ** 2])


def test_readers_who_read_in_some_treatments_only_are_named():
    ratings = draw(12)
    ratings.values[1, 2] = np.nan
    found = mrmc(ratings, "auc")
    assert "some of the treatments only" in found["pairs"][0]["rrrc"]["reason"]
    assert found["note"] == "No outcome of reader r2 in t1."
    assert mrmc(ratings, "auc", method="ustat")["pairs"][0]["rrrc"]["difference"] is not None


def test_cases_nested_in_readers_share_no_covariance_of_different_readers():
    ratings = draw(13, readers=3, cases=30)
    for reader in range(3):
        others = np.arange(30) // 10 != reader
        ratings.values[:, reader, others] = np.nan
    components = mrmc(ratings, "auc")["components"]
    assert (components["cov2"], components["cov3"]) == (0.0, 0.0)
    (want,), _ = plain_or(ratings.values, ratings.truth, "auc")
    assert mrmc(ratings, "auc")["pairs"][0]["rrrc"]["se"] ** 2 == pytest.approx(want[1])


@pytest.mark.parametrize("covariance", ["jackknife", "delong", "unbiased"])
@pytest.mark.parametrize("kind", ["auc", "proportion"])
def test_nine_readers_and_a_standalone_model_equal_the_single_treatment_formula(covariance, kind):
    ratings = draw(21, treatments=1, readers=10, cases=20)
    theta = np.array([outcome(row, ratings.truth, kind) for row in ratings.values[0]])
    differences = theta[:9] - theta[9]
    found = mrmc(
        ratings, kind, threshold=1 if kind == "proportion" else None, covariance=covariance, standalone="r9"
    )["model_vs_readers"]
    assert found["difference"] == pytest.approx(differences.mean())
    if covariance != "jackknife":
        assert found["se"] == pytest.approx(
            mrmc(ratings, kind, threshold=1 if kind == "proportion" else None, standalone="r9")[
                "model_vs_readers"
            ]["se"],
            rel=0.15,
        )
        return
    full = plain_covariance(ratings.values, ratings.truth, kind)
    contrast = np.hstack([np.eye(9), -np.ones((9, 1))])
    between = contrast @ full @ contrast.T
    cov2 = max((between.sum() - np.trace(between)) / 72, 0)
    square = differences.var(ddof=1)
    assert found["se"] ** 2 == pytest.approx(square / 9 + cov2)
    assert found["df"] == pytest.approx(8 * ((square + 9 * cov2) / square) ** 2)


def test_unbiased_and_delong_covariances_equal_their_definitions():
    ratings = draw(31, treatments=1, readers=2, cases=12)
    x, y = (
        [
            [(a > b) + 0.5 * (a == b) for b in row[~ratings.truth]]
            for a in row[ratings.truth]
        ]
        for row in ratings.values[0]
    )  # fmt: skip
    x, y = np.array(x), np.array(y)
    apart = [
        x[i, j] * y[k, m]
        for i, j, k, m in product(range(6), repeat=4)
        if i != k and j != m
    ]  # fmt: skip
    kernels = auc_kernels(ratings.values, ratings.truth)
    assert covariance_of(kernels, "unbiased")[0, 1] == pytest.approx(x.mean() * y.mean() - np.mean(apart))
    sick, healthy = (np.cov(x.mean(axis), y.mean(axis))[0, 1] / 6 for axis in (1, 0))
    assert covariance_of(kernels, "delong")[0, 1] == pytest.approx(sick + healthy)


def test_a_negative_variance_of_u_statistics_is_said_in_words():
    said = 0
    for seed in range(60):
        ratings = draw(seed, readers=2, cases=6)
        pair = mrmc(ratings, "auc", method="ustat")["pairs"][0]["rrrc"]
        if pair["p"] is None:
            assert pair["reason"].startswith("Not estimable: the variance estimate is")
            assert (pair["se"], pair["ci"]) == (None, None) or pair["se"] == 0.0
            said += "negative" in pair["reason"]
    assert said


def test_two_readers_have_one_degree_of_freedom_at_least_in_u_statistics():
    degrees = [
        mrmc(draw(seed, readers=2), "auc", method="ustat")["pairs"][0]["rrrc"]["df"] for seed in range(9)
    ]
    assert min(df for df in degrees if df) == pytest.approx(1.0)


def test_a_reader_with_one_diseased_case_has_no_covariance_and_says_so():
    ratings = draw(41)
    ratings.values[:, 0, 2::2] = np.nan
    found = mrmc(ratings, "auc")
    assert "fewer than two cases of a kind" in found["pairs"][0]["rrrc"]["reason"]
    assert "fewer than two cases of a kind" in found["means"][0]["reason"]


def test_differences_that_only_rounding_makes_vary_have_no_test():
    values = np.full((2, 3, 30), np.nan)
    for reader in range(3):
        own = slice(10 * reader, 10 * reader + 10)
        values[0, reader, own] = np.arange(10) < 6
        values[1, reader, own] = np.arange(10) < 7
    ratings = Ratings(values, np.ones(30, bool), ("a", "b"), tuple("xyz"), tuple(map(str, range(30))))
    assert "zero" in mrmc(ratings, "proportion")["pairs"][0]["rrfc"]["reason"]


def test_the_ideal_bootstrap_variance_is_that_of_many_draws():
    ratings = draw(51, readers=5, cases=24)
    found = u_statistics(proportion_kernels((ratings.values >= 1) == ratings.truth))
    rng = np.random.default_rng(0)
    right = ((ratings.values >= 1) == ratings.truth).astype(float)
    readers = rng.multinomial(5, [0.2] * 5, size=20_000) / 5
    cases = rng.multinomial(24, [1 / 24] * 24, size=20_000) / 24
    drawn = np.einsum("br,rc,bc->b", readers, right[0] - right[1], cases)
    assert found.bootstrap[0].se ** 2 == pytest.approx(drawn.var(), rel=0.05)
