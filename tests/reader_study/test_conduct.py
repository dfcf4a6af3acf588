from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from reader_study import accounts, conduct, integrity, states
from reader_study.conduct import Answer
from reader_study.errors import AlreadyAnswered, ConductError, NotAllowed
from reader_study.records import AssignmentRecord, CaseRecord, ReadingRecord, TimingEventRecord
from tests.reader_study.conftest import make_reader, make_study

ANSWER = Answer(("glaucoma", "drusen"), 3, "rim is thin")


def stored_order(database, reader_id, period=1):
    with database.session() as session:
        query = (
            select(CaseRecord.code)
            .join(AssignmentRecord, AssignmentRecord.case_id == CaseRecord.id)
            .where(AssignmentRecord.reader_id == reader_id, AssignmentRecord.period == period)
            .order_by(AssignmentRecord.position)
        )
        return list(session.scalars(query))


def read_order(database, reader_id):
    """The cases as the reader met them, told by their images."""
    met = []
    while (reading := conduct.next_reading(database, reader_id)) is not None:
        met.append("C00" + conduct.image_for(database, reader_id, reading.token).stem[-1])
        conduct.submit(database, reader_id, reading.token, ANSWER)
    return met


def count(database, table):
    with database.session() as session:
        return session.scalar(select(func.count()).select_from(table))


def test_a_reader_meets_every_case_once_in_the_stored_order(database, cases):
    reader = make_reader(database)
    make_study(database, cases)
    order = stored_order(database, reader.id)
    assert sorted(order) == ["C001", "C002", "C003", "C004"]
    assert read_order(database, reader.id) == order
    assert conduct.next_reading(database, reader.id) is None
    (standing,) = conduct.progress(database, reader.id)
    assert (standing.standing, standing.done, standing.total) == ("done", 4, 4)
    assert integrity.verify(database).intact


def test_a_reader_who_comes_after_the_opening_is_given_an_order(database, cases):
    make_study(database, cases)
    reader = make_reader(database, "late")
    assert conduct.progress(database, reader.id) == ()
    assert len(read_order(database, reader.id)) == 4


def test_leaving_and_coming_back_gives_the_same_case_with_a_fresh_token(database, cases, clock):
    reader = make_reader(database)
    make_study(database, cases)
    first = conduct.next_reading(database, reader.id)
    clock.move(days=3)
    again = conduct.next_reading(database, reader.id)
    assert again.token != first.token
    assert (again.number, again.total) == (first.number, first.total) == (1, 4)
    with pytest.raises(ConductError, match="no longer valid"):
        conduct.submit(database, reader.id, first.token, ANSWER)
    conduct.submit(database, reader.id, again.token, ANSWER)
    assert conduct.next_reading(database, reader.id).number == 2


def test_the_same_token_twice_gives_the_first_result_and_never_answers_the_next_case(database, cases):
    reader = make_reader(database)
    make_study(database, cases)
    reading = conduct.next_reading(database, reader.id)
    first = conduct.submit(database, reader.id, reading.token, ANSWER)
    second = conduct.submit(database, reader.id, reading.token, Answer(("normal-fundus",), 1))
    assert (first.replayed, second.replayed) == (False, True)
    assert second.reading_id == first.reading_id
    assert second.submitted_at == first.submitted_at
    assert count(database, ReadingRecord) == 1
    with database.session() as session:
        stored = session.get_one(ReadingRecord, first.reading_id)
        assert [entry.diagnosis for entry in stored.entries] == ["glaucoma", "drusen"]


def test_a_replay_is_answered_even_after_the_study_is_locked(database, cases):
    reader = make_reader(database)
    make_study(database, cases)
    reading = conduct.next_reading(database, reader.id)
    conduct.submit(database, reader.id, reading.token, ANSWER)
    states.lock_study(database, "pilot")
    assert conduct.submit(database, reader.id, reading.token, ANSWER).replayed


def test_eight_submits_at_once_store_one_reading(database, cases):
    reader = make_reader(database)
    make_study(database, cases)
    reading = conduct.next_reading(database, reader.id)
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(conduct.submit, database, reader.id, reading.token, ANSWER) for _ in range(8)]
        answers = [future.result() for future in sent]
    assert len({answer.reading_id for answer in answers}) == 1
    assert sum(not answer.replayed for answer in answers) == 1
    assert count(database, ReadingRecord) == 1
    assert integrity.verify(database).intact


def test_many_readers_at_once_lose_and_double_nothing(database, cases):
    readers = [make_reader(database, f"r{index}") for index in range(5)]
    make_study(database, cases)
    with ThreadPoolExecutor(5) as pool:
        orders = list(pool.map(lambda reader: read_order(database, reader.id), readers))
    assert all(sorted(order) == ["C001", "C002", "C003", "C004"] for order in orders)
    assert count(database, ReadingRecord) == 20
    assert integrity.verify(database).intact


def test_two_windows_on_one_case_keep_the_first_answer(database, cases):
    reader = make_reader(database)
    make_study(database, cases)
    left, right = (conduct.next_reading(database, reader.id) for _ in range(2))
    conduct.submit(database, reader.id, left.token, ANSWER)
    with pytest.raises(AlreadyAnswered):
        conduct.submit(database, reader.id, right.token, Answer(("normal-fundus",), 1))
    with pytest.raises(AlreadyAnswered):
        conduct.image_for(database, reader.id, left.token)
    assert count(database, ReadingRecord) == 1


def test_a_token_is_worth_nothing_to_another_reader(database, cases):
    ana, ben = make_reader(database, "ana"), make_reader(database, "ben")
    make_study(database, cases)
    token = conduct.next_reading(database, ana.id).token
    for attempt in (
        lambda: conduct.submit(database, ben.id, token, ANSWER),
        lambda: conduct.image_for(database, ben.id, token),
        lambda: conduct.note_event(database, ben.id, token, "shown"),
    ):
        with pytest.raises(ConductError, match="no longer valid"):
            attempt()


@pytest.mark.parametrize("token", ["", "x", "a" * 43, None, 7, "é" * 43, "\x00" * 43, "a" * 10_000])
def test_a_made_up_token_is_refused(sqlite, cases, token):
    reader = make_reader(sqlite)
    make_study(sqlite, cases)
    with pytest.raises(ConductError, match="no longer valid"):
        conduct.submit(sqlite, reader.id, token, ANSWER)


def test_only_active_readers_read(database, cases):
    reader, manager = make_reader(database), make_reader(database, "boss", role="manager")
    make_study(database, cases)
    token = conduct.next_reading(database, reader.id).token
    for id in (manager.id, "u_nobody", "system", ""):
        with pytest.raises(NotAllowed):
            conduct.next_reading(database, id)
    accounts.disable_user(database, "ana")
    with pytest.raises(NotAllowed, match="not active"):
        conduct.submit(database, reader.id, token, ANSWER)
    with pytest.raises(NotAllowed, match="not active"):
        conduct.image_for(database, reader.id, token)


def test_a_reader_outside_the_protocol_has_nothing_to_read(database, cases):
    make_reader(database, "ana")
    stranger = make_reader(database, "ben")
    make_study(database, cases, readers=("ana",))
    assert conduct.next_reading(database, stranger.id) is None


def test_a_locked_study_takes_no_answers(database, cases):
    reader = make_reader(database)
    make_study(database, cases)
    reading = conduct.next_reading(database, reader.id)
    states.lock_study(database, "pilot")
    with pytest.raises(ConductError, match="locked"):
        conduct.submit(database, reader.id, reading.token, ANSWER)
    assert conduct.next_reading(database, reader.id) is None


def test_the_second_period_opens_only_after_the_wash_out(database, cases, clock):
    reader = make_reader(database)
    make_study(database, cases, periods=2, wash_out_days=28)
    assert len(read_order(database, reader.id)) == 4
    (waiting,) = conduct.progress(database, reader.id)
    assert (waiting.standing, waiting.period) == ("waiting", 2)
    assert timedelta(0) <= waiting.opens_at - clock.now - timedelta(days=28) + timedelta(seconds=1)
    clock.move(days=27, hours=23)
    assert conduct.next_reading(database, reader.id) is None
    clock.move(hours=1)
    second = conduct.next_reading(database, reader.id)
    assert (second.period, second.number) == (2, 1)
    assert stored_order(database, reader.id, 2) != stored_order(database, reader.id, 1)
    clock.move(hours=-2)  # the server's clock is set back
    with pytest.raises(ConductError, match="wash-out"):
        conduct.submit(database, reader.id, second.token, ANSWER)


def test_a_photograph_that_was_changed_is_not_shown(database, cases):
    reader = make_reader(database)
    make_study(database, cases)
    token = conduct.next_reading(database, reader.id).token
    path = conduct.image_for(database, reader.id, token)
    path.write_bytes(b"another image")
    with pytest.raises(ConductError, match="was changed"):
        conduct.image_for(database, reader.id, token)
    path.unlink()
    with pytest.raises(ConductError, match="missing"):
        conduct.image_for(database, reader.id, token)


def test_time_is_the_servers_and_leaves_out_the_hidden_tab(database, cases, clock):
    from reader_study.design import study_named
    from reader_study.tabulate import study_table

    reader = make_reader(database)
    make_study(database, cases)
    token = conduct.next_reading(database, reader.id).token
    conduct.image_for(database, reader.id, token)
    clock.move(seconds=20)
    conduct.note_event(database, reader.id, token, "hidden")
    clock.move(hours=2)
    conduct.note_event(database, reader.id, token, "visible")
    clock.move(seconds=10)
    conduct.submit(database, reader.id, token, ANSWER)
    with database.session() as session:
        (read,) = study_table(session, study_named(session, "pilot")).reads
    assert read.seconds == pytest.approx(30, abs=0.01)


def test_unknown_events_are_refused_and_a_flood_of_events_is_cut(sqlite, cases, monkeypatch):
    reader = make_reader(sqlite)
    make_study(sqlite, cases)
    token = conduct.next_reading(sqlite, reader.id).token
    with pytest.raises(ConductError, match="event is one of"):
        conduct.note_event(sqlite, reader.id, token, "submitted")
    monkeypatch.setattr(conduct, "EVENTS_PER_TOKEN", 3)
    for _ in range(5):
        conduct.note_event(sqlite, reader.id, token, "hidden")
    assert count(sqlite, TimingEventRecord) == 3


def test_what_a_reader_is_given_says_nothing_about_the_case(database, cases):
    reader = make_reader(database)
    make_study(database, cases)
    reading = conduct.next_reading(database, reader.id)
    told = repr(reading).replace(reading.token, "")
    for secret in ("C00", "secret-name", "glaucoma", "retinitis", "test-model"):
        assert secret not in told


def test_practice_cases_come_first_and_are_not_analysed(database, cases):
    from dataclasses import replace

    from reader_study.results import results, study_status

    reader = make_reader(database)
    practice = replace(cases[3], practice=True)
    make_study(database, (*cases[:3], practice))
    assert conduct.next_reading(database, reader.id).practice
    assert read_order(database, reader.id)[0] == "C004"
    assert study_status(database, "system", "pilot").readings == 4
    states.lock_study(database, "pilot")
    report = results(database, "system", "pilot", resamples=100)
    assert report.counts["cases"] == report.counts["readings"] == report.counts["expected_readings"] == 3
