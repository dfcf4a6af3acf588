"""Every entry of the reference file that R wrote, within its tolerance; a new entry without a check fails."""

import csv
import json
import math
from functools import partial

import numpy as np
import pytest

from reader_study.analysis.accuracy import proportion
from reader_study.analysis.agreement import MISSING, agreement, ordinal_agreement
from reader_study.analysis.delong import delong, read_markers
from reader_study.analysis.mrmc import u_statistics
from reader_study.analysis.mrmc.outcomes import auc_kernels
from reader_study.analysis.mrmc.ratings import read_ratings
from reader_study.analysis.mrmc.result import mrmc
from reader_study.analysis.paired import mcnemar
from tests.reader_study.analysis.conftest import near, same_as_imrmc


@pytest.fixture(scope="module")
def index(folder):
    return {entry["id"]: entry for entry in json.loads((folder / "expected/index.json").read_text())}


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
