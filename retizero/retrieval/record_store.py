"""The records of a gallery in SQLite: the truth about what is in it, changed in one transaction at a time."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retizero.retrieval.errors import GalleryError
from retizero.retrieval.records import Record

FILE_NAME = "records.sqlite"
_FORMAT = 1
_WAIT_SECONDS = 30.0
_SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE records (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    image TEXT NOT NULL,
    label TEXT NOT NULL,
    "group" TEXT NOT NULL,
    source TEXT NOT NULL,
    synthetic INTEGER NOT NULL,
    path TEXT NOT NULL,
    vectors TEXT NOT NULL,
    row INTEGER NOT NULL
) STRICT;
"""


@dataclass(frozen=True)
class Facts:
    """What holds for the whole gallery.

    Attributes:
        identity: The model that made the vectors, ``ModelIdentity.to_dict()``.
        kind: ``flat``, ``fp16``, ``ivf`` or ``hnsw``.
        dimension: Length of a vector.
        generation: Changes with every change of the gallery; the index cache is named after it.
    """

    identity: dict[str, Any]
    kind: str
    dimension: int
    generation: str


@dataclass(frozen=True)
class Stored:
    """A record and where its vector lies: a file of vectors and a row in it."""

    record: Record
    vectors: str
    row: int


def create(folder: Path) -> None:
    """Make an empty database in a folder."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.executescript(_SCHEMA)


def read(folder: Path) -> tuple[Facts, tuple[Stored, ...]]:
    """Read one consistent state of a gallery.

    Raises:
        GalleryError: There is no gallery in the folder, it is damaged, or a newer version wrote it.
    """
    file = folder / FILE_NAME
    if not file.is_file():
        raise GalleryError(f"{folder} is not a gallery: it has no {FILE_NAME}.")
    try:
        uri = f"{file.resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=_WAIT_SECONDS)) as connection:
            connection.execute("BEGIN")
            facts = _parse_facts(connection)
            rows = connection.execute(
                'SELECT id, image, label, "group", source, synthetic, path, vectors, row '
                "FROM records ORDER BY number"
            ).fetchall()
    except (sqlite3.DatabaseError, json.JSONDecodeError, KeyError) as error:
        raise GalleryError(f"The records of the gallery {folder} are damaged; build it again.") from error
    stored = tuple(
        Stored(Record(id, image, label, group, source, bool(synthetic), path), vectors, place)
        for id, image, label, group, source, synthetic, path, vectors, place in rows
    )
    return facts, stored


@contextmanager
def changing(folder: Path) -> Iterator[sqlite3.Connection]:
    """Hold the gallery's write lock; everything in the block becomes visible at its end or not at all.

    Raises:
        GalleryError: Another writer holds the lock for longer than 30 seconds, or the folder is read-only.
    """
    with closing(
        sqlite3.connect(folder / FILE_NAME, timeout=_WAIT_SECONDS, isolation_level=None)
    ) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise GalleryError(
                f"The gallery {folder} is being changed by someone else or is read-only."
            ) from error
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
        "format": str(_FORMAT),
        "identity": json.dumps(facts.identity, sort_keys=True, ensure_ascii=False),
        "kind": facts.kind,
        "dimension": str(facts.dimension),
        "generation": facts.generation,
    }
    connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", values.items())


def require_same(connection: sqlite3.Connection, facts: Facts) -> None:
    """Refuse to change a gallery that someone replaced after it was opened.

    Raises:
        GalleryError: Another model or another kind now holds.
    """
    now = _parse_facts(connection)
    if (now.identity, now.kind, now.dimension) != (facts.identity, facts.kind, facts.dimension):
        raise GalleryError("The gallery was replaced by another one meanwhile; open it again.")


def insert(connection: sqlite3.Connection, records: Sequence[Record], vectors: str) -> None:
    """Add records whose vectors are the rows of one file, in order.

    Raises:
        GalleryError: An id is there already.
    """
    rows = [
        (
            each.id,
            each.image,
            each.label,
            each.group,
            each.source,
            int(each.synthetic),
            each.path,
            vectors,
            row,
        )
        for row, each in enumerate(records)
    ]
    connection.execute("SAVEPOINT inserting")
    try:
        connection.executemany(
            'INSERT INTO records (id, image, label, "group", source, synthetic, path, vectors, row) '
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
    except sqlite3.IntegrityError as error:
        connection.execute("ROLLBACK TO inserting")
        there = {row[0] for row in connection.execute("SELECT id FROM records")}
        twice = next((each.id for each in records if each.id in there), records[0].id)
        raise GalleryError(f"The gallery already has {twice!r}; remove it first.") from error
    connection.execute("RELEASE inserting")


def delete(connection: sqlite3.Connection, ids: Sequence[str]) -> None:
    """Remove records by id.

    Raises:
        GalleryError: An id is not there.
    """
    for each in ids:
        if connection.execute("DELETE FROM records WHERE id = ?", (each,)).rowcount == 0:
            raise GalleryError(f"The gallery has no {each!r}.")


def vector_files(connection: sqlite3.Connection) -> frozenset[str]:
    """Names of the files of vectors that records refer to."""
    return frozenset(row[0] for row in connection.execute("SELECT DISTINCT vectors FROM records"))


def _parse_facts(connection: sqlite3.Connection) -> Facts:
    values = dict(connection.execute("SELECT name, value FROM facts"))
    if int(values["format"]) > _FORMAT:
        raise GalleryError("The gallery was written by a newer version of this program.")
    return Facts(
        json.loads(values["identity"]), values["kind"], int(values["dimension"]), values["generation"]
    )
