from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select, text

from reader_study import accounts
from reader_study.errors import AccountError, BadCredentials, LockedOut, NotAllowed
from reader_study.records import IdentityRecord, SessionRecord
from reader_study.sign_in import sign_in, sign_out, user_of
from tests.reader_study.conftest import PASSWORD, make_reader


def guess(database, name="ana", password="wrong wrong", address="10.0.0.1"):
    with pytest.raises((BadCredentials, LockedOut)) as refusal:
        sign_in(database, name, password, address)
    return refusal.value


def test_the_right_password_opens_a_session_and_the_database_keeps_neither(database):
    user = make_reader(database)
    signed_in = sign_in(database, " ANA ", PASSWORD, "10.0.0.1")
    assert user_of(database, signed_in.token) == user
    with database.session() as session:
        kept = " ".join(map(str, session.execute(text("SELECT * FROM users")).one()))
        kept += session.scalars(select(SessionRecord)).one().token_hash
    assert PASSWORD not in kept
    assert signed_in.token not in kept
    assert "$argon2id$" in kept


def test_a_wrong_password_an_unknown_user_and_a_disabled_one_read_the_same(database):
    make_reader(database, "ana")
    make_reader(database, "ben")
    accounts.disable_user(database, "ben")
    answers = {
        str(guess(database, name, word))
        for name, word in [("ana", "wrong wrong"), ("nobody", PASSWORD), ("ben", PASSWORD)]
    }
    assert answers == {"User name or password is wrong."}


def test_five_wrong_passwords_lock_the_account_and_the_wait_doubles(database, clock):
    make_reader(database)
    for _ in range(5):
        assert isinstance(guess(database, address="10.0.0.1"), BadCredentials)
    locked = guess(database, password=PASSWORD, address="10.9.9.9")
    assert isinstance(locked, LockedOut)
    assert locked.retry_after_seconds == 30
    clock.move(seconds=31)
    assert isinstance(guess(database), BadCredentials)
    assert guess(database).retry_after_seconds == 60
    clock.move(seconds=61)
    assert sign_in(database, "ana", PASSWORD, "10.0.0.1").user.username == "ana"
    assert isinstance(guess(database), BadCredentials), "a success starts the count anew"


def test_twenty_failures_lock_the_address_for_every_account(database):
    make_reader(database, "ana")
    for index in range(20):
        assert isinstance(guess(database, f"user{index}", address="10.0.0.1"), BadCredentials)
    assert isinstance(guess(database, "ana", PASSWORD, "10.0.0.1"), LockedOut)
    assert sign_in(database, "ana", PASSWORD, "10.0.0.2")


def test_guesses_sent_in_parallel_count_as_well(database):
    make_reader(database)
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: type(guess(database)), range(40)))
    assert outcomes.count(BadCredentials) == 5
    assert outcomes.count(LockedOut) == 35


def test_a_class_behind_one_address_signs_in_at_the_same_moment(database):
    names = [make_reader(database, f"pupil{number:02}").username for number in range(40)]
    with ThreadPoolExecutor(40) as pool:
        outcomes = list(pool.map(lambda name: sign_in(database, name, PASSWORD, "10.0.0.1"), names))
    assert [outcome.user.username for outcome in outcomes] == names


def test_sessions_end_by_age_by_idleness_by_sign_out_and_by_disabling(database, clock):
    make_reader(database)
    idle, old, out, disabled = (sign_in(database, "ana", PASSWORD, "a").token for _ in range(4))
    sign_out(database, out)
    assert user_of(database, out) is None
    for _ in range(3):
        clock.move(hours=3)
        assert user_of(database, old) is not None
        assert user_of(database, disabled) is not None
    assert user_of(database, idle) is None
    accounts.disable_user(database, "ana")
    assert user_of(database, disabled) is None
    clock.move(hours=3, minutes=1)
    assert user_of(database, old) is None
    assert user_of(database, "no such token") is None


def test_a_new_password_signs_the_others_out(database):
    user = make_reader(database)
    token = sign_in(database, "ana", PASSWORD, "a").token
    with pytest.raises(BadCredentials):
        accounts.change_password(database, user.id, "not the old", "a brand new one")
    accounts.change_password(database, user.id, PASSWORD, "a brand new one")
    assert user_of(database, token) is None
    assert sign_in(database, "ana", "a brand new one", "a")


@pytest.mark.parametrize(
    ("name", "password", "values", "sentence"),
    [
        ("", PASSWORD, {}, "user name"),
        ("two words", PASSWORD, {}, "user name"),
        ("x" * 65, PASSWORD, {}, "user name"),
        ("ana\x00", PASSWORD, {}, "user name"),
        ("ben", "short", {}, "8 to 256"),
        ("ben", "x" * 257, {}, "8 to 256"),
        ("ben", "12345678\x00", {}, "control"),
        ("ben", PASSWORD, {"role": "king"}, "not a role"),
        ("ben", PASSWORD, {"site": "<b>"}, "site code"),
        ("ben", PASSWORD, {"years": -1}, "0 to 80"),
        ("ben", PASSWORD, {"name": "a\nb"}, "one line"),
        ("ANA", PASSWORD, {}, "already a user"),
    ],
)
def test_an_account_that_cannot_be_is_refused(sqlite, name, password, values, sentence):
    make_reader(sqlite)
    with pytest.raises(AccountError, match=sentence):
        accounts.create_user(sqlite, name, password, **values)


def test_managers_look_after_readers_and_only_administrators_after_everybody(database):
    admin = make_reader(database, "root", role="admin")
    manager = make_reader(database, "boss", role="manager")
    assert accounts.create_user(database, "new", PASSWORD, actor_id=manager.id)
    assert not accounts.disable_user(database, "new", actor_id=manager.id).active
    assert accounts.create_user(database, "other", PASSWORD, role="manager", actor_id=admin.id)
    for attempt in (
        lambda: accounts.create_user(database, "third", PASSWORD, role="manager", actor_id=manager.id),
        lambda: accounts.disable_user(database, "other", actor_id=manager.id),
        lambda: accounts.enable_user(database, "other", actor_id=manager.id),
        lambda: accounts.erase_identity(database, "new", actor_id=manager.id),
    ):
        with pytest.raises(NotAllowed):
            attempt()


def test_erasing_an_identity_leaves_the_pseudonym(database):
    user = make_reader(database, "ana.lovelace", name="Ana L.", email="ana@example.org")
    accounts.erase_identity(database, "ana.lovelace")
    with database.session() as session:
        assert session.scalars(select(IdentityRecord)).all() == []
    (kept,) = accounts.list_users(database)
    assert (kept.id, kept.code, kept.active) == (user.id, user.code, False)
    assert "ana" not in repr(kept)
    with pytest.raises(AccountError, match="no user"):
        accounts.erase_identity(database, "ana.lovelace")
