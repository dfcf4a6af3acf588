"""The records of a gallery in SQLite: the truth about what is in it, changed in one transaction at a time.

The database is in write-ahead mode: a reader keeps the state it began with, however long it reads, while one
writer after the other prepares and commits the next.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.retrieval.errors import GalleryError
from retizero.retrieval.records import COLUMNS, Record

FILE_NAME = "records.sqlite"
FORMAT = 2
_WRITER_WAITS = 600.0  # seconds; a writer may be building an index
_READER_WAITS = 30.0
_TABLES = {
    "facts": "name TEXT PRIMARY KEY, value TEXT NOT NULL",
    "segments": "name TEXT PRIMARY KEY, first INTEGER NOT NULL UNIQUE, rows INTEGER NOT NULL",
    "records": """number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, image TEXT NOT NULL,
        label TEXT NOT NULL, "group" TEXT NOT NULL, source TEXT NOT NULL, synthetic INTEGER NOT NULL,
        path TEXT NOT NULL, site TEXT NOT NULL""",
    "removed": "number INTEGER PRIMARY KEY",
}
_FIELDS = ", ".join(f'"{name}"' for name in COLUMNS)
_MOST_PARAMETERS = 900  # in one statement


@dataclass(frozen=True)
class Facts:
    """What holds for the whole gallery.

    Attributes:
        identity: The model that made the vectors, ``ModelIdentity.to_dict()``.
        kind: ``flat``, ``fp16``, ``ivf`` or ``hnsw``.
        dimension: Length of a vector.
        generation: Changes with every change of the gallery.
    """

    identity: dict[str, Any]
    kind: str
    dimension: int
    generation: str


@dataclass(frozen=True)
class Segment:
    """One file of vectors: row i belongs to the record with the number ``first + i``."""

    name: str
    first: int
    rows: int


def exists(folder: Path) -> bool:
    """Whether a folder has records."""
    return (folder / FILE_NAME).is_file()


def create(folder: Path) -> None:
    """Make a database in a folder that has none; what an interrupted writer left is used again."""
    with closing(sqlite3.connect(folder / FILE_NAME, timeout=_WRITER_WAITS)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


class Snapshot:
    """The records as they were when it was taken. Thread-safe.

    Raises:
        GalleryError: There is no gallery in the folder, it is damaged, or another version wrote it.
    """

    def __init__(self, folder: Path) -> None:
        file = folder / FILE_NAME
        if not file.is_file():
            raise GalleryError(f"{folder} is not a gallery: it has no {FILE_NAME}.")
        try:
            self._connection = _connect_to_read(file)
            weakref.finalize(self, self._connection.close)
            self.facts = _parse_facts(self._connection, folder)
            self.segments = tuple(
                Segment(*row)
                for row in self._connection.execute("SELECT name, first, rows FROM segments ORDER BY first")
            )
            removed = self._connection.execute("SELECT number FROM removed ORDER BY number").fetchall()
        except (sqlite3.DatabaseError, ValueError, KeyError) as error:
            if isinstance(error, GalleryError):
                raise
            raise GalleryError(f"The records of the gallery {folder} are damaged; build it again.") from error
        self.removed = np.array([row[0] for row in removed], np.int64)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return sum(segment.rows for segment in self.segments) - len(self.removed)

    def records(self, numbers: Sequence[int]) -> dict[int, Record]:
        """Records by number; numbers without a record are left out."""
        found: dict[int, Record] = {}
        for start in range(0, len(numbers), _MOST_PARAMETERS):
            part = numbers[start : start + _MOST_PARAMETERS]
            marks = ",".join("?" * len(part))
            rows = self._ask(f"SELECT number, {_FIELDS} FROM records WHERE number IN ({marks})", part)
            found |= {row[0]: _record(row[1:]) for row in rows}
        return found

    def all_records(self) -> tuple[tuple[int, ...], tuple[Record, ...]]:
        """Numbers and records of the whole gallery, in the order they were added."""
        rows = self._ask(f"SELECT number, {_FIELDS} FROM records ORDER BY number")
        return tuple(row[0] for row in rows), tuple(_record(row[1:]) for row in rows)

    def numbers_where(self, columns: Mapping[str, Sequence[str]]) -> NDArray[np.int64]:
        """Numbers of the records whose columns have one of the given values each, ascending."""
        terms = [f'"{name}" IN (SELECT value FROM json_each(?))' for name in columns]
        values = [json.dumps(list(allowed)) for allowed in columns.values()]
        rows = self._ask(f"SELECT number FROM records WHERE {' AND '.join(terms)} ORDER BY number", values)
        return np.array([row[0] for row in rows], np.int64)

    def group_sizes(self, groups: Sequence[str]) -> dict[str, int]:
        """How many records each group has."""
        asked = json.dumps(list(groups))
        rows = self._ask(
            'SELECT "group", COUNT(*) FROM records '
            'WHERE "group" IN (SELECT value FROM json_each(?)) GROUP BY "group"',
            [asked],
        )
        return dict(rows)

    def counts(self, column: str) -> dict[str, int]:
        """How many records have each value of a column, as text, most frequent first."""
        return dict(
            self._ask(f'SELECT CAST("{column}" AS TEXT), COUNT(*) FROM records GROUP BY 1 ORDER BY 2 DESC, 1')
        )

    def _ask(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(statement, list(values)).fetchall()


def generation(folder: Path) -> str:
    """The generation of the present state: a cheap way to see that something changed; empty if none."""
    try:
        with closing(_connect_to_read(folder / FILE_NAME)) as connection:
            row = connection.execute("SELECT value FROM facts WHERE name = 'generation'").fetchone()
    except sqlite3.DatabaseError:
        return ""
    return str(row[0]) if row else ""


@contextmanager
def changing(folder: Path) -> Iterator[sqlite3.Connection]:
    """Hold the gallery's write lock; everything in the block becomes visible at its end or not at all.

    Raises:
        GalleryError: Another writer holds the lock for longer than ten minutes, or the folder is read-only.
    """
    file = folder / FILE_NAME
    if not file.is_file():
        raise GalleryError(f"{folder} is not a gallery: it has no {FILE_NAME}.")
    with closing(sqlite3.connect(file, timeout=_WRITER_WAITS, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise GalleryError(
                f"The gallery {folder} is being changed by someone else or is read-only."
            ) from error
        except sqlite3.DatabaseError as error:
            raise GalleryError(f"The records of the gallery {folder} are damaged.") from error
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def write_facts(connection: sqlite3.Connection, facts: Facts) -> None:
    """Replace what holds for the whole gallery."""
    values = {
        "format": str(FORMAT),
        "identity": json.dumps(facts.identity, sort_keys=True, ensure_ascii=False),
        "kind": facts.kind,
        "dimension": str(facts.dimension),
        "generation": facts.generation,
    }
    connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", values.items())


def require_same(connection: sqlite3.Connection, facts: Facts, folder: Path) -> None:
    """Refuse to change a gallery that someone replaced after it was opened.

    Raises:
        GalleryError: Another model or another kind now holds.
    """
    now = _parse_facts(connection, folder)
    if (now.identity, now.kind, now.dimension) != (facts.identity, facts.kind, facts.dimension):
        raise GalleryError("The gallery was replaced by another one meanwhile; open it again.")


def segments(connection: sqlite3.Connection) -> tuple[Segment, ...]:
    """The files of vectors in the order of their records; none where the tables were never made."""
    there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'segments'").fetchone()
    if not there:
        return ()
    rows = connection.execute("SELECT name, first, rows FROM segments ORDER BY first")
    return tuple(Segment(*row) for row in rows)


def insert(connection: sqlite3.Connection, records: Sequence[Record], first: int) -> None:
    """Add records with the numbers ``first`` onwards.

    Raises:
        GalleryError: An id is there already.
    """
    rows = ((first + row, *astuple(each)) for row, each in enumerate(records))
    marks = ", ".join("?" * (len(COLUMNS) + 1))
    connection.execute("SAVEPOINT inserting")
    try:
        connection.executemany(f"INSERT INTO records (number, {_FIELDS}) VALUES ({marks})", rows)
    except sqlite3.IntegrityError as error:
        connection.execute("ROLLBACK TO inserting")
        there = {row[0] for row in connection.execute("SELECT id FROM records")}
        twice = next((each.id for each in records if each.id in there), records[0].id)
        raise GalleryError(f"The gallery already has {twice!r}; remove or update it.") from error
    connection.execute("RELEASE inserting")


def delete(connection: sqlite3.Connection, ids: Sequence[str]) -> None:
    """Remove records by id and remember whose vectors are not to be found any more.

    Raises:
        GalleryError: An id is not there.
    """
    for each in ids:
        row = connection.execute("DELETE FROM records WHERE id = ? RETURNING number", (each,)).fetchone()
        if row is None:
            raise GalleryError(f"The gallery has no {each!r}.")
        connection.execute("INSERT INTO removed VALUES (?)", row)


def replace(connection: sqlite3.Connection, records: Sequence[Record]) -> None:
    """Change what is said about photographs that are there; their vectors stay.

    Raises:
        GalleryError: An id is not there.
    """
    terms = ", ".join(f'"{name}" = ?' for name in COLUMNS)
    for each in records:
        changed = connection.execute(f"UPDATE records SET {terms} WHERE id = ?", (*astuple(each), each.id))
        if changed.rowcount == 0:
            raise GalleryError(f"The gallery has no {each.id!r}.")


def reset(connection: sqlite3.Connection) -> None:
    """Make all tables anew, empty.

    Raises:
        GalleryError: The database belongs to something else.
    """
    there = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if there and "facts" not in there:
        raise GalleryError("The database of that folder is no gallery; choose another folder.")
    for name, columns in _TABLES.items():
        connection.execute(f"DROP TABLE IF EXISTS {name}")
        connection.execute(f"CREATE TABLE {name} ({columns}) STRICT")
    connection.execute('CREATE INDEX records_group ON records ("group")')


def put_segments(connection: sqlite3.Connection, kept: Sequence[Segment]) -> None:
    """Say which files hold the vectors."""
    connection.execute("DELETE FROM segments")
    connection.executemany(
        "INSERT INTO segments VALUES (?, ?, ?)", [(each.name, each.first, each.rows) for each in kept]
    )


def _connect_to_read(file: Path) -> sqlite3.Connection:
    """Begin reading one state; a folder that cannot be written to is read as it lies there."""
    for mode in ("mode=rw", "mode=ro&immutable=1"):
        connection = sqlite3.connect(
            f"{file.resolve().as_uri()}?{mode}",
            uri=True,
            timeout=_READER_WAITS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            connection.execute("BEGIN")
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            return connection
        except sqlite3.OperationalError:
            connection.close()
        except sqlite3.DatabaseError:
            connection.close()
            raise
    raise sqlite3.DatabaseError(f"{file} cannot be read")


def _parse_facts(connection: sqlite3.Connection, folder: Path) -> Facts:
    there = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not there:
        raise GalleryError(f"The building of the gallery {folder} was interrupted; build it again.")
    if "facts" not in there:
        raise GalleryError(f"{folder} is not a gallery: its records have another form.")
    values = dict(connection.execute("SELECT name, value FROM facts"))
    if int(values["format"]) != FORMAT:
        age = "a newer" if int(values["format"]) > FORMAT else "an older"
        raise GalleryError(
            f"The gallery {folder} was written by {age} version of this program "
            f"(format {values['format']}, not {FORMAT}); build it again."
        )
    return Facts(
        json.loads(values["identity"]), values["kind"], int(values["dimension"]), values["generation"]
    )


def _record(row: Sequence[Any]) -> Record:
    """A record from its ``COLUMNS``; SQLite has no truth values."""
    id, image, label, group, source, synthetic, path, site = row
    return Record(id, image, label, group, source, bool(synthetic), path, site)
