"""The load harness in small: what it measures at full size with ``make bench ARGS=load``."""

from reader_study.database import Database
from reader_study.integrity import verify
from tests.bench.load import make_study, read_all, stored
from tests.webapp.conftest import CHEAP


def test_readers_at_once_lose_and_double_nothing_while_a_dashboard_polls(server, tmp_path):
    database = Database(f"sqlite:///{server.data / 'retizero.db'}", password_hasher=CHEAP)
    names = make_study(database, tmp_path, readers=6, cases=4, side=200)
    measured = read_all(server.url, names, cases=4, think=0)
    assert measured.refused == []
    assert measured.acknowledged == 6 * 4
    assert stored(database) == (6 * 4, 6 * 4)
    assert len(measured.images) == len(measured.submits) == 6 * 4
    assert verify(database).intact
    database.close()
