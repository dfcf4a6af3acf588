"""Tables of galleries in PostgreSQL with pgvector, and how vectors travel there.

A row of a gallery is never changed: it is valid from the generation ``added`` until before the generation
``removed``, so a reader that opened one generation keeps seeing it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any, LiteralString

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection, sql

from retizero.retrieval.index_kinds import cells_of, precision_of
from retizero.retrieval.records import COLUMNS, Record

FORMAT = 1
Parameters = Sequence[Any] | Mapping[str, Any]
_LINKS, _EF_CONSTRUCTION = 24, 100
_GALLERIES: LiteralString = """
CREATE TABLE IF NOT EXISTS retizero_galleries (
    name text PRIMARY KEY,
    format integer NOT NULL,
    identity text NOT NULL,
    kind text NOT NULL,
    dimension integer NOT NULL,
    generation bigint NOT NULL,
    rows_in text NOT NULL
)
"""
_ROWS: LiteralString = """
CREATE TABLE {table} (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL,
    image text NOT NULL,
    label text NOT NULL,
    "group" text NOT NULL,
    source text NOT NULL,
    synthetic boolean NOT NULL,
    path text NOT NULL,
    site text NOT NULL,
    embedding {type} NOT NULL,
    added bigint NOT NULL,
    removed bigint
)
"""
FIELDS = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))


def make_catalogue(connection: Connection[Any]) -> None:
    """Make the table of galleries and the vector type where they are missing."""
    # Two makers at once would collide inside PostgreSQL's own catalogue.
    connection.execute("SELECT pg_advisory_xact_lock(hashtext('retizero_galleries'))")
    connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    connection.execute(_GALLERIES)


def make_rows(connection: Connection[Any], kind: str, dimension: int) -> str:
    """Make an empty table of records and vectors, without an index yet; return its name."""
    name = f"retizero_gallery_{uuid.uuid4().hex[:16]}"
    kind_of_vector = sql.SQL("{}({})").format(vector_type(kind), sql.Literal(dimension))
    connection.execute(sql.SQL(_ROWS).format(table=sql.Identifier(name), type=kind_of_vector))
    return name


def index_rows(connection: Connection[Any], name: str, kind: str) -> None:
    """Make the indices of a filled table; new rows enter them as they come."""
    table = sql.Identifier(name)
    connection.execute(sql.SQL("CREATE UNIQUE INDEX ON {} (id) WHERE removed IS NULL").format(table))
    connection.execute(sql.SQL('CREATE INDEX ON {} ("group")').format(table))
    if kind == "ivf":
        (number,) = connection.execute(sql.SQL("SELECT COUNT(*) FROM {}").format(table)).fetchone() or (0,)
        connection.execute(
            sql.SQL("CREATE INDEX ON {} USING ivfflat (embedding vector_ip_ops) WITH (lists = {})").format(
                table, sql.Literal(cells_of(number))
            )
        )
    elif kind == "hnsw":
        connection.execute(
            sql.SQL(
                "CREATE INDEX ON {} USING hnsw (embedding vector_ip_ops) WITH (m = {}, ef_construction = {})"
            ).format(table, sql.Literal(_LINKS), sql.Literal(_EF_CONSTRUCTION))
        )
    connection.execute(sql.SQL("ANALYZE {}").format(table))


def vector_type(kind: str) -> sql.SQL:
    """The column type of a kind's vectors."""
    return sql.SQL("halfvec" if precision_of(kind) is np.float16 else "vector")


def copy_rows(
    connection: Connection[Any],
    name: str,
    kind: str,
    records: Sequence[Record],
    vectors: NDArray[np.floating[Any]],
    generation: int,
) -> None:
    """Send records and vectors in PostgreSQL's binary form."""
    statement = sql.SQL("COPY {} ({}, embedding, added) FROM STDIN (FORMAT BINARY)")
    types = ["bool" if column == "synthetic" else "text" for column in COLUMNS]
    with connection.cursor().copy(statement.format(sql.Identifier(name), FIELDS)) as copy:
        copy.set_types([*types, "bytea", "int8"])
        for record, vector in zip(records, vectors, strict=True):
            copy.write_row((*astuple(record), _binary(vector, kind), generation))


def as_text(vector: NDArray[np.floating[Any]]) -> str:
    """A vector as pgvector reads it from text."""
    return "[" + ",".join(f"{value:.9g}" for value in vector.tolist()) + "]"


def composed(statement: str, name: str, **parts: sql.Composable) -> sql.Composed:
    """A statement of this package with ``{table}`` and other parts put in as identifiers."""
    return sql.SQL(statement).format(table=sql.Identifier(name), fields=FIELDS, **parts)


def _binary(vector: NDArray[np.floating[Any]], kind: str) -> bytes:
    """What pgvector receives: number of values, two bytes unused, values big-endian."""
    head = np.array([len(vector), 0], ">i2").tobytes()
    return head + vector.astype(np.dtype(precision_of(kind)).newbyteorder(">")).tobytes()
