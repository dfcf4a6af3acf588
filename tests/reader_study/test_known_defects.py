"""Defects that other reader-study tools shipped, each tried on a whole study, from submit to export."""

import csv
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import select

from reader_study import adjudication, conduct, states
from reader_study.analysis import report
from reader_study.case_list import read_cases
from reader_study.conduct import Answer
from reader_study.errors import DesignError, StudyError
from reader_study.exchange import export_study
from reader_study.records import CaseRecord, ReadingRecord
from reader_study.results import study_status
from reader_study.studies import study_named
from reader_study.tables_in import read_tables
from reader_study.tabulate import study_table
from retizero.knowledge import LabelSet, label_set
from tests.reader_study.conftest import make_reader, make_study


def read(database, reader, answer_for, seconds=None, clock=None):
    """Read everything; ``answer_for`` is given the figure of the case (1 to 4)."""
    while (reading := conduct.next_reading(database, reader.id)) is not None:
        figure = int(conduct.image_for(database, reader.id, reading.token).stem[-1])
        if clock is not None:
            clock.move(seconds=seconds[figure])
        conduct.submit(database, reader.id, reading.token, answer_for(figure))


def exported(database, folder, name="reads.csv"):
    export_study(database, "pilot", folder)
    with (folder / name).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table_of(database):
    with database.session() as session:
        return study_table(session, study_named(session, "pilot"))


def test_each_ranking_is_saved_in_the_order_that_was_given_and_not_as_1_2_3(database, cases, tmp_path):
    given = {
        1: ("drusen", "glaucoma", "retinitis-pigmentosa"),
        2: ("retinitis-pigmentosa", "drusen"),
        3: ("normal-fundus",),
        4: ("glaucoma", "retinitis-pigmentosa", "drusen"),
    }
    reader = make_reader(database)
    make_study(database, cases)
    read(database, reader, lambda figure: Answer(given[figure], 3))
    found = {
        int(row["case_id"][-1]): tuple(row[f"rank{rank}"] for rank in range(1, 6) if row[f"rank{rank}"])
        for row in exported(database, tmp_path / "out")
    }
    assert found == given


def test_the_export_keeps_every_reader_of_a_case(database, cases, tmp_path):
    readers = [make_reader(database, f"r{number}") for number in range(3)]
    make_study(database, cases)
    for reader in readers:
        read(database, reader, lambda figure: Answer(("glaucoma",), 3))
    rows = exported(database, tmp_path / "out")
    assert len(rows) == 12
    assert {(row["reader_id"], row["case_id"]) for row in rows} == {
        (reader.code, case.case_id) for reader in readers for case in cases
    }


def test_durations_are_neither_doubled_by_reloads_nor_negative_nor_carried_over(database, cases, clock):
    reader = make_reader(database)
    make_study(database, cases)
    seconds = {1: 11, 2: 22, 3: 33, 4: 44}
    while (reading := conduct.next_reading(database, reader.id)) is not None:
        for _ in range(3):  # the page is loaded again and again: each time a token, a look, an event
            reading = conduct.next_reading(database, reader.id)
            figure = int(conduct.image_for(database, reader.id, reading.token).stem[-1])
            conduct.image_for(database, reader.id, reading.token)
            conduct.note_event(database, reader.id, reading.token, "first_interaction")
        clock.move(seconds=seconds[figure])
        conduct.submit(database, reader.id, reading.token, Answer(("glaucoma",), 3))
        clock.move(hours=9)  # between two cases nothing is before the reader
    found = {int(read.case_id[-1]): read.seconds for read in table_of(database).reads}
    assert found == pytest.approx(seconds, abs=0.01)


def test_several_correct_answers_are_scored_by_what_they_are_and_never_against_a_padding(database, cases):
    double = replace(cases[0], truths=("glaucoma", "drusen"))
    answers = {
        1: ("drusen",),  # right: the second truth at rank 1
        2: ("glaucoma", "drusen", "retinitis-pigmentosa"),  # wrong at every rank
        3: ("drusen", "normal-fundus"),  # right at rank 2
        4: ("glaucoma",),  # one answer of five: the four empty ranks match nothing
    }
    reader = make_reader(database)
    make_study(database, (double, *cases[1:]))
    read(database, reader, lambda figure: Answer(answers[figure], 3))
    hits = {int(read.case_id[-1]): read.hit for read in table_of(database).reads}
    assert hits == {1: 1, 2: 0, 3: 2, 4: 0}


def test_an_unknown_label_in_a_truth_file_is_named_and_nothing_is_imported(sqlite, tmp_path):
    (tmp_path / "1.png").write_bytes(b"x")
    file = tmp_path / "cases.csv"
    file.write_text("case_id,image,truth\nC1,1.png,glaucoma\nC2,1.png,flux capacitor\nC3,1.png,drusen\n")
    with pytest.raises(DesignError) as refusal:
        read_cases(file, label_set("demo14"))
    assert refusal.value.problems[0].startswith("row 3: truth 'flux capacitor' is not in the catalogue")


def test_complete_is_said_when_the_last_place_of_the_last_period_is_read_and_not_before(
    database, cases, clock
):
    reader = make_reader(database)
    make_study(database, cases, periods=2, wash_out_days=1)
    for period in (1, 2):
        for _ in range(4):
            (standing,) = conduct.progress(database, reader.id)
            assert standing.standing == "reading"
            assert standing.done < standing.total
            token = conduct.next_reading(database, reader.id).token
            conduct.submit(database, reader.id, token, Answer(("glaucoma",), 3))
        (standing,) = conduct.progress(database, reader.id)
        assert standing.standing == ("waiting" if period == 1 else "done")
        status = study_status(database, "system", "pilot")
        assert (status.readings, status.expected_readings) == (4 * period, 8)
        clock.move(days=1)


def test_the_denominator_counts_what_was_asked_and_says_what_waits_for_adjudication(database, cases):
    reader = make_reader(database)
    make_study(database, (*cases[:3], replace(cases[3], practice=True)))
    answers = {1: ("glaucoma",), 2: ("never heard of",), 3: ("ungradable",), 4: ("glaucoma",)}
    read(database, reader, lambda figure: Answer(answers[figure], 3))
    states.lock_study(database, "pilot")
    found = report(table_of(database), seed=1, resamples=100)
    top1 = next(row for row in found.readers if row.metric == "top1")
    assert (top1.accuracy.x, top1.accuracy.n) == (1, 3)
    assert sum(read.unresolved for read in table_of(database).reads) == 1


@pytest.mark.parametrize("rule", ["same", "child", "parent", "either"])
def test_a_later_label_set_or_catalogue_flips_no_old_answer(database, cases, monkeypatch, rule):
    reader = make_reader(database)
    make_study(database, cases, rule=rule)
    answers = {1: ("glaucoma",), 2: ("drusen", "CRVO"), 3: ("some odd text",), 4: ("drusen",)}
    read(database, reader, lambda figure: Answer(answers[figure], 3))
    before = table_of(database)
    changed = LabelSet("demo14", "99", "Changed", "", ("drusen",), ("some odd text",))
    monkeypatch.setattr("reader_study.vocabulary.label_set", lambda *_: changed)
    monkeypatch.setattr("reader_study.vocabulary.catalogue_match", lambda *_: lambda answer, truth: True)
    monkeypatch.setattr("reader_study.scoring.name_or_id", lambda *_: "drusen")
    after = table_of(database)
    assert after.reads == before.reads
    assert after.model == before.model
    assert after.study["label_set_version"] != "99"


def test_a_row_of_the_truth_file_never_takes_a_readers_answer_away(database, cases, tmp_path):
    names = {"glaucoma": "ana", "drusen": "ben"}
    for name in names.values():
        make_reader(database, name)
    reader_like = replace(cases[0], case_id="ana")
    make_study(database, (reader_like, *cases[1:]), readers=tuple(names.values()))
    from reader_study.accounts import find_user

    for diagnosis, name in names.items():
        read(database, find_user(database, name), lambda figure, of=diagnosis: Answer((of,), 3))
    export_study(database, "pilot", tmp_path / "out")
    files = [tmp_path / "out" / f"{name}.csv" for name in ("cases", "readers", "reads", "model")]
    table = read_tables(*files)
    assert len(table.reads) == 8
    assert len(table.cases) == 4


def test_the_detail_of_each_reading_is_of_its_own_case_although_the_order_is_shuffled(database, cases):
    readers = [make_reader(database, f"r{number}") for number in range(2)]
    make_study(database, cases)
    for reader in readers:
        read(database, reader, lambda figure: Answer((cases[figure - 1].truths[0],), 1 + figure % 5))
    with database.session() as session:
        rows = session.execute(
            select(CaseRecord.code, ReadingRecord)
            .join(ReadingRecord, ReadingRecord.case_id == CaseRecord.id)
            .order_by(ReadingRecord.id)
        ).all()
        orders = [[code for code, row in rows if row.reader_id == reader.id] for reader in readers]
        for code, row in rows:
            figure = int(code[-1])
            assert row.entries[0].diagnosis == cases[figure - 1].truths[0]
            assert row.confidence == 1 + figure % 5
            assert isinstance(row.submitted_at, datetime)
    assert orders[0] != orders[1]
    assert all(read.hit == 1 for read in table_of(database).reads)


def test_an_adjudicated_text_is_not_counted_twice_where_the_reader_also_named_it(sqlite, cases):
    reader = make_reader(sqlite)
    for name in ("judge1", "judge2"):
        make_reader(sqlite, name, role="statistician")
    make_study(sqlite, cases, readers=("ana",))
    read(sqlite, reader, lambda figure: Answer(("drusen", "raised pressure", "glaucoma"), 3))
    for name in ("judge1", "judge2"):
        adjudication.assign_adjudicator(sqlite, "pilot", name)
        from reader_study.accounts import find_user

        adjudication.decide(sqlite, find_user(sqlite, name).id, "pilot", "raised pressure", "glaucoma")
    first = next(read for read in table_of(sqlite).reads if read.case_id == "C001")
    assert (first.hit, first.unresolved) == (2, 0)
    with pytest.raises(StudyError):
        adjudication.decide(sqlite, find_user(sqlite, "judge1").id, "pilot", "raised pressure", "drusen")
