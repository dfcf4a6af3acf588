from dataclasses import replace

import pytest
from sqlalchemy import select

from reader_study import conduct, design, states
from reader_study.conduct import Answer
from reader_study.errors import DesignError, NotAllowed
from reader_study.protocol import Protocol
from reader_study.records import AssignmentRecord
from reader_study.results import results, studies, study_status
from tests.reader_study.conftest import IDENTITY, make_reader, make_study, predictions_for

DRAFT = Protocol("pilot", "Pilot", label_set="demo14", seed=7)


def orders(database):
    with database.session() as session:
        query = select(AssignmentRecord).order_by(
            AssignmentRecord.reader_id, AssignmentRecord.period, AssignmentRecord.position
        )
        return [(row.reader_id, row.period, row.position, row.case_id) for row in session.scalars(query)]


def test_a_study_goes_forward_only(database, cases):
    make_study(database, cases)
    for wrong in (states.open_study, states.unblind_study, states.archive_study):
        with pytest.raises(DesignError, match="is open; only"):
            wrong(database, "pilot")
    states.lock_study(database, "pilot")
    with pytest.raises(DesignError, match="is locked"):
        states.open_study(database, "pilot")
    states.unblind_study(database, "pilot")
    states.archive_study(database, "pilot")
    status = study_status(database, "system", "pilot")
    assert status.state == "archived"
    assert status.opened_at < status.locked_at < status.unblinded_at


def test_opening_asks_for_predictions_or_a_word(database, cases):
    design.create_study(database, DRAFT, cases)
    with pytest.raises(DesignError, match="no predictions"):
        states.open_study(database, "pilot")
    states.open_study(database, "pilot", without_model=True)
    with pytest.raises(DesignError, match="fixed already"):
        states.freeze_predictions(database, "pilot", predictions_for(cases), IDENTITY)


def test_predictions_must_fit_the_cases(database, cases):
    design.create_study(database, DRAFT, cases)
    wrong = predictions_for(cases)
    del wrong["C001"]
    wrong["C002"] = [("glaucoma", 0.1), ("drusen", 0.2)]
    wrong["C003"] = [("glaucoma", float("nan"))]
    wrong["C009"] = [("glaucoma", 1.0)]
    with pytest.raises(DesignError) as refusal:
        states.freeze_predictions(database, "pilot", wrong, IDENTITY)
    named = " ".join(refusal.value.problems)
    assert all(code in named for code in ("C001", "C002", "C003", "C009"))
    assert "C004" not in named


def test_managers_and_administrators_change_states_and_nobody_else(database, cases):
    design.create_study(database, DRAFT, cases)
    for role in ("reader", "coordinator", "statistician"):
        user = make_reader(database, role, role=role)
        with pytest.raises(NotAllowed):
            states.open_study(database, "pilot", actor_id=user.id, without_model=True)
        with pytest.raises(NotAllowed):
            design.create_study(database, replace(DRAFT, name="other"), cases, actor_id=user.id)
    boss = make_reader(database, "boss", role="manager")
    states.open_study(database, "pilot", actor_id=boss.id, without_model=True)
    states.lock_study(database, "pilot", actor_id=boss.id)


@pytest.mark.parametrize(
    ("role", "open_in"),
    [
        ("reader", ("unblinded", "archived")),
        ("coordinator", ("unblinded", "archived")),
        ("manager", ("locked", "unblinded", "archived")),
        ("statistician", ("locked", "unblinded", "archived")),
        ("admin", ("locked", "unblinded", "archived")),
    ],
)
def test_results_open_to_each_role_in_the_right_state(sqlite, cases, role, open_in):
    viewer = make_reader(sqlite, "viewer", role=role)
    make_reader(sqlite, "other")
    make_study(sqlite, cases)
    steps = {
        "open": None,
        "locked": states.lock_study,
        "unblinded": states.unblind_study,
        "archived": states.archive_study,
    }
    for state, step in steps.items():
        if step:
            step(sqlite, "pilot")
        if state in open_in:
            assert results(sqlite, viewer.id, "pilot", resamples=100).study["state"] == state
        else:
            with pytest.raises(NotAllowed, match="closed until"):
                results(sqlite, viewer.id, "pilot")


def test_live_results_are_for_managers_of_synthetic_studies(sqlite, cases):
    with pytest.raises(DesignError, match="synthetic"):
        Protocol("x", "X", live_results=True)
    reader, boss = make_reader(sqlite), make_reader(sqlite, "boss", role="manager")
    make_study(sqlite, cases, synthetic=True, live_results=True)
    report = results(sqlite, boss.id, "pilot", resamples=100)
    assert "No reader has read a case yet." in report.notes
    with pytest.raises(NotAllowed):
        results(sqlite, reader.id, "pilot")


def test_status_tells_progress_to_managers_own_site_to_coordinators_nothing_to_readers(database, cases):
    ana = make_reader(database, "ana", site="SG")
    make_reader(database, "ben", site="US")
    here = make_reader(database, "coord", role="coordinator", site="SG")
    boss = make_reader(database, "boss", role="manager")
    make_study(database, cases)
    token = conduct.next_reading(database, ana.id).token
    conduct.submit(database, ana.id, token, Answer(("what is this",), 1))
    (status,) = studies(database, boss.id)
    assert (status.readings, status.expected_readings, status.unresolved_entries) == (1, 8, 1)
    assert not status.results_visible
    (own,) = studies(database, here.id)
    assert [row.site for row in own.readers] == ["SG"]
    with pytest.raises(NotAllowed):
        studies(database, ana.id)


def test_cases_that_are_appended_never_move_those_before(database, cases, tmp_path):
    for name in ("ana", "ben"):
        make_reader(database, name)
    design.create_study(database, DRAFT, cases[:3])
    states.open_study(database, "pilot", without_model=True)
    before = orders(database)
    image = tmp_path / "new.png"
    image.write_bytes(b"new image")
    assert design.append_cases(database, "pilot", [replace(cases[3], case_id="C900", image=image)]) == 4
    after = orders(database)
    assert [row for row in after if row in before] == before
    assert [row[2] for row in after if row not in before] == [4, 4]
    with pytest.raises(DesignError, match="already has"):
        design.append_cases(database, "pilot", cases[:1])


def test_a_study_with_a_model_takes_no_cases_after_opening(database, cases, tmp_path):
    make_study(database, cases)
    with pytest.raises(DesignError, match="takes no more cases"):
        design.append_cases(database, "pilot", [replace(cases[0], case_id="C900")])


def test_the_same_seed_gives_the_same_orders_and_readers_get_different_ones(sqlite, cases, tmp_path):
    many = []
    for index in range(12):
        image = tmp_path / f"{index}.png"
        image.write_bytes(bytes([index + 1]))
        many.append(replace(cases[0], case_id=f"M{index}", image=image))
    readers = [make_reader(sqlite, name) for name in ("ana", "ben")]
    drawn = {}
    for name in ("one", "two"):
        design.create_study(sqlite, replace(DRAFT, name=name), many)
        design.allocate(sqlite, name)
        with sqlite.session() as session:
            first = (
                session.scalar(select(AssignmentRecord.case_id).order_by(AssignmentRecord.case_id.desc()))
                - 12
            )
            study = design.study_named(session, name)
            for reader in readers:
                query = select(AssignmentRecord.case_id).where(
                    AssignmentRecord.study_id == study.id, AssignmentRecord.reader_id == reader.id
                )
                cases_in_order = session.scalars(query.order_by(AssignmentRecord.position)).all()
                drawn[name, reader.username] = [case - first for case in cases_in_order]
    assert drawn["one", "ana"] == drawn["two", "ana"]
    assert drawn["one", "ana"] != drawn["one", "ben"]
    assert sorted(drawn["one", "ana"]) != drawn["one", "ana"]
    assert design.allocate(sqlite, "one") == 0


def test_readers_named_by_the_protocol_must_have_accounts(sqlite, cases):
    make_reader(sqlite, "ana")
    with pytest.raises(DesignError, match="ghost"):
        make_study(sqlite, cases, readers=("ana", "ghost"))
    assert study_status(sqlite, "system", "pilot").state == "draft"
