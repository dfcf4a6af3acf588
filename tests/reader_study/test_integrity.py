import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from reader_study import conduct, integrity
from reader_study.conduct import Answer
from reader_study.records import APPEND_ONLY, Base
from tests.reader_study.conftest import make_reader, make_study


@pytest.fixture
def three_readings(database, cases):
    reader = make_reader(database)
    make_study(database, cases)
    for _ in range(3):
        token = conduct.next_reading(database, reader.id).token
        conduct.note_event(database, reader.id, token, "shown")
        conduct.submit(database, reader.id, token, Answer(("glaucoma", "unheard of"), 3))
    assert integrity.verify(database).intact
    return database


def shell(database, *statements):
    """What somebody with the file and the sqlite3 module can do."""
    with closing(sqlite3.connect(database.file, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize("verb", ["UPDATE", "DELETE"])
def test_the_database_refuses_to_change_evidence(three_readings, verb):
    for table in APPEND_ONLY:
        column = Base.metadata.tables[table].primary_key.columns.keys()[0]
        statement = f"DELETE FROM {table}" if verb == "DELETE" else f"UPDATE {table} SET {column} = {column}"
        with three_readings.transaction() as session:
            filled = session.scalar(text(f"SELECT count(*) FROM {table}"))
        if not filled and three_readings.is_sqlite:
            continue  # SQLite fires triggers row by row; tables that are empty here are tried where they fill
        with pytest.raises(DBAPIError, match="append-only"), three_readings.transaction() as session:
            session.execute(text(statement))


def test_insert_or_replace_does_not_get_around_the_triggers(three_readings):
    if not three_readings.is_sqlite:
        pytest.skip("INSERT OR REPLACE is SQLite's")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        shell(three_readings, "INSERT OR REPLACE INTO readings SELECT * FROM readings WHERE id = 1")


def test_truncate_is_refused_on_postgresql(three_readings):
    if three_readings.is_sqlite:
        pytest.skip("TRUNCATE is PostgreSQL's")
    with pytest.raises(DBAPIError, match="append-only"), three_readings.transaction() as session:
        session.execute(text("TRUNCATE audit"))


@pytest.mark.parametrize(
    ("table", "statement", "problem"),
    [
        ("readings", "UPDATE readings SET confidence = 4 WHERE id = 2", "reading 2 was changed"),
        ("readings", "DELETE FROM readings WHERE id = 2", "reading 2 is gone"),
        (
            "ranked_entries",
            "UPDATE ranked_entries SET text = 'glaucomb' WHERE reading_id = 3 AND rank = 1",
            "reading 3 was changed",
        ),
        (
            "ranked_entries",
            "DELETE FROM ranked_entries WHERE reading_id = 1 AND rank = 2",
            "reading 1 was changed",
        ),
        (
            "model_predictions",
            "UPDATE model_predictions SET score = 0.70001 WHERE case_id = 1 AND rank = 1",
            "predictions of pilot was changed",
        ),
        ("audit", "UPDATE audit SET at = replace(at, '2026', '2025') WHERE id = 4", "Audit row 4 "),
        ("audit", "UPDATE audit SET details = details || ' ' WHERE id = 4", "Audit row 4 "),
        ("audit", "DELETE FROM audit WHERE id = 4", "Audit row 4 is missing"),
        ("audit", "DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)", "reading 3 is in no audit row"),
        (
            "reference_standard",
            "UPDATE reference_standard SET diagnosis = 'drusen' WHERE case_id = 1",
            "cases of pilot was changed",
        ),
        (
            None,
            "UPDATE cases SET image_sha256 = replace(image_sha256, '1', '2') WHERE id = 1",
            "cases of pilot was changed",
        ),
        ("assignments", "UPDATE assignments SET repeat = 1 WHERE id = 4", "order of R-"),
        (None, "UPDATE studies SET model_identity = '{}'", "predictions of pilot was changed"),
        (None, "UPDATE studies SET state = 'unblinded'", "state of pilot was changed"),
        (None, "UPDATE studies SET k = 3", "protocol of pilot was changed"),
        (None, "UPDATE studies SET vocabulary = '{\"accepted\": {}}'", "protocol of pilot was changed"),
        (None, "UPDATE users SET role = 'admin'", "account R-"),
        ("timing_events", "DELETE FROM timing_events WHERE id = 1", "timing of reading 1 was changed"),
        (
            "timing_events",
            "UPDATE timing_events SET at = replace(at, '08:', '07:') WHERE id = 2",
            "timing of reading 2 was changed",
        ),
    ],
)
def test_a_change_behind_the_triggers_is_found_and_named(sqlite, cases, table, statement, problem):
    reader = make_reader(sqlite)
    make_study(sqlite, cases)
    for _ in range(3):
        token = conduct.next_reading(sqlite, reader.id).token
        conduct.submit(sqlite, reader.id, token, Answer(("glaucoma", "unheard of"), 3))
    verbs = ("update", "delete", "replace") if table else ()
    shell(sqlite, *(f"DROP TRIGGER {table}_refuse_{verb}" for verb in verbs), statement)
    verdict = integrity.verify(sqlite)
    assert any(sentence.startswith(problem) for sentence in verdict.problems), verdict.problems


def test_a_failed_submit_leaves_neither_reading_nor_audit_row(database, cases, monkeypatch):
    reader = make_reader(database)
    make_study(database, cases)
    token = conduct.next_reading(database, reader.id).token
    before = integrity.verify(database)

    def fail(*_, **__):
        raise RuntimeError("power cut")

    monkeypatch.setattr(conduct.audit, "append", fail)
    with pytest.raises(RuntimeError):
        conduct.submit(database, reader.id, token, Answer(("glaucoma",), 3))
    monkeypatch.undo()
    assert integrity.verify(database) == before
    assert not conduct.submit(database, reader.id, token, Answer(("glaucoma",), 3)).replayed
