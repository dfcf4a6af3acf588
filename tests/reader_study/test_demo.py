import pytest

from reader_study import conduct, demo, integrity
from reader_study.demo import DemoCase, create_demo_study, demo_exists
from reader_study.errors import AccountError, DesignError
from reader_study.results import results, study_status
from reader_study.sign_in import sign_in
from reader_study.simulate import simulate_readings
from tests.reader_study.conftest import IDENTITY, PASSWORD, make_reader, predictions_for


def make_demo(database, cases, **options):
    demo_cases = [DemoCase(case.case_id, case.image, case.truths[0], case.rare) for case in cases]
    return create_demo_study(
        database,
        demo_cases,
        predictions=predictions_for(cases),
        identity=IDENTITY,
        simulated_readers=3,
        **options,
    )


def test_the_demo_study_is_ready_to_read_and_marked_for_what_it_is(database, cases):
    assert not demo_exists(database)
    accounts = make_demo(database, cases)
    assert demo_exists(database)
    assert [account.username for account in accounts] == ["reader1", "reader2", "manager"]
    assert all(account.password not in repr(accounts) for account in accounts)
    signed_in = {
        account.username: sign_in(database, account.username, account.password, "here")
        for account in accounts
    }
    reading = conduct.next_reading(database, signed_in["reader1"].user.id)
    assert (reading.synthetic, reading.number, reading.total) == (True, 1, 4)
    found = results(database, signed_in["manager"].user.id, "demo", resamples=100)
    assert found.counts["simulated_readings"] == 12
    assert found.counts["readings"] == 0
    assert {row.reader_id for row in found.readers if row.simulated} == {"SIM-01", "SIM-02", "SIM-03"}
    assert any("simulated" in note for note in found.notes)
    assert any("synthetic" in note for note in found.notes)
    assert integrity.verify(database).intact


def test_an_interrupted_start_is_finished_by_the_next(sqlite, cases, monkeypatch):
    def power_cut(*_, **__):
        raise KeyboardInterrupt

    for step in ("freeze_predictions", "open_study", "simulate_readings", "create_users"):
        monkeypatch.setattr(demo, step, power_cut)
        with pytest.raises(KeyboardInterrupt):
            make_demo(sqlite, cases)
        monkeypatch.undo()
        assert not demo_exists(sqlite)
    assert make_demo(sqlite, cases)
    assert study_status(sqlite, "system", "demo").readings == 12
    assert integrity.verify(sqlite).intact


def test_a_name_that_is_taken_is_never_given_a_new_password(sqlite, cases):
    make_reader(sqlite, "reader1")
    with pytest.raises(AccountError, match="reader1"):
        make_demo(sqlite, cases)
    assert sign_in(sqlite, "reader1", PASSWORD, "here")


def test_nobody_signs_in_as_a_simulated_reader(sqlite, cases):
    make_demo(sqlite, cases)
    for password in ("!", "", "sim-01"):
        with pytest.raises(AccountError):
            sign_in(sqlite, "sim-01", password, "here")


def test_simulated_readers_never_read_real_cases(sqlite, cases):
    from tests.reader_study.conftest import make_study

    make_demo(sqlite, cases)
    make_study(sqlite, cases, "real")
    with pytest.raises(DesignError, match="real cases"):
        simulate_readings(sqlite, "real", seed=1)
    assert all(not row.simulated for row in study_status(sqlite, "system", "real").readers)
