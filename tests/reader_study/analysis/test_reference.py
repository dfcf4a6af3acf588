"""Every entry of the reference file that R wrote, within its tolerance; a new entry without a check fails."""

import csv
import json
import math
from functools import partial

import numpy as np
import pytest

from reader_study.analysis import report
from reader_study.analysis.accuracy import proportion
from reader_study.analysis.agreement import MISSING, agreement, ordinal_agreement
from reader_study.analysis.delong import delong, read_markers
from reader_study.analysis.mrmc import u_statistics
from reader_study.analysis.mrmc.outcomes import auc_kernels
from reader_study.analysis.mrmc.ratings import read_ratings
from reader_study.analysis.mrmc.result import mrmc
from reader_study.analysis.paired import mcnemar
from reader_study.tables_in import read_tables


@pytest.fixture(scope="module")
def folder(shared):
    return shared / "reference_stats"


@pytest.fixture(scope="module")
def index(folder):
    return {entry["id"]: entry for entry in json.loads((folder / "expected/index.json").read_text())}


def near(wanted, rel=1e-6, **others):
    return pytest.approx(wanted, rel=rel, abs=others.pop("abs", 1e-12), **others)


def check_or(folder, want, claim, **options):
    pair = mrmc(read_ratings(folder / "data/vandyke.csv"), "auc", **options)["pairs"][0][claim]
    assert [pair["difference"], pair["se"], *pair["ci"], pair["statistic"], pair["p"]] == near(
        [want["diff"], want["se"], *want["ci"], want["stat"], want["p"]]
    )
    if want["df"] == "Inf(z)":
        assert (pair["df"], pair["distribution"]) == (None, "normal")
    else:
        assert pair["df"] == near(want["df"])


def check_components(folder, want):
    found = mrmc(read_ratings(folder / "data/vandyke.csv"), "auc")["components"]
    names = ["reader", "treatment_reader", "error", "cov1", "cov2", "cov3", "ms_treatment"]
    names += ["ms_treatment_reader", "denominator", "f", "df1", "df2", "p"]
    assert [found[name] for name in names] == near(list(want.values()))


def check_percent_correct(folder, want):
    ratings = read_ratings(folder / "data/vandyke.csv")
    pair = mrmc(ratings, "proportion", threshold=3)["pairs"][0]["rrrc"]
    got = [pair["difference"], pair["se"], pair["df"], pair["ci"][0], pair["ci"][1], pair["p"]]
    assert got == near([want["diff"], want["se"], want["df"], *want["ci"], want["p"]])


def check_u(folder, want, file, outcome):
    ratings = read_ratings(folder / f"data/{file}.csv")
    found = mrmc(ratings, outcome, threshold=3 if outcome == "proportion" else None, method="ustat")
    same_as_imrmc(found["pairs"][0]["rrrc"], want)
    assert [mean["mean"] for mean in found["means"]] == near([want["AUCA"], want["AUCB"]], 1e-5)


def same_as_imrmc(pair, want):
    got = [pair["difference"], pair["se"] ** 2, pair["df"], *pair["ci"], pair["p"]]
    names = ("AUCAminusAUCB", "varAUCAminusAUCB", "dfBDG", "botCIBDG", "topCIBDG", "pValueBDG")
    assert got == near([want[name] for name in names], 1e-5)
    normal = math.erfc(abs(pair["statistic"]) / math.sqrt(2))
    assert normal == near(want["pValueNormal"], 1e-5)


def check_bootstrap(folder, want):
    found = mrmc(read_ratings(folder / "data/vandyke.csv"), "auc", method="ustat")
    assert found["pairs"][0]["bootstrap"]["se"] ** 2 == near(want["var"])


def check_viper(folder, want):
    with (folder / "data/viper455_challengeHighP.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["readerID"] != "truth"]
    readers, cases = (sorted({row[key] for row in rows}) for key in ("readerID", "caseID"))
    values, truth = np.full((2, len(readers), len(cases)), np.nan), np.zeros(len(cases), bool)
    for row in rows:
        column = cases.index(row["caseID"])
        values[int(row["modalityID"] == "SFM"), readers.index(row["readerID"]), column] = float(row["score"])
        truth[column] = row["Ctype"] == "cancer"
    same_as_imrmc(u_statistics(auc_kernels(values, truth)).pairs[0][2].to_json(), want)


def labels_of(file):
    with file.open() as opened:
        rows = list(csv.reader(opened))[1:]
    names = sorted({cell for row in rows for cell in row} - {"NA"})
    return np.array([[MISSING if cell == "NA" else names.index(cell) for cell in row] for row in rows])


def check_agreement(folder, want, file):
    labels = labels_of(folder / "data" / file)
    found = agreement(labels)
    names = {"fleiss": "fleiss", "ac1": "gwet_ac1", "alpha": "krippendorff_nominal", "conger": "conger"}
    names |= {"brennan_prediger": "brennan_prediger", "percent": "percent_agreement"}
    for ours, theirs in names.items():
        assert [found[ours]["value"], found[ours]["se"]] == near(want[theirs], abs=1e-4)
    if "fleiss_irr" in want:
        assert [found["fleiss"]["value"], found["fleiss"]["z"]] == near(
            [want["fleiss_irr"], want["fleiss_z"]]
        )
    if "alpha_ordinal" in want:
        assert ordinal_agreement(labels)["alpha"]["value"] == near(want["alpha_ordinal"])


def check_paradox(folder, want):
    cells = [(0, 0)] * 118 + [(0, 1)] * 5 + [(1, 0)] * 2
    found = agreement(np.array(cells))
    # with two raters Conger's kappa is Cohen's
    got = [found["conger"]["value"], found["ac1"]["value"], found["percent"]["value"]]
    assert got == near([want["cohen"], want["ac1"], want["pa"]], abs=1e-4)


def check_mcnemar(folder, want, first, second):
    found = mcnemar(first, second)
    assert [found["p"], found["p_mid"]] == near([want["exact_p"], want["midp"]])
    squares = [found[key] for key in ("chi2", "chi2_p", "chi2_corrected", "chi2_corrected_p")]
    wanted = [want[key] for key in ("chi2", "p", "chi2_cc", "p_cc")]
    assert squares == (wanted if None in wanted else near(wanted))


def check_wilson(folder, want):
    for row in want:
        found = proportion(row["x"], row["n"])
        assert found.ci == pytest.approx((row["lower"], row["upper"]), abs=1e-6)


def check_delong(folder, want):
    found = delong(read_markers(folder / "data/proc_asah.csv", "outcome", "Poor"))
    for name, area in want["auc"].items():
        assert found["auc"][name]["auc"] == near(area)
        low, middle, high = want["ci"][name]
        assert [*found["auc"][name]["ci"], area] == near([low, high, middle])
    (pair,) = [p for p in found["pairs"] if (p["marker_1"], p["marker_2"]) == ("wfns", "s100b")]
    assert [pair["statistic"], pair["p"]] == near([want["paired"]["Z"], want["paired"]["p"]])


def check_pooled(folder, want):
    """Pooled tests ignore readers; they are known here to show that no report offers them."""
    ratings = read_ratings(folder / "data/vandyke.csv")
    for name, cases in (("sen", ratings.truth), ("spe", ~ratings.truth)):
        calls = ratings.values[:, :, cases] >= 3
        gained, lost = ((calls[1] & ~calls[0]).sum(), (calls[0] & ~calls[1]).sum())
        pooled = mcnemar(int(gained), int(lost))
        assert [pooled["chi2"], pooled["chi2_p"]] == near(
            [want[f"Q_MN_{name}"][0]["Statistic"], want[f"Q_MN_{name}"][0]["P.value"]]
        )
        # paired data: the conditional likelihood has a closed form (Breslow and Day 1980, section 5.2)
        row = want[f"CLR_{name}"][0]
        ratio, error = gained / lost, math.sqrt(1 / gained + 1 / lost)
        assert [ratio, error] == near([row["Estimate"], row["SE"]])
        z = math.log(ratio) / error
        assert math.erfc(abs(z) / math.sqrt(2)) == near(row["P.value"])
    written = json.dumps(mrmc(ratings, "proportion", threshold=3)).lower()
    assert "pooled" not in written
    assert "mcnemar" not in written


def check_synthetic(folder, want):
    assert want == "see expected/synth_reader_study.json"


CHECKS = {
    "or_vandyke_RRRC": partial(check_or, claim="rrrc"),
    "or_vandyke_FRRC": partial(check_or, claim="frrc"),
    "or_vandyke_RRFC": partial(check_or, claim="rrfc"),
    "or_vandyke_DeLong_RRRC": partial(check_or, claim="rrrc", covariance="delong"),
    "or_vandyke_components": check_components,
    "or_percent_correct_vandyke": check_percent_correct,
    "imrmc_vandyke_auc_full": partial(check_u, file="vandyke", outcome="auc"),
    "imrmc_vandyke_auc_unbalanced_drop7": partial(check_u, file="vandyke_unbalanced_drop7", outcome="auc"),
    "imrmc_vandyke_percent_correct_ge3_full": partial(check_u, file="vandyke", outcome="proportion"),
    "imrmc_vandyke_percent_correct_ge3_unbalanced_drop7": partial(
        check_u, file="vandyke_unbalanced_drop7", outcome="proportion"
    ),
    "bootstrap_vandyke": check_bootstrap,
    "viper_challengeHighP": check_viper,
    "fleiss1971": partial(check_agreement, file="fleiss1971_diagnoses_30x6.csv"),
    "gwet_raw4raters": partial(check_agreement, file="gwet_raw4raters_12x4.csv"),
    "kappa_paradox": check_paradox,
    "mcnemar_agresti_approval_794_150_86_570": partial(check_mcnemar, first=150, second=86),
    "mcnemar_small_b10_c2": partial(check_mcnemar, first=10, second=2),
    "mcnemar_b0_c5": partial(check_mcnemar, first=0, second=5),
    "mcnemar_b0_c0": partial(check_mcnemar, first=0, second=0),
    "mcnemar_reader_vs_model_b25_c11": partial(check_mcnemar, first=25, second=11),
    "wilson": check_wilson,
    "delong_asah": check_delong,
    "synth_full": check_synthetic,
    "mrmcbinary_vandyke": check_pooled,
}


def test_no_entry_is_without_a_check(index):
    assert set(index) == set(CHECKS)


@pytest.mark.parametrize("name", CHECKS)
def test_the_entry_is_reproduced(folder, index, name):
    CHECKS[name](folder, index[name]["expected"])


# the synthetic study: every key of its file


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
