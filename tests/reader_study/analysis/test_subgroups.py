"""Subgroups add up to the whole, and small ones are not shown."""

from collections import defaultdict

import pytest
from statsmodels.stats.proportion import proportion_confint

from reader_study.analysis import report
from reader_study.analysis.disclosure import OPEN
from reader_study.analysis.subgroups import subgroups
from reader_study.analysis.table import AnalysedCase, AnalysedReader, ModelAnswer, Read, StudyTable
from reader_study.tables_in import read_tables


@pytest.fixture(scope="module")
def synthetic(shared):
    files = [
        shared / f"reference_stats/data/synth_{name}.csv" for name in ("cases", "readers", "reads", "model")
    ]
    return read_tables(*files)


def test_rare_and_common_add_up_to_every_reading(synthetic):
    whole = report(synthetic, resamples=100)
    for arm in ("unaided", "aided"):
        for metric in ("top1", "top3", "top5"):
            found = [
                row
                for row in whole.subgroups
                if (row["by"], row["arm"], row["metric"]) == ("rarity", arm, metric)
            ]
            assert [row["group"] for row in found] == ["common", "rare"]
            readers = [row.accuracy for row in whole.readers if row.arm == arm and row.metric == metric]
            assert sum(row["x"] for row in found) == sum(each.x for each in readers)
            assert sum(row["n"] for row in found) == sum(each.n for each in readers)
            assert sum(row["model"]["x"] for row in found) == whole.model[metric].x


def test_each_group_is_counted_as_a_plain_loop_counts(synthetic):
    truth = {case.case_id: case.truths[0] for case in synthetic.cases}
    tally = defaultdict(lambda: [0, 0])
    for read in synthetic.reads:
        cell = tally[truth[read.case_id], read.arm]
        cell[0] += 1 <= read.hit <= 3
        cell[1] += 1
    rows = [row for row in subgroups(synthetic, {"top3": 3}, OPEN) if row["by"] == "disease"]
    assert rows
    for row in rows:
        x, n = tally[row["group"], row["arm"]]
        assert row["n"] == n
        if row["accuracy"] is not None:
            assert (row["x"], row["accuracy"]) == (x, x / n)
            assert row["ci"] == pytest.approx(proportion_confint(x, n, method="wilson"))


def small_study(years=(2, 7, 12, None)):
    cases = [AnalysedCase("a", ("d",), True), AnalysedCase("b", ("d",), True)]
    readers = [AnalysedReader(f"R{n}", "S", each, "unaided") for n, each in enumerate(years)]
    readers.append(AnalysedReader("SIM", "S", 1, "unaided", simulated=True))
    reads = [Read(r.reader_id, c.case_id, "unaided", 1, ("d",), 1) for r in readers for c in cases]
    model = tuple(ModelAnswer(case.case_id, ("d",), (1.0,), 1) for case in cases)
    return StudyTable({"name": "s"}, 1, tuple(cases), tuple(readers), tuple(reads), model, None, {})


def test_small_groups_are_not_shown_and_say_why():
    rows = subgroups(small_study(), {"top1": 1}, OPEN)
    assert rows
    for row in rows:
        assert (row["accuracy"], row["x"], row["ci"]) == (None, None, None)
        assert "fewer than 3 cases" in row["reason"]


def test_experience_has_three_groups_without_the_simulated_and_the_unknown():
    rows = [row for row in subgroups(small_study(), {"top1": 1}, OPEN) if row["by"] == "experience"]
    assert [(row["group"], row["readers"]) for row in rows] == [
        ("10 years and more", 1),
        ("5 to 9 years", 1),
        ("under 5 years", 1),
    ]
