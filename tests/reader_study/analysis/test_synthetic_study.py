"""Every key of the synthetic study's reference file is reproduced; a new key without a check fails."""

import json

import numpy as np
import pytest

from reader_study.analysis import report
from reader_study.analysis.mrmc import u_statistics
from reader_study.analysis.paired import mcnemar
from reader_study.tables_in import read_tables
from tests.reader_study.analysis.conftest import near, same_as_imrmc


@pytest.fixture(scope="module")
def wanted(folder):
    return json.loads((folder / "expected/synth_reader_study.json").read_text())


def synthetic(folder, reads="synth_reads"):
    files = [folder / f"data/{name}.csv" for name in ("synth_cases", "synth_readers", reads, "synth_model")]
    return read_tables(*files)


@pytest.fixture(scope="module")
def study(folder):
    return report(synthetic(folder), resamples=200)


@pytest.fixture(scope="module")
def incomplete(folder):
    return report(synthetic(folder, "synth_reads_missing120"), resamples=200)


def check_model(want, study, incomplete):
    for name, numbers in want.items():
        found = study.model[name]
        assert (found.x, found.n, found.value) == (numbers["x"], numbers["n"], near(numbers["acc"]))
        assert found.ci == near(tuple(numbers["wilson"]))


def check_readers(want, study, incomplete):
    rows = {(row.reader_id, row.arm, row.metric): row.accuracy for row in study.readers}
    assert len(rows) == len(want)
    for row in want:
        found = rows[row["reader_id"], row["arm"], row["metric"]]
        assert (found.x, found.n) == (row["x"], row["n"])
        assert found.ci == near((row["lo"], row["hi"]))


def check_means(want, study, incomplete):
    means = {(row.arm, row.metric): row.accuracy.value for row in study.groups}
    assert means == {(row["arm"], row["metric"]): near(row["acc"]) for row in want}


def check_sites(want, study, incomplete):
    found = {(row.site, row.arm, row.metric): (row.accuracy.x, row.accuracy.n) for row in study.sites}
    assert found == {(row["site"], row["arm"], row["metric"]): (row["x"], row["n"]) for row in want}


def check_against_model(want, study, incomplete):
    for metric, rows in want.items():
        for found, row in zip(study.mcnemar["reader_vs_model"][metric], rows, strict=True):
            keys = ("reader_id", "reader_only", "model_only")
            assert [found[key] for key in keys] == [row[key] for key in keys]
            assert [found["p"], found["p_holm"], found["p_bh"]] == near(
                [row["exact_p"], row["holm"], row["bh"]]
            )
            chi2 = mcnemar(row["reader_only"], row["model_only"])["chi2_corrected_p"]
            assert chi2 == near(row["chi2_cc_p"])


def check_gained(want, study, incomplete):
    for found, row in zip(study.mcnemar["aided_vs_unaided"]["top1"], want, strict=True):
        assert (found["reader_id"], found["gained"], found["lost"]) == (
            row["reader_id"], row["gained"], row["lost"],
        )  # fmt: skip
        assert [found["p"], found["p_holm"]] == near([row["exact_p"], row["holm"]])


def check_unaided_against_aided(want, study, incomplete):
    from reader_study.analysis.mrmc import obuchowski_rockette, proportion_kernels

    for metric, row in want.items():
        got = study.aided_vs_unaided[metric]
        (pair,) = row["RRRC"]["pairwise"]
        assert [got["difference"], got["se"], got["df"], got["p"]] == near(
            [-pair["diff"], pair["se"], pair["df"], pair["p"]]
        )
        assert got["ci"] == near([-pair["ci"][1], -pair["ci"][0]])
        outcomes = study.pairs.outcomes(study.k_of[metric])[::-1]
        found = obuchowski_rockette(proportion_kernels(outcomes))
        names = {"var_error": "error", "cov1": "cov1", "cov2": "cov2", "cov3": "cov3"}
        names |= {"MST": "ms_treatment", "MSR": "ms_reader", "MSTR": "ms_treatment_reader"}
        for theirs, ours in names.items():
            assert getattr(found.components, ours) == near(row[theirs])
        f = found.components
        assert [f.f, f.df1, f.df2, f.p] == near([row["RRRC"][key] for key in ("F", "df1", "df2", "p")])
        (fixed,) = row["FRRC"]["pairwise"]
        frrc = found.pairs[0].frrc
        assert [frrc.difference, frrc.se, *frrc.ci, frrc.p] == near(
            [fixed["diff"], fixed["se"], *fixed["ci"], fixed["p"]]
        )
        assert frrc.statistic**2 == near(row["FRRC"]["chisq"])
        for mean, single in zip(found.means, row["single"], strict=True):
            assert [mean.difference, mean.se, mean.df, *mean.ci] == near(
                [single["mean"], single["se"], single["df"], *single["ci"]]
            )


def check_readers_minus_model(want, study, incomplete):
    found = {row.metric: row.difference for row in study.model_vs_readers if row.arm == "unaided"}
    for metric, row in want.items():
        got = found[metric]
        assert [got.value, got.se, got.df, got.p, *got.ci] == near(
            [row["diff_reader_minus_model"], row["se"], row["df"], row["p"], *row["ci"]]
        )


def check_imrmc(want, study, incomplete):
    from reader_study.analysis.mrmc import proportion_kernels

    for name, found in (("full", study), ("missing120", incomplete)):
        columns = found.table.columns
        outcomes = []
        for arm in ("aided", "unaided"):
            right, read = columns.counts(arm, 1)
            outcomes.append(np.where(read > 0, right, np.nan))
        ours = u_statistics(proportion_kernels(np.stack(outcomes)))
        rows = {(row["modalityA"], row["modalityB"]): row for row in want[name]["Ustat"]}
        for arm, mean in zip(("aided", "unaided"), ours.means, strict=True):
            row = rows[arm, "NO_MOD"]
            got = [mean.difference, mean.se**2, mean.df]
            assert got == near([row["AUCA"], row["varAUCA"], row["dfBDG"]], 1e-5)
        same_as_imrmc(found.u_statistics["top1"], rows["aided", "unaided"])
        rows = {(row["modalityA"], row["modalityB"]): row for row in want[name]["MLE"]}
        for arm, mean in zip(("aided", "unaided"), ours.bootstrap_means, strict=True):
            row = rows[arm, "NO_MOD"]
            got = [mean.difference, mean.se**2, mean.df]
            assert got == near([row["AUCA"], row["varAUCA"], row["dfBDG"]], 1e-5)
        same_as_imrmc(ours.bootstrap[0].to_json(), rows["aided", "unaided"])


def check_gee(want, study, incomplete):
    gee = study.gee
    found = {(row["cluster"], row["working"]): row for row in [gee["top1"], *gee["sensitivity"]]}
    assert len(found) == len(want)
    for name, row in want.items():
        _, cluster, working = name.split("_")
        got = found[cluster, working]
        assert got["coefficient"] == near(row["coef"][1])
        assert got["robust_se"] == pytest.approx(row["robust_se"][1], abs=5e-4)
        assert got["p"] == pytest.approx(row["p"][1], abs=1e-6)


def check_glmm(want, study, incomplete):
    found = study.glmm["top1"]
    assert [found["coefficient"], found["sd_reader"], found["sd_case"], found["odds_ratio"]] == near(
        [want["fixef"]["aided"], want["sd_reader"], want["sd_case"], want["or"]], 1e-3
    )
    # lme4's error comes from a coarse numerical Hessian; ours does not change with the step
    assert [found["se"], *found["ci"]] == pytest.approx([want["se"]["aided"], *want["or_ci_wald"]], abs=2e-3)


def check_time(want, study, incomplete):
    found = study.time["log_seconds"]
    assert [found["coefficient"], found["se"], found["ratio"]] == near(
        [want["coef"]["aided"], want["se"]["aided"], want["ratio_aided"]], 1e-3
    )


def check_medians(want, study, incomplete):
    found = study.time["median_seconds"]
    assert [found["v"], found["p"]] == near([want["V"], want["p"]])
    assert [found["unaided"], found["aided"]] == near([np.median(want["unaided"]), np.median(want["aided"])])


def check_confidence(want, study, incomplete):
    found = study.confidence
    got = [found["difference"], found["t"], found["df"], found["p"], *found["ci"]]
    assert got == near([want["diff"], want["t"], want["df"], want["p"], *want["ci"]])


def check_study_agreement(want, study, incomplete):
    for arm, coefficients in want.items():
        found = incomplete.agreement["unaided"] if "missing" in arm else study.agreement[arm]
        names = {"bp": "brennan_prediger", "pa": "percent"}
        for name, row in coefficients.items():
            if name == "irr_fleiss_z":
                assert found["fleiss"]["z"] == near(row)
                continue
            got = found[names.get(name, name)]
            assert [got["value"], got["se"]] == pytest.approx([row["coeff.val"], row["coeff.se"]], abs=1e-4)


def check_moves(want, study, incomplete):
    assert study.reclassification["top1"] == near(want)


def check_bias(want, study, incomplete):
    assert study.automation_bias["top1"] == want


KEYS = {
    "software": lambda want, study, incomplete: None,
    "model": check_model,
    "per_reader": check_readers,
    "arm_mean": check_means,
    "by_site": check_sites,
    "mcnemar_reader_vs_model": check_against_model,
    "mcnemar_unaided_vs_aided_top1": check_gained,
    "or_unaided_vs_aided": check_unaided_against_aided,
    "model_vs_readers_unaided": check_readers_minus_model,
    "imrmc_top1": check_imrmc,
    "gee_top1_aided": check_gee,
    "glmm_top1_aided_laplace": check_glmm,
    "lmm_log_seconds": check_time,
    "wilcoxon_reader_median_seconds": check_medians,
    "paired_t_reader_mean_confidence": check_confidence,
    "agreement_top1": check_study_agreement,
    "reclassification_top1": check_moves,
    "automation_bias_top1": check_bias,
}


def test_no_key_of_the_synthetic_study_is_without_a_check(wanted):
    assert set(wanted) == set(KEYS)


@pytest.mark.parametrize("key", KEYS)
def test_the_synthetic_study_is_reproduced(wanted, study, incomplete, key):
    KEYS[key](wanted[key], study, incomplete)
