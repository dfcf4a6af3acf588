"""A few of the faults that ``make bench ARGS=faults`` tries two hundred times."""

import pytest
from sqlalchemy import event

from reader_study import conduct, integrity
from reader_study.conduct import Answer
from reader_study.database import Database
from reader_study.errors import DatabaseError
from tests.reader_study import faults
from tests.reader_study.conftest import make_reader, make_study

ANSWER = Answer(("glaucoma",), 3)


def test_killed_in_the_middle_of_submits_nothing_acknowledged_is_lost_or_doubled(url, tmp_path):
    faults.prepare(url, tmp_path, readers=2, cases=60)
    damage = faults.kill_during_submits(url, tmp_path, times=5, seed=11)
    assert damage.none, damage
    assert damage.runs == 5
    assert damage.acknowledged >= 5


def test_a_power_cut_loses_nothing_that_was_acknowledged(tmp_path):
    file = tmp_path / "study.db"
    faults.prepare(f"sqlite:///{file}", tmp_path, readers=2, cases=60)
    damage = faults.cut_the_power(file, tmp_path, times=3, seed=5)
    assert damage.none, damage
    assert damage.runs == 6


def test_a_full_disk_is_said_in_one_sentence_and_reading_goes_on_when_there_is_room(tmp_path):
    file = tmp_path / "study.db"
    faults.prepare(f"sqlite:///{file}", tmp_path, readers=1, cases=30)
    damage = faults.fill_the_disk(file, tmp_path, room=150_000)
    assert damage.none, damage
    assert damage.refused == 1
    assert damage.acknowledged == 30


def test_a_database_that_became_read_only_says_so_and_the_answer_can_be_sent_again(sqlite, cases):
    reader = make_reader(sqlite)
    make_study(sqlite, cases)
    token = conduct.next_reading(sqlite, reader.id).token
    closed = Database(str(sqlite.url), clock=sqlite.clock)

    @event.listens_for(closed.engine, "connect")
    def read_only(connection, _):
        connection.execute("PRAGMA query_only = ON")

    with pytest.raises(DatabaseError, match="could not store the change"):
        conduct.submit(closed, reader.id, token, ANSWER)
    closed.close()
    assert not conduct.submit(sqlite, reader.id, token, ANSWER).replayed
    assert integrity.verify(sqlite).intact


def test_a_clock_that_jumps_back_loses_no_order_no_reading_and_no_time(database, cases, clock):
    reader = make_reader(database)
    make_study(database, cases)
    numbers = []
    for hours in (0, -5, 3, -48):
        clock.move(hours=hours)
        reading = conduct.next_reading(database, reader.id)
        conduct.image_for(database, reader.id, reading.token)
        clock.move(minutes=-1)
        conduct.submit(database, reader.id, reading.token, ANSWER)
        numbers.append(reading.number)
    assert numbers == [1, 2, 3, 4]
    assert integrity.verify(database).intact
    from reader_study.studies import study_named
    from reader_study.tabulate import study_table

    with database.session() as session:
        reads = study_table(session, study_named(session, "pilot")).reads
    assert all(read.seconds is not None and read.seconds >= 0 for read in reads)
