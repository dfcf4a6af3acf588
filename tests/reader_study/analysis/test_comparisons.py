"""Comparisons of the report against R (reference files), and in words where they cannot be had."""

import csv
import json

import pytest

from reader_study.analysis import report
from reader_study.analysis.agreement import agreement
from reader_study.analysis.paired import aided_vs_unaided_mcnemar
from reader_study.analysis.table import Read
from reader_study.tables_in import read_tables


@pytest.fixture(scope="module")
def expected(shared):
    return json.loads((shared / "reference_stats/expected/synth_reader_study.json").read_text())


@pytest.fixture(scope="module")
def found(shared):
    files = [
        shared / f"reference_stats/data/synth_{name}.csv" for name in ("cases", "readers", "reads", "model")
    ]
    return report(read_tables(*files), resamples=100).to_json()


@pytest.mark.parametrize("metric", ["top1", "top3", "top5"])
def test_aided_against_unaided_equals_rjafroc(found, expected, metric):
    (want,) = expected["or_unaided_vs_aided"][metric]["RRRC"]["pairwise"]
    got = found["aided_vs_unaided"][metric]
    assert [got["difference"], got["se"], got["df"], got["p"]] == pytest.approx(
        [-want["diff"], want["se"], want["df"], want["p"]], rel=1e-6
    )
    assert got["ci"] == pytest.approx([-want["ci"][1], -want["ci"][0]], rel=1e-6)


@pytest.mark.parametrize("metric", ["top1", "top3", "top5"])
def test_readers_against_the_model_equal_the_reference(found, expected, metric):
    want = expected["model_vs_readers_unaided"][metric]
    got = found["model_vs_readers"]["unaided"][metric]
    assert [got["difference"], got["se"], got["df"], got["p"], *got["ci"]] == pytest.approx(
        [want["diff_reader_minus_model"], want["se"], want["df"], want["p"], *want["ci"]], rel=1e-6
    )


def test_exact_mcnemar_with_holm_equals_r(found, expected):
    for metric in ("top1", "top3", "top5"):
        got = found["mcnemar"]["reader_vs_model"][metric]
        for row, want in zip(got, expected["mcnemar_reader_vs_model"][metric], strict=True):
            assert (row["reader_id"], row["reader_only"], row["model_only"]) == (
                want["reader_id"], want["reader_only"], want["model_only"],
            )  # fmt: skip
            assert [row["p"], row["p_holm"]] == pytest.approx([want["exact_p"], want["holm"]], rel=1e-6)
    paired = zip(
        found["mcnemar"]["aided_vs_unaided"]["top1"], expected["mcnemar_unaided_vs_aided_top1"], strict=True
    )
    for row, want in paired:
        assert (row["gained"], row["lost"]) == (want["gained"], want["lost"])
        assert [row["p"], row["p_holm"]] == pytest.approx([want["exact_p"], want["holm"]], rel=1e-6)


@pytest.mark.parametrize("arm", ["unaided", "aided"])
def test_agreement_equals_irrcac(found, expected, arm):
    for name in ("fleiss", "ac1", "alpha"):
        want = expected["agreement_top1"][arm][name]
        got = found["agreement"][arm][name]
        assert [got["value"], got["se"]] == pytest.approx([want["coeff.val"], want["coeff.se"]], abs=1e-4)


def test_agreement_with_missing_ratings_equals_irrcac(shared):
    index = json.loads((shared / "reference_stats/expected/index.json").read_text())
    files = {"gwet_raw4raters": "gwet_raw4raters_12x4.csv", "fleiss1971": "fleiss1971_diagnoses_30x6.csv"}
    for name, file in files.items():
        (want,) = [entry["expected"] for entry in index if entry["id"] == name]
        with (shared / "reference_stats/data" / file).open() as opened:
            rows = list(csv.reader(opened))[1:]
        found = agreement({str(i): [x for x in row if x != "NA"] for i, row in enumerate(rows)})
        for ours, theirs in (("fleiss", "fleiss"), ("ac1", "gwet_ac1"), ("alpha", "krippendorff_nominal")):
            assert [found[ours]["value"], found[ours]["se"]] == pytest.approx(want[theirs], abs=1e-4)


def test_gee_time_and_confidence_equal_r(found, expected):
    gee = expected["gee_top1_aided"]["cluster_case_independence"]
    assert found["gee"]["top1"]["coefficient"] == pytest.approx(gee["coef"][1], rel=1e-6)
    assert found["gee"]["top1"]["robust_se"] == pytest.approx(gee["robust_se"][1], abs=5e-4)
    time = expected["lmm_log_seconds"]
    got = found["time"]["log_seconds"]
    assert [got["coefficient"], got["se"], got["ratio"]] == pytest.approx(
        [time["coef"]["aided"], time["se"]["aided"], time["ratio_aided"]], rel=1e-3
    )
    confidence = expected["paired_t_reader_mean_confidence"]
    got = found["confidence"]
    assert [got["difference"], got["t"], got["df"], got["p"], *got["ci"]] == pytest.approx(
        [*(confidence[key] for key in ("diff", "t", "df", "p")), *confidence["ci"]], rel=1e-6
    )


def test_reclassification_and_automation_bias_count_as_the_reference(found, expected):
    assert found["reclassification"]["top1"] == pytest.approx(expected["reclassification_top1"])
    assert found["automation_bias"]["top1"] == expected["automation_bias_top1"]


def test_without_a_second_arm_every_comparison_says_so_in_words(shared, tmp_path):
    data = shared / "reference_stats/data"
    rows = (data / "synth_reads.csv").read_text().splitlines()
    reads = tmp_path / "reads.csv"
    reads.write_text(
        "\n".join([rows[0], *(row for row in rows[1:] if row.startswith("R01,") and ",unaided," in row)])
    )
    files = [data / "synth_cases.csv", data / "synth_readers.csv", reads, data / "synth_model.csv"]
    found = report(read_tables(*files), resamples=100).to_json()
    assert "both" in found["aided_vs_unaided"]["top1"]["reason"]
    assert "two readers" in found["model_vs_readers"]["unaided"]["top1"]["reason"]
    for part in (found["gee"]["top1"], found["time"]["log_seconds"], found["confidence"]):
        assert part["reason"].startswith("Not estimable")
    assert found["agreement"]["unaided"]["fleiss"]["reason"].startswith("Not estimable")
    json.dumps(found, allow_nan=False)


def test_no_discordant_pairs_and_one_category_are_said_in_words():
    def read(arm):
        return Read("R1", "C1", arm, 1, ("x",), 1)

    (row,) = aided_vs_unaided_mcnemar([(read("unaided"), read("aided"))])
    assert row["p"] == 1.0
    assert "discordant" in row["reason"]
    assert "one category" in agreement({"a": ["x", "x"], "b": ["x", "x"]})["ac1"]["reason"]
