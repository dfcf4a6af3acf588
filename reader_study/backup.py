"""Copies of the database while it is in use, and back: of PostgreSQL, too, into one SQLite file."""

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import DBAPIError

from reader_study import audit, integrity
from reader_study.database import Database
from reader_study.errors import DatabaseError
from reader_study.records import AuditRecord, Base, UserRecord

ROWS_AT_ONCE = 500


def backup(database: Database, target: Path) -> int:
    """Copy a database to an SQLite file, consistent although others write; it appears only when complete.

    Returns:
        Size of the copy in bytes.

    Raises:
        DatabaseError: the file is there already, cannot be written, or the copy is not sound.
    """
    if target.exists():
        raise DatabaseError(f"{target} exists already; name a new file.")
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove(part)
        if database.file is not None:
            with closing(sqlite3.connect(database.file)) as live, closing(sqlite3.connect(part)) as copy:
                live.backup(copy)
        else:
            _copy_rows(database, part)
        with closing(sqlite3.connect(part)) as copy:
            copy.execute("PRAGMA journal_mode = DELETE")
            found = copy.execute("PRAGMA integrity_check").fetchone()[0]
        if found != "ok":
            raise DatabaseError(f"The copy is not sound ({found}); the database itself may be damaged.")
        part.replace(target)
        return target.stat().st_size
    except (OSError, sqlite3.Error, DBAPIError) as error:
        raise DatabaseError(f"The backup cannot be written to {target}: {error}.") from error
    finally:
        _remove(part)


def restore(database: Database, file: Path) -> audit.Verdict:
    """Fill an empty database from a backup, of this schema or an older one, and check the chain.

    Returns:
        What ``integrity.verify`` says of the restored database.

    Raises:
        DatabaseError: the file is no backup, the database is not empty, or the chain does not hold.
    """
    if not file.is_file():
        raise DatabaseError(f"There is no backup {file}.")
    database.create()
    with database.session() as session:
        if session.scalar(select(func.count()).select_from(UserRecord)) or session.scalar(
            select(func.count()).select_from(AuditRecord)
        ):
            raise DatabaseError("The database is not empty; restore into a new one.")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "backup.db"
        try:
            shutil.copyfile(file, copy)
        except OSError as error:
            raise DatabaseError(f"The backup {file} cannot be read: {error.strerror}.") from error
        source = Database(f"sqlite:///{copy}", clock=database.clock)
        try:
            if source.schema().current is None:
                raise DatabaseError(f"{file} is no backup of a reader study.")
            source.create()
            verdict = integrity.verify(source)
            if not verdict.intact:
                raise DatabaseError(f"The backup is not intact: {verdict.problems[0]}")
            with source.session() as reading, database.transaction() as writing:
                _copy(reading.connection(), writing.connection(), database.is_sqlite)
        finally:
            source.close()
    restored = integrity.verify(database)
    if restored != verdict:
        raise DatabaseError("The restored database differs from the backup; do not use it.")
    return restored


def _copy_rows(database: Database, target: Path) -> None:
    """Copy every row from one snapshot of PostgreSQL."""
    copy = Database(f"sqlite:///{target}", clock=database.clock)
    try:
        copy.create()
        with database.session() as reading, copy.transaction() as writing:
            _copy(reading.connection(), writing.connection(), True)
    finally:
        copy.close()


def _copy(source: Connection, target: Connection, to_sqlite: bool) -> None:
    for table in Base.metadata.sorted_tables:
        result = source.execution_options(yield_per=ROWS_AT_ONCE).execute(select(table))
        for rows in result.mappings().partitions(ROWS_AT_ONCE):
            target.execute(table.insert(), [dict(row) for row in rows])
        keys = list(table.primary_key.columns)
        if not to_sqlite and len(keys) == 1 and keys[0] is table.autoincrement_column:
            name, key = table.name, keys[0].name
            target.execute(
                text(f"SELECT setval(pg_get_serial_sequence('{name}', '{key}'), max({key})) FROM {name}")
            )


def _remove(part: Path) -> None:
    for path in (part, part.with_name(part.name + "-wal"), part.with_name(part.name + "-shm")):
        path.unlink(missing_ok=True)
