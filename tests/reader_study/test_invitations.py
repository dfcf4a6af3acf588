from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from reader_study import accounts, conduct, invitations
from reader_study.errors import AccountError, BadCredentials, InvitationRefused, NotAllowed
from reader_study.records import InvitationRecord
from reader_study.sign_in import sign_in, user_of
from tests.reader_study.conftest import PASSWORD, make_reader, make_study


def test_a_link_makes_one_account_once(database, cases):
    make_study(database, cases, readers="invited")
    link = invitations.invite(database, site="SG", study="pilot")
    facts = invitations.look_up(database, link.token)
    assert (facts.role, facts.site, facts.study_title, facts.username) == ("reader", "SG", "Pilot", None)
    user = invitations.accept(database, link.token, "Ana", PASSWORD, name="Ana Lim")
    assert (user.username, user.role, user.site) == ("ana", "reader", "SG")
    assert sign_in(database, "ana", PASSWORD, "here").user == user
    assert conduct.next_reading(database, user.id) is not None
    with pytest.raises(InvitationRefused):
        invitations.accept(database, link.token, "ben", PASSWORD)
    with pytest.raises(InvitationRefused):
        invitations.look_up(database, link.token)
    assert [each.standing for each in invitations.list_invitations(database)] == ["used"]


def test_a_link_used_eight_times_at_once_makes_one_account(database):
    link = invitations.invite(database)

    def use(number):
        try:
            return invitations.accept(database, link.token, f"user{number}", PASSWORD)
        except InvitationRefused:
            return None

    with ThreadPoolExecutor(8) as pool:
        made = [user for user in pool.map(use, range(8)) if user is not None]
    assert len(made) == 1
    assert len(accounts.list_users(database)) == 1


def test_only_the_hash_of_a_link_is_kept(sqlite):
    link = invitations.invite(sqlite)
    with sqlite.session() as session:
        row = session.scalars(select(InvitationRecord)).one()
        assert link.token not in str(vars(row))
    assert link.token not in repr(link)
    assert link.token.encode() not in sqlite.file.read_bytes()


def test_expired_revoked_and_made_up_links_are_refused_with_the_same_sentence(database, clock):
    expired, revoked = invitations.invite(database, days=2), invitations.invite(database, days=30)
    clock.move(days=2)
    invitations.revoke(database, revoked.id)
    sentences = set()
    for token in (expired.token, revoked.token, "a" * 43, "", None, 7):
        with pytest.raises(InvitationRefused) as refusal:
            invitations.accept(database, token, "ana", PASSWORD)
        sentences.add(str(refusal.value))
    assert len(sentences) == 1
    assert accounts.find_user(database, "ana") is None


def test_a_wrong_user_name_or_weak_password_does_not_use_the_link_up(sqlite):
    make_reader(sqlite, "ana")
    link = invitations.invite(sqlite)
    for username, password in (("ana", PASSWORD), ("a b", PASSWORD), ("ben", "short")):
        with pytest.raises(AccountError):
            invitations.accept(sqlite, link.token, username, password)
    assert invitations.accept(sqlite, link.token, "ben", PASSWORD).username == "ben"


def test_managers_invite_readers_and_coordinators_and_nobody_above(sqlite):
    boss = make_reader(sqlite, "boss", role="manager")
    for role in ("reader", "coordinator"):
        assert invitations.invite(sqlite, role=role, actor_id=boss.id).role == role
    for role in ("manager", "statistician", "admin"):
        with pytest.raises(NotAllowed):
            invitations.invite(sqlite, role=role, actor_id=boss.id)
        with pytest.raises(NotAllowed):
            accounts.create_user(sqlite, f"x-{role}", PASSWORD, role=role, actor_id=boss.id)
    chief = make_reader(sqlite, "chief", role="admin")
    assert invitations.invite(sqlite, role="admin", actor_id=chief.id).role == "admin"
    for role in ("reader", "coordinator", "statistician"):
        nobody = make_reader(sqlite, f"a-{role}", role=role)
        with pytest.raises(NotAllowed):
            invitations.invite(sqlite, actor_id=nobody.id)
    with pytest.raises(NotAllowed):
        accounts.disable_user(sqlite, "chief", actor_id=boss.id)
    accounts.disable_user(sqlite, "a-reader", actor_id=boss.id)
    assert accounts.enable_user(sqlite, "a-reader", actor_id=boss.id).active


def test_a_new_password_by_link_signs_out_everywhere_and_the_old_one_is_gone(database):
    make_reader(database, "ana")
    live = sign_in(database, "ana", PASSWORD, "here").token
    link = invitations.reset_link(database, "ana")
    assert invitations.look_up(database, link.token).username == "ana"
    invitations.accept(database, link.token, "somebody else", "another password")
    assert user_of(database, live) is None
    with pytest.raises(BadCredentials):
        sign_in(database, "ana", PASSWORD, "here")
    assert sign_in(database, "ana", "another password", "here").user.username == "ana"


def test_a_disabled_account_gets_no_new_password(sqlite):
    make_reader(sqlite, "ana")
    link = invitations.reset_link(sqlite, "ana")
    accounts.disable_user(sqlite, "ana")
    with pytest.raises(InvitationRefused):
        invitations.accept(sqlite, link.token, "ana", "another password")
    with pytest.raises(AccountError):
        invitations.reset_link(sqlite, "ana")
