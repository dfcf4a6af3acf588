"""One database, SQLite or PostgreSQL, with the same promises: one writer at a time, all or nothing."""

import selectors
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from argon2 import PasswordHasher
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.orm import Session

from reader_study.errors import DatabaseError

BUSY_TIMEOUT_SECONDS = 30.0
WRITER_LOCK = 0x5274_5A53  # any number that other users of the same PostgreSQL server do not take

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The server's time."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class SchemaState:
    """Which schema the database has (``None``: no tables yet) and which this program needs."""

    current: str | None
    needed: str

    @property
    def ready(self) -> bool:
        """Whether the program can work on the database."""
        return self.current == self.needed


class Database:
    """The store of all studies.

    Args:
        url: ``sqlite:///file.db`` or ``postgresql://user@host/name``.
        clock: gives the time of every event; tests inject their own.
        password_hasher: argon2id with the library's parameters unless told otherwise.

    Raises:
        DatabaseError: the URL is not one of a database that can be used.
    """

    def __init__(
        self, url: str, *, clock: Clock = utc_now, password_hasher: PasswordHasher | None = None
    ) -> None:
        try:
            parsed = make_url(url)
        except ArgumentError:
            raise DatabaseError(
                "The database URL cannot be read; write for example sqlite:///data/retizero.db."
            ) from None
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise DatabaseError(
                f"The database must be SQLite or PostgreSQL, not {parsed.get_backend_name()}."
            )
        self.url = parsed
        self.clock = clock
        self.hasher = password_hasher or PasswordHasher()
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite and parsed.database in (None, "", ":memory:"):
            raise DatabaseError(
                "A study needs a database in a file; write for example sqlite:///data/retizero.db."
            )
        self._turn: AbstractContextManager[object] = threading.Lock() if self.is_sqlite else nullcontext()
        self.engine = self._open()
        self._writer = self.engine.execution_options(one_writer=True)

    @property
    def file(self) -> Path | None:
        """The SQLite file, or ``None`` on PostgreSQL."""
        return Path(str(self.url.database)) if self.is_sqlite else None

    def _open(self) -> Engine:
        if not self.is_sqlite:
            engine = create_engine(self.url, pool_size=10, max_overflow=40)
            event.listen(engine, "checkout", _refuse_dropped)
            event.listen(engine, "begin", _lock_postgresql)
            return engine
        engine = create_engine(
            self.url, connect_args={"timeout": BUSY_TIMEOUT_SECONDS}, pool_size=10, max_overflow=40
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A consistent view for reading; nothing written in it is kept."""
        with Session(self.engine) as session:
            yield session

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """The one writer: everything in the block is committed together, or nothing is.

        Threads of this process queue for their turn: SQLite's own waiting sleeps and is not fair.

        Raises:
            DatabaseError: the database cannot take the change now (full disk, read only, busy too long).
        """
        try:
            with self._turn, Session(self._writer, expire_on_commit=False) as session, session.begin():
                yield session
        except DBAPIError as error:
            reason = str(error.orig).splitlines()[0] if error.orig else "unknown reason"
            if "locked" in reason or "readonly" in reason or "full" in reason or "I/O" in reason:
                raise DatabaseError(
                    f"The database could not store the change ({reason}); try again."
                ) from error
            raise

    def create(self) -> None:
        """Make the tables, or bring an older schema up to date; safe to call at every start.

        Raises:
            DatabaseError: the database cannot be reached or opened, or SQLite refuses write-ahead logging.
        """
        if self.file is not None:
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise DatabaseError(
                    f"The folder of the database cannot be made: {error.strerror}."
                ) from error
        try:
            with self._writer.begin() as connection:
                config = self._migrations()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
            if self.is_sqlite:
                with self.engine.connect() as connection:
                    mode = connection.execute(text("PRAGMA journal_mode")).scalar_one()
                if mode != "wal":
                    raise DatabaseError(
                        f"SQLite could not switch to write-ahead logging (it stays in {mode} mode); "
                        "put the database on a local disk."
                    )
        except DBAPIError as error:
            raise self._unreachable(error) from error

    def schema(self) -> SchemaState:
        """Tell the schema the database has from the one this program needs."""
        needed = ScriptDirectory.from_config(self._migrations()).get_current_head()
        assert needed is not None
        if self.file is not None and not self.file.exists():
            return SchemaState(None, needed)
        try:
            with self.engine.connect() as connection:
                return SchemaState(MigrationContext.configure(connection).get_current_revision(), needed)
        except DBAPIError as error:
            raise self._unreachable(error) from error

    def ready(self) -> bool:
        """Whether the database answers and has the schema of this program."""
        try:
            return self.schema().ready
        except DatabaseError:
            return False

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    def _migrations(self) -> Config:
        config = Config()
        config.set_main_option("script_location", str(resources.files("reader_study") / "migrations"))
        config.set_main_option("path_separator", "os")
        return config

    def _unreachable(self, error: DBAPIError) -> DatabaseError:
        reason = str(error.orig).splitlines()[0] if error.orig else "unknown reason"
        return DatabaseError(f"The database {self.url.render_as_string()} cannot be used: {reason}.")


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Take transaction control from the driver and set what SQLite leaves off by default."""
    connection.isolation_level = None
    _use_write_ahead_log(connection)
    for pragma in ("foreign_keys = ON", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}").close()


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch a new file to WAL; SQLite's busy timeout does not cover this switch, so wait for others here."""
    limit = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError as error:
            locked = error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
            if not locked or time.monotonic() > limit:
                raise
            time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    """Start a writer at once as the writer, so that it never fails half way on a lock."""
    one_writer = connection.get_execution_options().get("one_writer", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if one_writer else "BEGIN")


def _refuse_dropped(connection: psycopg.Connection[object], *_: object) -> None:
    """Let the pool open another connection for one that the server has ended, without asking the server.

    Between transactions a server has nothing to say but goodbye.
    """
    if connection.closed:
        raise DisconnectionError
    with selectors.DefaultSelector() as said:
        said.register(connection.fileno(), selectors.EVENT_READ)
        if said.select(0):
            raise DisconnectionError


def _lock_postgresql(connection: Connection) -> None:
    """Let one writer in at a time; readers are not held up, and see one state until they end."""
    one_writer = connection.get_execution_options().get("one_writer", False)
    driver: psycopg.Connection[object] = connection.connection.driver_connection  # type: ignore[assignment]
    driver.read_only = not one_writer  # both go with the BEGIN that the driver sends, at no cost of their own
    driver.isolation_level = None if one_writer else psycopg.IsolationLevel.REPEATABLE_READ
    if one_writer:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITER_LOCK})")
