from dataclasses import asdict

import pytest

from reader_study import adjudication, allocation, conduct, design, integrity, states
from reader_study.conduct import Answer
from reader_study.errors import DesignError, NotAllowed, StudyError
from reader_study.protocol import Protocol
from reader_study.results import study_status
from reader_study.studies import study_named
from reader_study.tabulate import study_table
from tests.reader_study.conftest import make_reader, make_study


@pytest.fixture
def read(database, cases):
    """A study whose only reader wrote free text; three adjudicators."""
    reader = make_reader(database)
    for name in ("judge1", "judge2", "judge3"):
        make_reader(database, name, role="statistician")
    make_study(database, cases, readers=("ana",))
    for text in ("big cup", "Big  CUP", "no idea", "drusen"):
        token = conduct.next_reading(database, reader.id).token
        conduct.submit(database, reader.id, token, Answer(("normal-fundus", text), 3))
    for name in ("judge1", "judge2", "judge3"):
        adjudication.assign_adjudicator(database, "pilot", name)
    return database


def judge(database, name):
    from reader_study.accounts import find_user

    return find_user(database, name).id


def table(database):
    with database.session() as session:
        return study_table(session, study_named(session, "pilot"))


def test_two_who_agree_settle_a_text_for_every_reading_that_has_it(read):
    assert study_status(read, "system", "pilot").unresolved_entries == 3
    assert sum(each.unresolved for each in table(read).reads) == 3
    for name in ("judge1", "judge2"):
        pending = adjudication.next_text(read, judge(read, name), "pilot")
        assert (pending.text, pending.left) == ("big cup", 2)
        adjudication.decide(read, judge(read, name), "pilot", pending.key, "glaucoma")
    status = adjudication.adjudication_status(read, "pilot")
    assert asdict(status) == {
        "texts": 2,
        "resolved": 1,
        "waiting_first": 1,
        "waiting_second": 0,
        "waiting_third": 0,
    }
    found = table(read).reads
    assert [each.ranks[1] for each in found] == ["glaucoma", "glaucoma", "no idea", "drusen"]
    assert [each.unresolved for each in found] == [0, 0, 1, 0]
    assert study_status(read, "system", "pilot").unresolved_entries == 1
    assert adjudication.next_text(read, judge(read, "judge3"), "pilot").text == "no idea"
    assert integrity.verify(read).intact


def test_a_third_decides_where_two_differ(read):
    for name, meaning in (("judge1", "glaucoma"), ("judge2", None)):
        adjudication.decide(read, judge(read, name), "pilot", "big cup", meaning)
    assert adjudication.adjudication_status(read, "pilot").waiting_third == 1
    assert sum(each.unresolved for each in table(read).reads) == 3
    for name in ("judge1", "judge2"):
        with pytest.raises(StudyError, match="does not wait"):
            adjudication.decide(read, judge(read, name), "pilot", "big cup", "glaucoma")
    adjudication.decide(read, judge(read, "judge3"), "pilot", "big cup", None)
    found = table(read).reads
    assert [each.unresolved for each in found] == [0, 0, 1, 0]
    assert found[0].ranks == ("normal-fundus", "big cup")


def test_adjudicators_see_the_text_and_nothing_else(read):
    told = repr(adjudication.next_text(read, judge(read, "judge1"), "pilot"))
    for secret in ("R-", "C00", "normal-fundus", "unaided", "ana"):
        assert secret not in told


def test_only_assigned_people_who_do_not_read_adjudicate(read):
    with pytest.raises(NotAllowed):
        adjudication.next_text(read, judge(read, "ana"), "pilot")
    with pytest.raises(DesignError, match="reads in study"):
        adjudication.assign_adjudicator(read, "pilot", "ana")
    with pytest.raises(DesignError, match="no active user"):
        adjudication.assign_adjudicator(read, "pilot", "ghost")
    boss = make_reader(read, "boss", role="manager")
    with pytest.raises(NotAllowed):
        adjudication.decide(read, boss.id, "pilot", "big cup", "glaucoma")
    with pytest.raises(NotAllowed):
        adjudication.assign_adjudicator(read, "pilot", "boss", actor_id=judge(read, "judge1"))
    assert adjudication.adjudicators(read, "pilot") == ("judge1", "judge2", "judge3")
    assert adjudication.judging(read, judge(read, "judge1")) == ("pilot",)


def test_after_the_unblinding_nothing_is_adjudicated(read):
    states.lock_study(read, "pilot")
    adjudication.decide(read, judge(read, "judge1"), "pilot", "big cup", "glaucoma")
    states.unblind_study(read, "pilot")
    with pytest.raises(StudyError, match="unblinded"):
        adjudication.decide(read, judge(read, "judge2"), "pilot", "big cup", "glaucoma")


def test_an_unknown_diagnosis_is_refused(read):
    with pytest.raises(StudyError, match="not in the catalogue"):
        adjudication.decide(read, judge(read, "judge1"), "pilot", "big cup", "flux capacitor")


def test_who_judges_in_a_study_never_reads_in_it(database, cases):
    make_reader(database, "ana")
    cara = make_reader(database, "cara")
    make_study(database, cases, readers=("ana",))
    adjudication.assign_adjudicator(database, "pilot", "cara")
    make_study(database, cases, name="other")
    with pytest.raises(DesignError, match="reads in study"):
        adjudication.assign_adjudicator(database, "other", "cara")
    with pytest.raises(DesignError, match="judges in study"):
        allocation.add_reader(database, "pilot", "cara")
    design.create_study(database, Protocol("third", "Third", label_set="demo14", seed=7), cases)
    adjudication.assign_adjudicator(database, "third", "cara")
    states.open_study(database, "third", without_model=True)
    assert conduct.next_reading(database, cara.id, "third") is None
    assert conduct.next_reading(database, cara.id, "other") is not None
