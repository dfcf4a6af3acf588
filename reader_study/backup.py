"""A copy of the database while it is in use."""

import sqlite3
from contextlib import closing
from pathlib import Path

from reader_study.database import Database
from reader_study.errors import DatabaseError


def backup(database: Database, target: Path) -> int:
    """Copy an SQLite database to a file, consistent although others write; it appears only when complete.

    Returns:
        Size of the copy in bytes.

    Raises:
        DatabaseError: the database is PostgreSQL, the file is there already, or the copy is not sound.
    """
    source = database.file
    if source is None:
        raise DatabaseError("A PostgreSQL database is backed up with pg_dump, which comes with the server.")
    if target.exists():
        raise DatabaseError(f"{target} exists already; name a new file.")
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(part)) as copy:
            live.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            found = copy.execute("PRAGMA integrity_check").fetchone()[0]
        if found != "ok":
            part.unlink()
            raise DatabaseError(f"The copy is not sound ({found}); the database itself may be damaged.")
        part.replace(target)
        return target.stat().st_size
    except (OSError, sqlite3.Error) as error:
        raise DatabaseError(f"The backup cannot be written to {target}: {error}.") from error
