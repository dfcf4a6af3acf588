import json
from dataclasses import replace

import numpy as np
import pytest

from reader_study.analysis.accuracy import Grid, group_estimate, proportion, report, two_way_bootstrap
from reader_study.analysis.estimates import READERS, SIMULATED
from reader_study.analysis.table import AnalysedCase, AnalysedReader, ModelAnswer, Read, StudyTable
from reader_study.tables_in import read_tables


@pytest.fixture(scope="module")
def synthetic(shared):
    data = shared / "reference_stats" / "data"
    return read_tables(*(data / f"synth_{name}.csv" for name in ("cases", "readers", "reads", "model")))


@pytest.fixture(scope="module")
def found(synthetic):
    return report(synthetic, seed=1, resamples=1000)


def test_the_same_seed_gives_the_same_report_and_json_holds_no_nan(synthetic, found):
    again = report(synthetic, seed=1, resamples=1000)
    assert (again.readers, again.groups, again.model_vs_readers) == (
        found.readers,
        found.groups,
        found.model_vs_readers,
    )
    json.dumps(found.to_json(), allow_nan=False)
    assert {row.arm for row in found.model_vs_readers} == {"unaided", "aided"}


def test_the_bootstrap_variance_of_a_constant_reader_is_that_of_the_cases_alone():
    right = np.tile(np.repeat([1.0, 0.0], 50), (6, 1))
    _, (low, high) = two_way_bootstrap(Grid(right, np.ones_like(right), None), 4000, 0, against_model=False)
    half = 1.96 * np.sqrt(0.25 / 100)
    assert (low, high) == pytest.approx((0.5 - half, 0.5 + half), abs=0.015)


def table(reads=(), *, readers=("R1", "R2"), simulated=(), model=True, cases=("C1", "C2"), expected=2):
    people = tuple(AnalysedReader(name, "SG", None, "unaided") for name in readers)
    people += tuple(AnalysedReader(name, "simulated", None, "unaided", True) for name in simulated)
    return StudyTable(
        study={"name": "t", "rule": "same", "state": "locked", "synthetic": False, "live_results": False},
        k=5,
        cases=tuple(AnalysedCase(name, ("glaucoma",), False) for name in cases),
        readers=people,
        reads=tuple(Read(reader, case, "unaided", 1, ("x",), hit) for reader, case, hit in reads),
        model=tuple(ModelAnswer(name, ("x",), (1.0,), 1) for name in cases) if model else (),
        model_identity=None,
        expected={person.reader_id: expected for person in people},
    )


def test_no_readings_are_said_in_words():
    found = report(table(), resamples=100)
    assert all(row.accuracy.value is None and row.accuracy.reason for row in (*found.readers, *found.groups))
    assert all(row.difference.reason for row in found.model_vs_readers)
    assert "No reader has read a case yet." in found.notes
    json.dumps(found.to_json(), allow_nan=False)


def test_one_reader_is_not_taken_for_readers():
    found = report(table([("R1", "C1", 1), ("R1", "C2", 0)], readers=("R1",)), resamples=100)
    assert found.groups[0].accuracy.value == 0.5
    assert "says nothing about other readers" in found.groups[0].accuracy.reason


def test_everything_right_and_no_model_are_said_in_words():
    reads = [(reader, case, 1) for reader in ("R1", "R2") for case in ("C1", "C2")]
    found = report(table(reads, model=False), resamples=100)
    assert found.groups[0].accuracy.value == 1.0
    assert "not estimable" in found.groups[0].accuracy.reason
    assert found.model == {}
    assert found.model_vs_readers[0].difference.reason == "The study has no predictions of a model."
    one_case = report(table([("R1", "C1", 1), ("R2", "C1", 0)], cases=("C1",)), resamples=100)
    assert one_case.groups[0].accuracy.reason == "One case gives no interval."


def test_missing_and_unresolved_readings_are_counted_and_not_scored_as_wrong_cases():
    source = table([("R1", "C1", 1), ("R1", "C2", 0), ("R2", "C1", 1)])
    source = replace(source, reads=(*source.reads[:2], replace(source.reads[2], unresolved=1)))
    found = report(source, resamples=100)
    assert found.counts["missing_readings"] == 1
    assert found.counts["readings_with_unresolved"] == 1
    assert [row.accuracy.value for row in found.readers if row.metric == "top1"] == [0.5, 1.0]
    assert found.groups[0].accuracy.value == 0.75
    assert any("1 of 4 readings are missing" in note for note in found.notes)
    assert any("free text" in note for note in found.notes)


def test_simulated_readers_are_apart_from_real_ones():
    reads = [
        ("R1", "C1", 1),
        ("R1", "C2", 1),
        ("R2", "C1", 1),
        ("R2", "C2", 0),
        ("SIM-01", "C1", 0),
        ("SIM-01", "C2", 0),
    ]
    found = report(table(reads, simulated=("SIM-01",)), resamples=100)
    means = {row.group: row.accuracy.value for row in found.groups if row.metric == "top1"}
    assert means == {READERS: 0.75, SIMULATED: 0.0}
    assert [row.site for row in found.sites if row.metric == "top1"] == ["SG"]
    assert found.counts["readings"] == 4
    told = found.to_json()
    assert {row["reader_id"] for row in told["readers"]} == {"R1", "R2"}
    assert {row["reader_id"] for row in told["simulated"]["readers"]} == {"SIM-01"}


def test_equal_k_means_that_the_model_is_scored_at_the_same_rank():
    source = table([("R1", "C1", 2), ("R1", "C2", 2), ("R2", "C1", 0), ("R2", "C2", 1)])
    found = {row.metric: row.difference.value for row in report(source, resamples=100).model_vs_readers}
    assert found == {"top1": -0.75, "top3": -0.25, "top5": -0.25}


def test_a_proportion_of_nothing_has_a_reason():
    assert proportion(0, 0).reason
    assert group_estimate(Grid(np.zeros((0, 3)), np.zeros((0, 3)), None), 100, 0).reason
