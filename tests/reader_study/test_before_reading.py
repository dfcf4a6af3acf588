"""Consent, profile, and a reader's own data."""

import json

import pytest

from reader_study import accounts, conduct, consent, integrity, own_data, profile, sites
from reader_study.conduct import Answer
from reader_study.errors import AccountError, ConductError, NotAllowed
from reader_study.records import Base
from reader_study.sign_in import sign_in
from tests.reader_study.conftest import PASSWORD, make_reader, make_study

TEXT = "I take part of my own free will."
WHO = {"country": "SG", "specialty": "retina", "years": 9}


def test_no_case_is_shown_before_the_reader_agreed_to_the_text_that_was_shown(database, cases):
    reader = make_reader(database)
    make_study(database, cases, consent=TEXT)
    assert conduct.next_reading(database, reader.id) is None
    assert [each.standing for each in conduct.progress(database, reader.id)] == ["consent"]
    asked = consent.consent_text(database, reader.id, "pilot")
    assert (asked.text, asked.agreed_at) == (TEXT, None)
    with pytest.raises(ConductError, match="another one"):
        consent.agree(database, reader.id, "pilot", "0" * 64)
    consent.agree(database, reader.id, "pilot", asked.sha256)
    consent.agree(database, reader.id, "pilot", asked.sha256)
    assert consent.consent_text(database, reader.id, "pilot").agreed_at is not None
    assert conduct.next_reading(database, reader.id) is not None
    assert integrity.verify(database).intact


def test_a_study_without_a_text_asks_for_no_consent(sqlite, cases):
    reader = make_reader(sqlite)
    make_study(sqlite, cases)
    assert consent.consent_text(sqlite, reader.id, "pilot") is None


def test_the_profile_is_told_before_the_first_case(database, cases):
    reader = make_reader(database)
    sites.add_site(database, "SG-1", "Eye centre")
    make_study(database, cases, profile=True)
    assert conduct.next_reading(database, reader.id) is None
    assert [each.standing for each in conduct.progress(database, reader.id)] == ["profile"]
    assert profile.profile_of(database, reader.id).completed_at is None
    saved = profile.save_profile(database, reader.id, **WHO, site="SG-1")
    assert (saved.site, saved.country, saved.specialty, saved.years) == ("SG-1", "SG", "retina", 9)
    assert conduct.next_reading(database, reader.id) is not None
    assert [(site.code, site.readers) for site in sites.list_sites(database)] == [("SG-1", 1)]


@pytest.mark.parametrize(
    "wrong",
    [{"country": "Singapore"}, {"specialty": "wizard"}, {"years": -1}, {"years": "9"}, {"site": "nowhere"}],
)
def test_a_profile_outside_the_lists_is_refused(sqlite, wrong):
    reader = make_reader(sqlite)
    with pytest.raises(AccountError):
        profile.save_profile(sqlite, reader.id, **{**WHO, **wrong})


def test_a_reader_cannot_move_to_another_site(sqlite):
    reader = make_reader(sqlite, site="US-1")
    sites.add_site(sqlite, "SG-1")
    assert profile.save_profile(sqlite, reader.id, **WHO, site="SG-1").site == "US-1"


def test_readers_take_their_own_data_along_and_nothing_of_the_blind_study(database, cases):
    reader = make_reader(database, name="Ana Lim", email="ana@example.org")
    make_reader(database, "ben", name="Ben Ong")
    make_study(database, cases, consent=TEXT)
    sign_in(database, "ana", PASSWORD, "192.0.2.1")
    consent.agree(database, reader.id, "pilot", consent.consent_text(database, reader.id, "pilot").sha256)
    token = conduct.next_reading(database, reader.id).token
    conduct.image_for(database, reader.id, token)
    conduct.submit(database, reader.id, token, Answer(("glaucoma",), 3, "my remark"))
    data = own_data.own_data(database, reader.id)
    told = json.dumps(data)
    for mine in ("Ana Lim", "ana@example.org", "my remark", "192.0.2.1", reader.code):
        assert mine in told
    assert [event["kind"] for event in data["readings"][0]["events"]] == ["shown", "submitted"]
    for secret in ("Ben", "C001", "C002", "secret-name", "central-retinal", token):
        assert secret not in told


def test_an_erased_identity_is_gone_from_every_table_and_the_chain_stays_intact(database, cases):
    reader = make_reader(database, name="Ana Lim", email="ana@example.org")
    make_study(database, cases)
    sign_in(database, "ana", PASSWORD, "192.0.2.1")
    token = conduct.next_reading(database, reader.id).token
    conduct.submit(database, reader.id, token, Answer(("glaucoma",), 3))
    accounts.erase_identity(database, "ana")
    with database.session() as session:
        kept = "".join(
            str(tuple(row))
            for table in Base.metadata.sorted_tables
            for row in session.execute(table.select())
        )
    for personal in ("Ana Lim", "ana@example.org", "192.0.2.1", "'ana'"):
        assert personal not in kept
    assert reader.code in kept
    assert integrity.verify(database).intact
    with pytest.raises(NotAllowed):
        own_data.own_data(database, reader.id)
