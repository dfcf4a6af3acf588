"""A site without a network path: its package goes out, is read there, and its readings come back."""

import json
import sqlite3
import tarfile
from contextlib import closing

import pytest
from sqlalchemy import select, text

from reader_study import aid, conduct, consent, integrity, invitations, states
from reader_study.conduct import Answer
from reader_study.database import Database
from reader_study.errors import NotAllowed, PackageError
from reader_study.records import ReadingRecord, ReferenceRecord, SiteAuditRecord, UserRecord
from reader_study.site_exchange import export_site, import_package, open_package, write_return
from reader_study.site_exchange.sealed import opening
from reader_study.studies import study_named
from reader_study.tabulate import study_table
from tests.reader_study.conftest import CHEAP, make_reader, make_study

PASSPHRASE = "correct horse battery"
FAST = 2  # scrypt's n: what these tests protect is worth nothing
ANSWER = Answer(("glaucoma", "an odd cup"), 3, "remark")


def read(database, reader_id, number=1):
    for _ in range(number):
        reading = conduct.next_reading(database, reader_id)
        conduct.image_for(database, reader_id, reading.token)
        if reading.aided:
            aid.aid_for(database, reader_id, reading.token)
        conduct.submit(database, reader_id, reading.token, ANSWER)


@pytest.fixture
def away(database, cases, clock, tmp_path):
    """A crossover study; ana of the site FAR has read one case at the server before her package is opened."""
    ana, ben = make_reader(database, "ana", site="FAR"), make_reader(database, "ben", site="NEAR")
    make_study(database, cases, design="crossover", wash_out_days=7, consent="I agree.", profile=False)
    for who in (ana, ben):
        asked = consent.consent_text(database, who.id, "pilot")
        consent.agree(database, who.id, "pilot", asked.sha256)
    read(database, ana.id)
    sent = export_site(database, "pilot", "FAR", tmp_path / "far.site", PASSPHRASE, scrypt_n=FAST)
    local = Database(f"sqlite:///{tmp_path / 'far.db'}", clock=clock, password_hasher=CHEAP)
    local.create()
    opened = open_package(local, sent.file, PASSPHRASE, tmp_path / "images")
    assert opened.fingerprint == sent.fingerprint
    yield database, local, ana, opened
    local.close()


def give_back(local, folder, name="back.site"):
    return write_return(local, "pilot", folder / name, PASSPHRASE, scrypt_n=FAST).file


def test_readings_made_at_the_site_come_home_with_everything_that_belongs_to_them(away, clock, tmp_path):
    server, local, ana, opened = away
    invitations.accept(local, opened.links["ana"], "", "a password there")
    assert conduct.next_reading(local, ana.id).number == 2
    read(local, ana.id, 3)
    assert conduct.next_reading(local, ana.id) is None
    clock.move(days=7)
    read(local, ana.id, 4)
    assert integrity.verify(local).intact
    report = import_package(server, give_back(local, tmp_path), PASSPHRASE)
    assert (report.imported, report.already_here, report.conflicts) == (7, 0, ())
    assert integrity.verify(server).intact
    assert [standing.standing for standing in conduct.progress(server, ana.id)] == ["done"]

    def facts(database):
        with database.session() as session:
            rows = session.scalars(select(ReadingRecord).where(ReadingRecord.reader_id == ana.id))
            return sorted(
                (
                    row.period,
                    row.token_hash,
                    row.confidence,
                    row.comment,
                    row.submitted_at,
                    row.entries[1].text,
                )
                for row in rows
            )

    assert facts(server) == facts(local)
    with server.session() as session:
        table = study_table(session, study_named(session, "pilot"))
    assert len(table.reads) == 8
    assert all(read.seconds is not None for read in table.reads)


def test_the_same_package_twice_and_a_later_one_double_nothing(away, tmp_path):
    server, local, ana, _ = away
    read(local, ana.id, 1)
    early = give_back(local, tmp_path, "early.site")
    assert import_package(server, early, PASSPHRASE).imported == 1
    again = import_package(server, early, PASSPHRASE)
    assert (again.imported, again.already_here) == (0, 1)
    read(local, ana.id, 1)
    later = import_package(server, give_back(local, tmp_path, "later.site"), PASSPHRASE)
    assert (later.imported, later.already_here, later.conflicts) == (1, 1, ())
    with pytest.raises(PackageError, match="older than one"):
        import_package(server, early, PASSPHRASE)
    assert integrity.verify(server).intact


def test_a_case_read_here_and_there_is_listed_and_the_first_answer_stands(away, tmp_path):
    server, local, ana, _ = away
    read(local, ana.id, 2)
    read(server, ana.id, 1)
    report = import_package(server, give_back(local, tmp_path), PASSPHRASE)
    assert (report.imported, report.already_here) == (1, 0)
    (conflict,) = report.conflicts
    assert "read here too" in conflict
    assert ana.code in conflict
    assert integrity.verify(server).intact


def test_a_site_is_told_no_reference_standard_and_no_other_site(away):
    _, local, _, _ = away
    with local.session() as session:
        assert session.scalars(select(ReferenceRecord)).all() == []
        assert session.scalars(select(UserRecord.username)).all() == ["ana"]
    content = local.file.read_bytes()
    for secret in (b"secret-name", b"retinitis-pigmentosa\x00", b"ben"):
        assert secret not in content


def test_a_package_tells_nothing_without_its_passphrase_and_refuses_every_change(away, tmp_path):
    file = tmp_path / "far.site"
    content = file.read_bytes()
    for secret in (b"pilot", b"image 1", b"glaucoma", b"ana", b"FAR"):
        assert secret not in content
    with (
        pytest.raises(PackageError, match="passphrase does not fit"),
        opening(file, "wrong horse battery", kind="study") as (_, stream),
    ):
        stream.read()
    server, local, _, _ = away
    with pytest.raises(PackageError, match="passphrase does not fit"):
        import_package(server, give_back(local, tmp_path), "wrong horse battery")
    changed = tmp_path / "changed.site"
    for place in (0, 40, 200, len(content) // 2, len(content) - 70, len(content) - 1):
        changed.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(PackageError), opening(changed, PASSPHRASE, kind="study") as (_, stream):
            stream.read()
    for cut in (content[:-1], content[:300], content[:10], b""):
        changed.write_bytes(cut)
        with pytest.raises(PackageError), opening(changed, PASSPHRASE, kind="study") as (_, stream):
            stream.read()


def test_a_return_signed_by_anybody_else_is_refused(away, tmp_path):
    server, local, ana, _ = away
    read(local, ana.id, 1)
    from reader_study.site_exchange.sealed import new_key

    with closing(sqlite3.connect(local.file, isolation_level=None)) as shell:
        shell.execute("UPDATE site_packages SET secret_key = ?", (new_key()[0],))
    with pytest.raises(PackageError, match="signed by the key"):
        import_package(server, give_back(local, tmp_path), PASSPHRASE)


@pytest.mark.parametrize(
    ("table", "change", "sentence"),
    [
        ("readings", "SET confidence = 5 WHERE id = 2", "not the one in its audit chain"),
        ("audit", "SET details = details || ' ' WHERE id = 3", "broken at row 3"),
    ],
)
def test_what_was_changed_at_the_site_is_not_taken_in(away, tmp_path, table, change, sentence):
    server, local, ana, _ = away
    read(local, ana.id, 1)
    with closing(sqlite3.connect(local.file, isolation_level=None)) as shell:
        shell.execute(f"DROP TRIGGER {table}_refuse_update")
        shell.execute(f"UPDATE {table} {change}")
    before = integrity.verify(server)
    with pytest.raises(PackageError, match=sentence):
        import_package(server, give_back(local, tmp_path), PASSPHRASE)
    assert integrity.verify(server) == before


def test_a_rewritten_chain_is_refused_although_it_holds_in_itself(away, tmp_path):
    server, local, ana, _ = away
    read(local, ana.id, 1)
    import_package(server, give_back(local, tmp_path, "first.site"), PASSPHRASE)
    fresh = Database(f"sqlite:///{tmp_path / 'fresh.db'}", clock=local.clock, password_hasher=CHEAP)
    fresh.create()
    open_package(fresh, tmp_path / "far.site", PASSPHRASE, tmp_path / "images-2")
    read(fresh, ana.id, 3)
    with pytest.raises(PackageError, match="written anew"):
        import_package(server, give_back(fresh, tmp_path, "second.site"), PASSPHRASE)
    fresh.close()


def test_a_reading_before_the_end_of_the_wash_out_is_a_conflict(away, clock, tmp_path):
    server, local, ana, _ = away
    read(local, ana.id, 3)
    with closing(sqlite3.connect(local.file, isolation_level=None)) as shell:
        shell.execute("UPDATE studies SET wash_out_days = 0")
    read(local, ana.id, 1)
    report = import_package(server, give_back(local, tmp_path), PASSPHRASE)
    assert report.imported == 3
    assert "before the wash-out" in report.conflicts[0]


def test_states_roles_and_strangers_are_refused(away, cases, tmp_path):
    server, local, ana, _ = away
    read(local, ana.id, 1)
    back = give_back(local, tmp_path)
    with pytest.raises(NotAllowed):
        import_package(server, back, PASSPHRASE, actor_id=ana.id)
    with pytest.raises(NotAllowed):
        export_site(server, "pilot", "FAR", tmp_path / "x", PASSPHRASE, actor_id=ana.id)
    with pytest.raises(PackageError, match="no active readers"):
        export_site(server, "pilot", "MOON", tmp_path / "x", PASSPHRASE)
    with pytest.raises(PackageError, match="at least 12"):
        export_site(server, "pilot", "FAR", tmp_path / "x", "short")
    with pytest.raises(PackageError, match="does not answer"):
        import_package(local, back, PASSPHRASE)
    with pytest.raises(PackageError, match="package of readings"):
        open_package(local, back, PASSPHRASE, tmp_path / "y")
    with pytest.raises(PackageError, match="not opened from"):
        write_return(server, "pilot", tmp_path / "z", PASSPHRASE)
    assert not (tmp_path / "x").exists()
    states.lock_study(server, "pilot")
    with pytest.raises(PackageError, match="takes no readings"):
        import_package(server, back, PASSPHRASE)


def test_the_sites_chain_is_kept_and_guarded(away, tmp_path):
    server, local, ana, _ = away
    read(local, ana.id, 1)
    import_package(server, give_back(local, tmp_path), PASSPHRASE)
    with server.session() as session:
        kept = session.scalars(select(SiteAuditRecord).order_by(SiteAuditRecord.id)).all()
        assert [row.id for row in kept] == list(range(1, len(kept) + 1))
        assert json.loads(kept[-1].details)["site"] == "FAR"
    from sqlalchemy.exc import DBAPIError

    with pytest.raises(DBAPIError, match="append-only"), server.transaction() as session:
        session.execute(text("DELETE FROM site_audit"))


def test_photographs_travel_without_their_names(away, tmp_path):
    with (
        opening(tmp_path / "far.site", PASSPHRASE, kind="study") as (_, stream),
        tarfile.open(fileobj=stream, mode="r|") as tar,
    ):
        names = tar.getnames()
    assert names == ["manifest.json", "images/0", "images/1", "images/2", "images/3"]
    folder = next((tmp_path / "images").iterdir())
    assert sorted(path.read_bytes() for path in folder.iterdir()) == [b"image %d" % n for n in range(1, 5)]
    assert all(len(path.name) == 24 for path in folder.iterdir())
