import importlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from reader_study import conduct
from reader_study.backup import backup, restore
from reader_study.conduct import Answer
from reader_study.database import Database
from reader_study.errors import DatabaseError
from reader_study.integrity import verify
from reader_study.records import APPEND_ONLY, Base
from tests.reader_study.conftest import make_reader, make_study


def test_migrations_from_nothing_make_exactly_the_tables_of_the_records(url):
    database = Database(url)
    assert not database.ready()
    assert database.schema().current is None
    database.create()
    assert database.ready()
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    database.create()
    database.close()


def test_the_migration_guards_every_table_of_evidence():
    versions = ("v0001_first_schema", "v0002_designs_and_sites")
    made = [importlib.import_module(f"reader_study.migrations.versions.{name}") for name in versions]
    assert tuple(table for version in made for table in version.APPEND_ONLY) == APPEND_ONLY


def test_several_servers_may_start_on_an_empty_database_at_once(url):
    databases = [Database(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Database.create, databases))
    assert all(database.ready() for database in databases)
    for database in databases:
        database.close()


def test_sqlite_keeps_its_promises_on_every_connection(sqlite):
    with sqlite.engine.connect() as connection:
        pragma = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout", "synchronous")
        }
    assert pragma == {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 30_000, "synchronous": 2}


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://host/x", "sqlite://", "sqlite:///:memory:"])
def test_a_url_of_no_use_is_refused(url):
    with pytest.raises(DatabaseError):
        Database(url)


def test_a_file_that_is_no_database_is_refused_in_one_sentence(tmp_path):
    file = tmp_path / "notes.db"
    file.write_text("these are my notes " * 100)
    with pytest.raises(DatabaseError, match="not a database"):
        Database(f"sqlite:///{file}").create()
    assert file.read_text().startswith("these are my notes")


def test_a_password_in_the_url_is_never_told():
    with pytest.raises(DatabaseError) as refusal:
        Database("postgresql://someone:secret@127.0.0.1:1/none").create()
    assert "secret" not in str(refusal.value)


def test_a_backup_made_while_the_database_is_open_can_be_restored(database, cases, tmp_path):
    reader = make_reader(database)
    make_study(database, cases)
    token = conduct.next_reading(database, reader.id).token
    conduct.submit(database, reader.id, token, Answer(("glaucoma",), 3))
    target = tmp_path / "copies" / "monday.db"
    with database.session() as session:
        session.execute(text("SELECT count(*) FROM studies"))
        assert backup(database, target) == target.stat().st_size
    assert [path.name for path in target.parent.iterdir()] == ["monday.db"]
    again = Database(f"sqlite:///{tmp_path / 'again.db'}", clock=database.clock)
    assert restore(again, target) == verify(database)
    assert conduct.next_reading(again, reader.id).number == 2
    with pytest.raises(DatabaseError, match="exists already"):
        backup(database, target)
    with pytest.raises(DatabaseError, match="not empty"):
        restore(again, target)
    again.close()


def test_a_backup_moves_a_study_to_postgresql(sqlite, cases, tmp_path, postgresql):
    reader = make_reader(sqlite)
    make_study(sqlite, cases)
    backup(sqlite, tmp_path / "copy.db")
    server = Database(postgresql(), clock=sqlite.clock)
    assert restore(server, tmp_path / "copy.db") == verify(sqlite)
    token = conduct.next_reading(server, reader.id).token
    assert conduct.submit(server, reader.id, token, Answer(("glaucoma",), 3)).reading_id == 1
    assert verify(server).intact
    server.close()


def test_a_connection_that_the_server_ended_is_replaced(postgresql):
    url = postgresql()
    database, killer = Database(url), Database(url)
    with database.session() as session:
        mine = session.scalar(text("SELECT pg_backend_pid()"))
    with killer.transaction() as session:
        assert session.scalar(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": mine})
    with database.session() as session:
        other = session.scalar(text("SELECT pg_backend_pid()"))
        assert other != mine
        held = session.connection().connection.driver_connection
    held.close()
    with database.session() as session:
        assert session.scalar(text("SELECT pg_backend_pid()")) not in (mine, other)
    killer.close()
    database.close()


def test_what_is_no_backup_or_was_changed_is_not_restored(sqlite, cases, tmp_path):
    make_study(sqlite, cases)
    (tmp_path / "notes.db").write_text("my notes")
    backup(sqlite, tmp_path / "copy.db")
    with closing(sqlite3.connect(tmp_path / "copy.db", isolation_level=None)) as shell:
        shell.execute("UPDATE studies SET k = 3")
    fresh = Database(f"sqlite:///{tmp_path / 'fresh.db'}")
    for name, sentence in (
        ("notes.db", "not a database"),
        ("copy.db", "not intact"),
        ("none.db", "no backup"),
    ):
        with pytest.raises(DatabaseError, match=sentence):
            restore(fresh, tmp_path / name)
    fresh.close()


def test_a_read_only_database_is_reported_and_not_a_traceback(sqlite):
    def write():
        with sqlite.transaction() as session:
            session.execute(text("PRAGMA query_only = ON"))
            session.execute(text("DELETE FROM users"))

    with pytest.raises(DatabaseError, match="could not store"):
        write()
