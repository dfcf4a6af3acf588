import pytest
from sqlalchemy import select

from reader_study import aid, conduct, corrections, integrity, states
from reader_study.conduct import Answer
from reader_study.errors import AlreadyAnswered, ConductError
from reader_study.records import ReadingRecord
from reader_study.studies import study_named
from reader_study.tabulate import study_table
from tests.reader_study.conftest import make_reader, make_study

FIRST, BETTER = Answer(("glaucoma",), 3), Answer(("drusen", "glaucoma"), 5)


def read(database, reader, number=1):
    for _ in range(number):
        reading = conduct.next_reading(database, reader.id)
        if reading.aided:
            aid.aid_for(database, reader.id, reading.token)
        conduct.submit(database, reader.id, reading.token, FIRST)


def test_a_correction_is_a_new_row_with_a_reason_and_the_old_one_stays(database, cases, clock):
    reader = make_reader(database)
    make_study(database, cases, corrections=True)
    read(database, reader, 2)
    clock.move(hours=1)
    opened = corrections.open_correction(database, reader.id, "pilot", 1, 1)
    assert opened.correcting
    assert opened.previous.diagnoses == ("glaucoma",)
    conduct.image_for(database, reader.id, opened.token)
    with pytest.raises(ConductError, match="reason"):
        conduct.submit(database, reader.id, opened.token, BETTER)
    done = conduct.submit(database, reader.id, opened.token, BETTER, reason="typed the wrong line")
    assert done.revision == 2
    again = conduct.submit(database, reader.id, opened.token, FIRST, reason="another")
    assert (again.replayed, again.reading_id) == (True, done.reading_id)
    with database.session() as session:
        query = select(ReadingRecord).order_by(ReadingRecord.id)
        rows = [(row.revision, row.reason, row.entries[0].diagnosis) for row in session.scalars(query)]
        table = study_table(session, study_named(session, "pilot"))
    assert rows == [(1, "", "glaucoma"), (1, "", "glaucoma"), (2, "typed the wrong line", "drusen")]
    assert sorted(read.ranks for read in table.reads) == [("drusen", "glaucoma"), ("glaucoma",)]
    mine = corrections.own_readings(database, reader.id, "pilot")
    assert [(own.number, own.revision, own.correctable) for own in mine] == [(1, 2, True), (2, 1, True)]
    assert conduct.next_reading(database, reader.id).number == 3
    assert integrity.verify(database).intact


def test_two_corrections_opened_at_once_do_not_overwrite_each_other(database, cases):
    reader = make_reader(database)
    make_study(database, cases, corrections=True)
    read(database, reader)
    left, right = (corrections.open_correction(database, reader.id, "pilot", 1, 1) for _ in range(2))
    conduct.submit(database, reader.id, left.token, BETTER, reason="slip")
    with pytest.raises(AlreadyAnswered, match="corrected meanwhile"):
        conduct.submit(database, reader.id, right.token, FIRST, reason="slip")


def test_without_the_protocols_word_nothing_is_corrected(sqlite, cases):
    reader = make_reader(sqlite)
    make_study(sqlite, cases)
    read(sqlite, reader)
    with pytest.raises(ConductError, match="allows no corrections"):
        corrections.open_correction(sqlite, reader.id, "pilot", 1, 1)
    assert not corrections.own_readings(sqlite, reader.id, "pilot")[0].correctable


def test_a_period_that_is_over_and_a_locked_study_are_not_corrected(database, cases, clock):
    reader = make_reader(database)
    make_study(database, cases, corrections=True, periods=2, wash_out_days=7)
    read(database, reader, 4)
    kept = corrections.open_correction(database, reader.id, "pilot", 1, 2)
    clock.move(days=7)
    read(database, reader, 1)
    with pytest.raises(ConductError, match="next period has begun"):
        conduct.submit(database, reader.id, kept.token, BETTER, reason="slip")
    fresh = corrections.open_correction(database, reader.id, "pilot", 2, 1)
    states.lock_study(database, "pilot")
    with pytest.raises(ConductError, match="locked"):
        conduct.submit(database, reader.id, fresh.token, BETTER, reason="slip")


def test_the_wash_out_counts_from_the_last_correction(database, cases, clock):
    reader = make_reader(database)
    make_study(database, cases, corrections=True, periods=2, wash_out_days=7)
    read(database, reader, 4)
    clock.move(days=5)
    opened = corrections.open_correction(database, reader.id, "pilot", 1, 1)
    conduct.submit(database, reader.id, opened.token, BETTER, reason="slip")
    clock.move(days=5)
    assert conduct.next_reading(database, reader.id) is None
    clock.move(days=2)
    assert conduct.next_reading(database, reader.id).period == 2


def test_in_a_sequential_study_the_unaided_answer_is_locked(database, cases):
    reader = make_reader(database)
    make_study(database, cases, corrections=True, design="sequential")
    read(database, reader, 2)
    unaided, aided = corrections.own_readings(database, reader.id, "pilot")
    assert (unaided.step, unaided.correctable) == (1, False)
    assert (aided.step, aided.correctable) == (2, True)
    opened = corrections.open_correction(database, reader.id, "pilot", 1, 1)
    assert opened.aided
    aid.aid_for(database, reader.id, opened.token)
    assert conduct.submit(database, reader.id, opened.token, BETTER, reason="slip").revision == 2


def test_what_was_never_answered_is_not_corrected_and_nothing_is_told_of_others(sqlite, cases):
    ana, ben = make_reader(sqlite, "ana"), make_reader(sqlite, "ben")
    make_study(sqlite, cases, corrections=True)
    read(sqlite, ana)
    for reader, number in ((ana, 2), (ana, 99), (ben, 1)):
        with pytest.raises(ConductError, match="no answer of yours"):
            corrections.open_correction(sqlite, reader.id, "pilot", 1, number)
    assert corrections.own_readings(sqlite, ben.id, "pilot") == ()
