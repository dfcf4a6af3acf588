"""A database of the first released schema, half read, goes on under this one.

``first_schema.json`` holds every row that the first release wrote: two readers, two periods, a practice case.
"""

import json
from datetime import datetime
from pathlib import Path

import pytest
from alembic import command, op
from sqlalchemy import JSON, Boolean, DateTime, MetaData, inspect, select, text

from reader_study import conduct, corrections, integrity, own_data, states
from reader_study.accounts import find_user
from reader_study.conduct import Answer
from reader_study.database import Database
from reader_study.errors import ConductError
from reader_study.records import ReadingRecord, TimingEventRecord
from reader_study.results import results
from tests.reader_study.conftest import CHEAP, TestClock

ROWS = json.loads((Path(__file__).parent / "first_schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def old(url, tmp_path):
    """The URL of a database that the first release left behind."""
    database = Database(url)
    with database._writer.begin() as connection:
        config = database._migrations()
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        tables = MetaData()
        tables.reflect(connection)
        for name, rows in ROWS.items():
            table = tables.tables[name]
            for row in rows:
                values = {key: stored(value, table.c[key].type) for key, value in row.items()}
                connection.execute(table.insert().values(values))
        if not database.is_sqlite:
            for name, rows in ROWS.items():
                if rows and "id" in rows[0] and isinstance(rows[0]["id"], int) and name != "audit":
                    connection.execute(
                        text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name}")
                    )
        for index in range(1, 5):
            (tmp_path / f"{index}.png").write_bytes(b"image %d" % index)
        path = f"'{tmp_path}/' || image_path"
        connection.execute(text(f"UPDATE cases SET image_path = {path}"))
    database.close()
    return url


def stored(value, type_):
    if value is None:
        return None
    if isinstance(type_, DateTime):
        return datetime.fromisoformat(value + "+00:00")
    if isinstance(type_, JSON) or "JSON" in str(type_):
        return json.loads(value)
    return bool(value) if isinstance(type_, Boolean) else value


def test_every_row_survives_the_chain_stays_intact_and_the_study_goes_on(old):
    clock = TestClock()
    clock.move(days=2)
    database = Database(old, clock=clock, password_hasher=CHEAP)
    assert database.schema().current == "0001"
    assert not database.ready()
    database.create()
    assert database.ready()
    assert integrity.verify(database).problems == ()
    with database.session() as session:
        assert len(session.scalars(select(ReadingRecord)).all()) == len(ROWS["readings"])
        assert len(session.scalars(select(TimingEventRecord)).all()) == len(ROWS["timing_events"])
    ana = find_user(database, "ana")
    reading = conduct.next_reading(database, ana.id)
    assert (reading.number, reading.total, reading.period) == (4, 4, 1)
    conduct.image_for(database, ana.id, reading.token)
    conduct.note_event(database, ana.id, reading.token, "paused")
    conduct.note_event(database, ana.id, reading.token, "resumed")
    conduct.submit(database, ana.id, reading.token, Answer(("drusen",), 2))
    assert conduct.next_reading(database, ana.id) is None
    clock.move(days=7)
    assert conduct.next_reading(database, ana.id).period == 2
    with pytest.raises(ConductError, match="allows no corrections"):
        corrections.open_correction(database, ana.id, "pilot", 1, 1)
    assert len(own_data.own_data(database, ana.id)["readings"]) == 4
    states.lock_study(database, "pilot")
    report = results(database, "system", "pilot", resamples=100)
    assert report.counts["cases"] == 3
    assert integrity.verify(database).problems == ()
    database.close()


def test_evidence_of_the_first_schema_is_guarded_after_the_upgrade(old):
    database = Database(old)
    database.create()
    with database.engine.connect() as connection:
        if database.is_sqlite:
            query = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'timing_events'"
        else:
            query = (
                "SELECT tgname FROM pg_trigger WHERE tgrelid = 'timing_events'::regclass AND NOT tgisinternal"
            )
        assert len(connection.execute(text(query)).all()) == (3 if database.is_sqlite else 1)
        indexes = {index["name"] for index in inspect(connection).get_indexes("timing_events")}
    assert indexes == {"ix_timing_events_assignment_id", "ix_timing_events_token_hash"}
    database.close()


def test_a_kill_during_the_upgrade_leaves_the_old_schema_whole(old, monkeypatch):
    database = Database(old)

    def die(*_, **__):
        raise RuntimeError("power cut")

    monkeypatch.setattr(op, "add_column", die)
    with pytest.raises(RuntimeError):
        database.create()
    monkeypatch.undo()
    assert database.schema().current == "0001"
    database.create()
    assert database.ready()
    assert integrity.verify(database).intact
    database.close()
