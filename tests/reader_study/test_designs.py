import json
from collections import Counter
from dataclasses import replace

import pytest
from sqlalchemy import select

from reader_study import aid, allocation, conduct, design, integrity, states
from reader_study.conduct import Answer
from reader_study.drawing import PROCEDURE, order
from reader_study.errors import ConductError, DesignError, TimeUp
from reader_study.protocol import Protocol
from reader_study.records import AssignmentRecord, AuditRecord, CaseRecord, EnrolmentRecord
from reader_study.studies import study_named
from reader_study.tabulate import study_table
from tests.reader_study.conftest import make_reader, make_study

ANSWER = Answer(("glaucoma", "drusen"), 3)


@pytest.fixture
def many(cases, tmp_path):
    """Twelve cases, a third of them rare."""
    made = []
    for index in range(12):
        image = tmp_path / f"many-{index}.png"
        image.write_bytes(b"many %d" % index)
        case = replace(cases[index % 4], case_id=f"M{index:02}", image=image, rare=index % 3 == 0)
        made.append(case)
    return tuple(made)


def read_one(database, reader):
    reading = conduct.next_reading(database, reader.id)
    if reading is None:
        return None
    conduct.image_for(database, reader.id, reading.token)
    if reading.aided:
        aid.aid_for(database, reader.id, reading.token)
    return reading, conduct.submit(database, reader.id, reading.token, ANSWER)


def read_all(database, reader):
    met = []
    while (one := read_one(database, reader)) is not None:
        met.append(one[0])
    return met


def places(database, *columns):
    with database.session() as session:
        return session.execute(select(*columns).order_by(AssignmentRecord.id)).all()


def table_of(database):
    with database.session() as session:
        return study_table(session, study_named(session, "pilot"))


def test_sequential_asks_unaided_and_at_once_again_aided(database, cases):
    reader = make_reader(database)
    make_study(database, cases, design="sequential")
    first, _ = read_one(database, reader)
    again = conduct.next_reading(database, reader.id)
    assert (first.arm, first.aided, first.step, first.number) == ("unaided", False, 1, 1)
    assert (again.arm, again.aided, again.step, again.number, again.steps) == ("aided", True, 2, 1, 2)
    assert (again.period, again.periods, again.total) == (1, 1, 4)
    assert again.previous.diagnoses == ("glaucoma", "drusen")
    assert first.previous is None
    met = read_all(database, reader)
    assert [(each.number, each.step) for each in met] == [
        (1, 2),
        *((n, s) for n in (2, 3, 4) for s in (1, 2)),
    ]
    reads = table_of(database).reads
    assert Counter((read.case_id, read.arm) for read in reads) == {
        (case.case_id, arm): 1 for case in cases for arm in ("unaided", "aided")
    }
    assert integrity.verify(database).intact


def test_crossover_balances_the_order_of_arms_within_each_site(database, cases):
    readers = [make_reader(database, f"r{n}", site="SG" if n < 4 else "US") for n in range(7)]
    make_study(database, cases, design="crossover", wash_out_days=28)
    with database.session() as session:
        taken = {row.reader_id: row.sequence for row in session.scalars(select(EnrolmentRecord))}
    here = Counter(taken[reader.id] for reader in readers if reader.site == "SG")
    assert here == {1: 2, 2: 2}
    assert sorted(Counter(taken.values()).values()) == [3, 4]


def test_crossover_reads_every_case_in_both_arms_with_the_wash_out_between(database, cases, clock):
    readers = [make_reader(database, f"r{n}") for n in range(2)]
    make_study(database, cases, design="crossover", wash_out_days=28)
    first_arms = set()
    for reader in readers:
        early = read_all(database, reader)
        assert {each.period for each in early} == {1}
        clock.move(days=27)
        assert conduct.next_reading(database, reader.id) is None
        clock.move(days=1)
        late = read_all(database, reader)
        assert {each.period for each in late} == {2}
        assert {early[0].arm, late[0].arm} == {"unaided", "aided"}
        first_arms.add(early[0].arm)
    assert first_arms == {"unaided", "aided"}
    table = table_of(database)
    assert Counter((read.reader_id, read.case_id, read.arm) for read in table.reads).most_common(1)[0][1] == 1
    assert len(table.reads) == 2 * 2 * len(cases)
    assert {reader.arm_first for reader in table.readers} == {"unaided", "aided"}


@pytest.mark.parametrize("arms", [("unaided",), ("unaided", "aided")])
def test_split_plot_gives_each_reader_one_block(database, many, clock, arms):
    readers = [make_reader(database, f"r{n}") for n in range(4)]
    make_study(database, many, design="split_plot", arms=arms, blocks=2, stratify_by=("rare",))
    blocks = {}
    for reader in readers:
        met = read_all(database, reader)
        clock.move(days=28)
        met += read_all(database, reader)
        with database.session() as session:
            query = select(CaseRecord.code, AssignmentRecord.arm_id, CaseRecord.rare).join(
                AssignmentRecord, AssignmentRecord.case_id == CaseRecord.id
            )
            mine = session.execute(query.where(AssignmentRecord.reader_id == reader.id)).all()
        assert len(met) == len(mine) == 6 * len(arms)
        assert Counter(Counter(code for code, _, _ in mine).values()) == {len(arms): 6}
        assert sum(rare for _, _, rare in mine) == 2 * len(arms)
        blocks.setdefault(frozenset(code for code, _, _ in mine), []).append(reader.username)
    assert sorted(map(len, blocks.values())) == [2, 2]
    one, other = blocks
    assert not one & other


def test_a_case_that_comes_later_goes_to_the_smaller_block_and_to_its_readers_only(database, many):
    readers = [make_reader(database, f"r{n}") for n in range(2)]
    design.create_study(
        database, Protocol("pilot", "Pilot", label_set="demo14", seed=7, design="split_plot"), many[:5]
    )
    states.open_study(database, "pilot", without_model=True)
    before = places(database, AssignmentRecord.id, AssignmentRecord.case_id, AssignmentRecord.position)
    design.append_cases(database, "pilot", many[5:6])
    after = places(database, AssignmentRecord.id, AssignmentRecord.case_id, AssignmentRecord.position)
    assert after[: len(before)] == before
    assert len(after) == len(before) + 1
    totals = Counter(reader for (reader,) in places(database, AssignmentRecord.reader_id))
    assert [totals[reader.id] for reader in readers] == [3, 3]


def test_repeats_come_unannounced_and_are_kept_apart_in_the_analysis(database, many):
    reader = make_reader(database)
    make_study(database, many, repeats=4, stratify_by=("rare",))
    met = read_all(database, reader)
    assert len(met) == met[0].total == 16
    assert "repeat" not in repr(met)
    table = table_of(database)
    assert len(table.reads) == 12
    assert len({read.case_id for read in table.reads}) == 12
    assert len({read.case_id for read in table.repeats}) == len(table.repeats) == 4
    assert table.expected == {reader.code: 12}


def test_more_repeats_than_fit_are_refused(sqlite, cases):
    with pytest.raises(DesignError, match="at most 2"):
        make_study(sqlite, cases, repeats=3)
    with pytest.raises(DesignError, match="cannot be dealt"):
        make_study(sqlite, cases, design="split_plot", blocks=5)


def test_practice_comes_before_each_new_arm_and_tells_the_truth_of_nothing_else(database, cases, clock):
    reader = make_reader(database)
    practice = replace(cases[0], practice=True)
    make_study(database, (practice, *cases[1:]), design="crossover", wash_out_days=1)
    told = []
    for _ in range(2):
        while (one := read_one(database, reader)) is not None:
            told.append((one[0].practice, one[1].feedback))
        clock.move(days=1)
    assert [practice for practice, _ in told] == [True, False, False, False] * 2
    assert all((feedback is not None) == practice for practice, feedback in told)
    assert told[0][1].truths == ("glaucoma",)
    assert told[0][1].correct
    assert not any(read.case_id == practice.case_id for read in table_of(database).reads)


def test_sequential_practice_gives_its_feedback_after_the_aided_answer(sqlite, cases):
    reader = make_reader(sqlite)
    make_study(sqlite, (replace(cases[3], practice=True), *cases[:3]), design="sequential")
    assert read_one(sqlite, reader)[1].feedback is None
    assert read_one(sqlite, reader)[1].feedback.rank == 0


def test_after_the_time_limit_the_photograph_is_gone_and_the_answer_is_kept_and_marked(
    database, cases, clock
):
    reader = make_reader(database)
    make_study(database, cases, time_limit_seconds=60)
    token = conduct.next_reading(database, reader.id).token
    conduct.image_for(database, reader.id, token)
    clock.move(seconds=40)
    conduct.note_event(database, reader.id, token, "paused")
    clock.move(hours=3)
    conduct.note_event(database, reader.id, token, "resumed")
    conduct.image_for(database, reader.id, token)
    clock.move(seconds=30)
    assert conduct.next_reading(database, reader.id).seconds_spent == pytest.approx(70, abs=0.1)
    with pytest.raises(TimeUp):
        conduct.image_for(database, reader.id, token)
    assert conduct.submit(database, reader.id, token, ANSWER).late
    in_time = conduct.next_reading(database, reader.id)
    conduct.image_for(database, reader.id, in_time.token)
    clock.move(seconds=59)
    assert not conduct.submit(database, reader.id, in_time.token, ANSWER).late
    assert integrity.verify(database).intact


def test_what_was_drawn_can_be_drawn_again_from_what_the_audit_tells(sqlite, many):
    reader = make_reader(sqlite)
    make_study(sqlite, many, repeats=2)
    with sqlite.session() as session:
        row = session.scalar(select(AuditRecord).where(AuditRecord.action == "allocate"))
        drawn = session.execute(
            select(CaseRecord.position, AssignmentRecord.repeat)
            .join(AssignmentRecord, AssignmentRecord.case_id == CaseRecord.id)
            .where(AssignmentRecord.reader_id == reader.id)
            .order_by(AssignmentRecord.position)
        ).all()
    told = json.loads(row.details)
    assert told["procedure"] == PROCEDURE
    again = order([()] * 12, 2, (told["seed"], told["ordinal"], 1, 0))
    assert [(each.index + 1, each.repeat) for each in again] == [tuple(each) for each in drawn]


def test_a_study_with_an_aided_arm_opens_with_predictions_only(sqlite, cases):
    protocol = Protocol("pilot", "Pilot", label_set="demo14", seed=7, design="crossover")
    design.create_study(sqlite, protocol, cases)
    with pytest.raises(DesignError, match="aided arm"):
        states.open_study(sqlite, "pilot", without_model=True)


def test_invited_readers_only_read_where_somebody_added_them(database, cases):
    ana, ben = make_reader(database, "ana"), make_reader(database, "ben")
    make_study(database, cases, readers="invited")
    assert conduct.next_reading(database, ana.id) is None
    allocation.add_reader(database, "pilot", "ana")
    allocation.add_reader(database, "pilot", "ana")
    assert conduct.next_reading(database, ana.id) is not None
    assert conduct.next_reading(database, ben.id) is None
    with pytest.raises(DesignError, match="no active reader"):
        allocation.add_reader(database, "pilot", "nobody")


def test_the_aided_answer_cannot_be_given_before_the_model_was_shown(database, cases):
    reader = make_reader(database)
    make_study(database, cases, arms=("aided",))
    token = conduct.next_reading(database, reader.id).token
    with pytest.raises(ConductError, match="not shown yet"):
        conduct.submit(database, reader.id, token, ANSWER)
    aid.aid_for(database, reader.id, token)
    conduct.submit(database, reader.id, token, ANSWER)
