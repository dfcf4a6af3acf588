"""Comparisons in words where they cannot be had, unequal guesses, splits; test_reference has the numbers."""

import json
from dataclasses import replace

import numpy as np
import pytest

from reader_study.analysis import UnequalK, report
from reader_study.analysis.agreement import agreement, intra_reader, ordinal_agreement
from reader_study.analysis.columns import columns_of
from reader_study.analysis.paired import aided_vs_unaided_mcnemar, mcnemar, pairs_of
from reader_study.analysis.table import AnalysedCase, AnalysedReader, ModelAnswer, Read, StudyTable


def table(reads, *, readers=3, cases=6, model=True, **study):
    """Readers R0.. and cases C0.. (even ones rare); the model is right on all but C0."""
    names = [f"C{n}" for n in range(cases)]
    answers = tuple(ModelAnswer(n, ("x" if n == "C0" else "a",), (1.0,), int(n != "C0")) for n in names)
    return StudyTable(
        study={"name": "t", **study},
        k=5,
        cases=tuple(AnalysedCase(name, ("a",), n % 2 == 0) for n, name in enumerate(names)),
        readers=tuple(AnalysedReader(f"R{n}", "S", 5, "unaided") for n in range(readers)),
        reads=tuple(reads),
        model=answers if model else (),
        model_identity=None,
        expected={},
    )


def read(reader, case, arm, hit, period=1, **more):
    ranks = ("a",) if hit == 1 else ("x", "a") if hit == 2 else ("x",)
    return Read(f"R{reader}", f"C{case}", arm, period, ranks, hit, **more)


def crossed(readers=3, cases=6, seed=0):
    rng = np.random.default_rng(seed)
    return [
        read(r, c, arm, int(rng.integers(0, 3)), period, confidence=int(rng.integers(1, 6)), seconds=10.0 + r)
        for r in range(readers)
        for c in range(cases)
        for period, arm in enumerate(("unaided", "aided"), 1)
    ]


def test_without_a_second_arm_every_comparison_says_so_in_words():
    found = report(table([read(0, c, "unaided", c % 2) for c in range(6)]), resamples=100).to_json()
    assert "both" in found["aided_vs_unaided"]["top1"]["reason"]
    assert "two readers" in found["model_vs_readers"]["unaided"]["top1"]["reason"]
    for part in (
        found["gee"]["top1"],
        found["glmm"]["top1"],
        found["time"]["log_seconds"],
        found["confidence"],
    ):
        assert part["reason"].startswith("Not estimable")
    assert found["agreement"]["unaided"]["fleiss"]["reason"].startswith("Not estimable")
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("hits", [(1, 1), (0, 0), (1, 0), (0, 1)])
def test_arms_in_which_everything_is_right_or_wrong_leave_no_nan(hits):
    reads = [
        read(r, c, arm, hit)
        for r in range(3)
        for c in range(6)
        for arm, hit in zip(("unaided", "aided"), hits, strict=True)
    ]
    found = report(table(reads), resamples=100).to_json()
    json.dumps(found, allow_nan=False)
    assert found["glmm"]["top1"]["reason"]
    assert found["aided_vs_unaided"]["top1"]["difference"] == pytest.approx(hits[1] - hits[0])
    assert found["aided_vs_unaided"]["top1"]["p"] is None


def test_readers_who_read_each_case_in_one_arm_are_compared_by_u_statistics():
    reads = [each for each in crossed(4, 12) if (each.reader_id in ("R0", "R1")) == (each.arm == "aided")]
    found = report(table(reads, readers=4, cases=12), resamples=100).aided_vs_unaided["top1"]
    assert found["method"].startswith("U-statistic")
    assert found["difference"] is not None


def test_unequal_guesses_are_compared_on_request_and_flagged():
    source = table([read(r, c, "unaided", 2) for r in range(3) for c in range(6)])
    assert report(source, resamples=100).unequal_k == {}
    found = report(source, resamples=100, unequal=UnequalK(model=1, readers=3)).to_json()
    assert found["unequal_k"]["unaided"]["difference"] == pytest.approx(1 - 5 / 6)
    assert "no comparison of skill" in found["unequal_k"]["unaided"]["warning"]
    assert any("Unequal numbers of guesses" in note for note in found["notes"])


def test_p_values_are_corrected_over_metrics_and_over_groups():
    found = report(table(crossed(5, 30, seed=3), readers=5, cases=30), resamples=100)
    metrics = [each for each in found.aided_vs_unaided.values() if each["p"] is not None]
    assert all(each["p_holm"] >= each["p"] for each in metrics)
    rarity = [row for row in found.effects if row["by"] == "rarity"]
    assert [row["group"] for row in rarity] == ["common", "rare"]
    smaller = min(rarity, key=lambda row: row["p"])
    assert smaller["p_holm"] == pytest.approx(min(2 * smaller["p"], 1))


def test_rare_and_common_changes_add_up():
    found = report(table(crossed()), resamples=100).reclassification
    for key in ("wrong_to_right", "right_to_wrong", "stay_right", "stay_wrong"):
        assert sum(part[key] for part in found["by_rarity"].values()) == found["top1"][key]


def test_before_unblinding_small_groups_and_single_cells_are_not_shown():
    found = report(table(crossed(), state="locked"), resamples=100)
    assert found.reader_by_disease["rows"] == []
    assert "unblinded" in found.confusion["reason"]
    assert all("fewer than 5 cases" in row["reason"] for row in found.subgroups if row["by"] == "rarity")
    assert found.reclassification["by_rarity"]["rare"] == {"reason": "Not shown: fewer than 5 cases."}
    after = report(table(crossed(), state="unblinded"), resamples=100)
    assert {row["reader_id"] for row in after.reader_by_disease["rows"]} == {"R0", "R1", "R2"}
    assert sum(row["n"] for row in after.confusion["rows"] if row["who"] == "aided") == 18


def test_no_discordant_pairs_and_one_category_are_said_in_words():
    columns = table([read(0, 0, "unaided", 1), read(0, 0, "aided", 1)]).columns
    (row,) = aided_vs_unaided_mcnemar(pairs_of(columns))
    assert row["p"] == 1.0
    assert "discordant" in row["reason"]
    assert "one category" in agreement(np.zeros((2, 2), int))["ac1"]["reason"]
    assert "one category" in ordinal_agreement(np.full((4, 3), 2))["alpha"]["reason"]


def test_agreement_of_nobody_and_of_one_is_said_in_words():
    for labels in (np.zeros((0, 3), int), np.full((4, 3), -1), np.array([[0, -1], [1, -1], [0, -1]])):
        assert all(each["reason"].startswith("Not estimable") for each in agreement(labels).values())


def test_agreement_with_weights_of_nothing_but_alike_is_ac1():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, size=(30, 4))
    ordered, plain = ordinal_agreement(labels)["ac2"], agreement(labels)["ac1"]
    assert [ordered["value"], ordered["se"]] == pytest.approx([plain["value"], plain["se"]])


def test_readers_agree_with_themselves_on_repeated_cases():
    reads = [read(0, c, "unaided", 1, period) for c in range(4) for period in (1, 2)]
    reads += [
        read(1, c, "unaided", int(c > 1) if period == 2 else 1, period) for c in range(4) for period in (1, 2)
    ]
    reads += [read(2, c, "unaided", 1) for c in range(6)]
    columns = columns_of(["R0", "R1", "R2"], [f"C{n}" for n in range(6)], reads)
    found = intra_reader(columns, "unaided")
    assert found["pairs"] == 8
    assert found["percent"]["value"] == pytest.approx(6 / 8)


def test_a_repeated_case_counts_once_in_pairs_and_twice_in_accuracy():
    reads = [read(0, 0, "unaided", 1, 1), read(0, 0, "unaided", 0, 3), read(0, 0, "aided", 1, 2)]
    source = table(reads, readers=1, cases=1)
    pairs = pairs_of(source.columns)
    assert pairs.right(1)[0].tolist() == [[True]]
    (reader,) = (
        row for row in report(source, resamples=100).readers if (row.arm, row.metric) == ("unaided", "top1")
    )
    assert (reader.accuracy.x, reader.accuracy.n) == (1, 2)


def test_a_subset_of_the_study_is_the_study_of_these_readers_and_cases():
    source = table(crossed())
    part = source.subset(readers=["R0", "R2"], cases=["C1", "C3"])
    found = report(part, resamples=100)
    assert {row.reader_id for row in found.readers} == {"R0", "R2"}
    assert all(row.accuracy.n == 2 for row in found.readers)
    whole = {
        (row.reader_id, row.arm, row.metric): row.accuracy for row in report(source, resamples=100).readers
    }
    for row in report(source.subset(readers=["R1"]), resamples=100).readers:
        assert row.accuracy == whole[row.reader_id, row.arm, row.metric]


def test_simulated_readers_enter_no_comparison():
    source = table(crossed())
    people = (*source.readers[:2], replace(source.readers[2], simulated=True))
    found = report(replace(source, readers=people), resamples=100)
    assert found.table.columns.readers == ("R0", "R1")
    assert len(found.mcnemar["aided_vs_unaided"]["top1"]) == 2


def test_mcnemar_is_the_same_from_both_sides():
    assert mcnemar(3, 9) == mcnemar(9, 3)
    assert mcnemar(4, 4)["p"] == 1.0
