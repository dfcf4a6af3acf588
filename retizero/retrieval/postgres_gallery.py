"""A gallery in PostgreSQL with pgvector: many hosts add to it and search it at once.

The place is a URL such as ``postgresql://user:password@host/database?gallery=name``; without a name the
gallery is called ``gallery``. PostgreSQL gives what the folder does by itself: a change is one transaction,
writers wait for one another, and a killed one leaves nothing behind.
"""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import Connection, sql
from psycopg.rows import dict_row

from retizero.retrieval import postgres_tables as tables
from retizero.retrieval.conditions import Conditions
from retizero.retrieval.errors import GalleryError
from retizero.retrieval.exact_search import Scores
from retizero.retrieval.gallery import Gallery, check_fit
from retizero.retrieval.index_kinds import check_kind
from retizero.retrieval.records import Record, Summary

_DEFAULT_NAME = "gallery"
_LARGEST_BEAM = 1_000  # of pgvector's hnsw.ef_search
_LEAST_PROBES, _LISTS_A_PROBE = 16, 32  # of pgvector's ivfflat.probes
_LIVE = "added <= {now} AND (removed IS NULL OR removed > {now})"


class Database:
    """One connection, used by one thread at a time, opened again when it was lost."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url.replace("postgresql+psycopg://", "postgresql://", 1))
        query = dict(parse_qsl(parts.query))
        self.gallery = query.pop("gallery", _DEFAULT_NAME)
        self._url = urlunsplit(parts._replace(query=urlencode(query)))
        host = parts.hostname or query.get("host", "localhost")
        self.place = f"postgresql://{host}{parts.path}?gallery={self.gallery}"
        self._connection: Connection[Any] | None = None
        self._lock = threading.Lock()

    @contextmanager
    def transaction(self) -> Iterator[Connection[Any]]:
        """Everything in the block is committed together or not at all.

        Raises:
            GalleryError: The database cannot be reached, or refuses what is asked.
        """
        with self._lock:
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = psycopg.connect(self._url, autocommit=True)
                    weakref.finalize(self, self._connection.close)
                with self._connection.transaction():
                    yield self._connection
            except psycopg.errors.UndefinedTable as error:
                raise GalleryError(
                    f"The gallery {self.place} was replaced by another one meanwhile; open it again."
                ) from error
            except psycopg.Error as error:
                said = " ".join(str(error).split()) or type(error).__name__
                raise GalleryError(f"The database {self.place} cannot be used: {said}.") from error


class PostgresGallery(Gallery):
    """One generation of a gallery in PostgreSQL; see ``Gallery``."""

    def __init__(self, database: Database, facts: Mapping[str, Any]) -> None:
        self._database = database
        self.place = database.place
        self.identity: dict[str, Any] = json.loads(facts["identity"])
        self.kind, self.dimension = str(facts["kind"]), int(facts["dimension"])
        self.generation = str(facts["generation"])
        self._rows_in = str(facts["rows_in"])
        self._size = self._count(Conditions())

    def __len__(self) -> int:
        return self._size

    @classmethod
    def build_at(
        cls,
        url: str,
        vectors: NDArray[np.floating[Any]],
        records: Sequence[Record],
        identity: dict[str, Any],
        kind: str,
    ) -> PostgresGallery:
        """See ``Gallery.build``."""
        check_kind(kind)
        if len(records) == 0:
            raise GalleryError("A gallery needs at least one photograph.")
        check_fit(vectors, records, vectors.shape[-1])
        database = Database(url)
        with database.transaction() as connection:
            tables.make_catalogue(connection)
            before = connection.execute(
                "SELECT rows_in, generation FROM retizero_galleries WHERE name = %s FOR UPDATE",
                [database.gallery],
            ).fetchone()
            dimension, generation = int(vectors.shape[1]), (before[1] + 1 if before else 1)
            name = tables.make_rows(connection, kind, dimension)
            tables.copy_rows(connection, name, kind, records, vectors, generation)
            tables.index_rows(connection, name, kind)
            connection.execute("DELETE FROM retizero_galleries WHERE name = %s", [database.gallery])
            connection.execute(
                "INSERT INTO retizero_galleries VALUES (%s, %s, %s, %s, %s, %s, %s)",
                [
                    database.gallery,
                    tables.FORMAT,
                    json.dumps(identity, sort_keys=True, ensure_ascii=False),
                    kind,
                    dimension,
                    generation,
                    name,
                ],
            )
            if before:
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(before[0])))
        return cls(database, _facts(database))

    @classmethod
    def open_at(cls, url: str) -> PostgresGallery:
        """See ``Gallery.open``."""
        database = Database(url)
        return cls(database, _facts(database))

    @property
    def records(self) -> tuple[Record, ...]:
        """See ``Gallery.records``."""
        rows = self._ask("SELECT {fields} FROM {table} WHERE {live} ORDER BY number")
        return tuple(Record(*row) for row in rows)

    @property
    def vectors(self) -> NDArray[np.floating[Any]]:
        """See ``Gallery.vectors``."""
        rows = self._ask("SELECT embedding::real[] FROM {table} WHERE {live} ORDER BY number")
        return np.array([row[0] for row in rows], np.float32).reshape(-1, self.dimension)

    def summary(self) -> Summary:
        """See ``Gallery.summary``."""
        (size,) = self._ask("SELECT pg_total_relation_size(%(name)s)", {"name": self._rows_in})[0]
        return Summary(
            n=len(self),
            groups=len(self._counts("group")),
            synthetic=self._counts("synthetic").get(True, 0),
            labels=self._counts("label"),
            sources=self._counts("source"),
            sites=self._counts("site"),
            size=int(size),
        )

    def add(self, vectors: NDArray[np.floating[Any]], records: Sequence[Record]) -> PostgresGallery:
        """See ``Gallery.add``."""
        if len(records) == 0:
            return self.latest()
        check_fit(vectors, records, self.dimension)
        with self._writing() as (connection, generation):
            self._insert(connection, records, vectors, generation)
        return self.latest()

    def remove(self, ids: Sequence[str]) -> PostgresGallery:
        """See ``Gallery.remove``."""
        with self._writing() as (connection, generation):
            self._retire(connection, ids, generation)
        return self.latest()

    def update(
        self, records: Sequence[Record], vectors: NDArray[np.floating[Any]] | None = None
    ) -> PostgresGallery:
        """See ``Gallery.update``; changed photographs move to the end."""
        if vectors is not None:
            check_fit(vectors, records, self.dimension)
        with self._writing() as (connection, generation):
            numbers = self._retire(connection, [record.id for record in records], generation)
            if vectors is None:
                rows = connection.execute(
                    tables.composed(
                        "SELECT number, embedding::real[] FROM {table} WHERE number = ANY(%s)", self._rows_in
                    ),
                    [numbers],
                ).fetchall()
                stored = dict(rows)
                vectors = np.array([stored[number] for number in numbers], np.float32)
            self._insert(connection, records, vectors, generation)
        return self.latest()

    def compact(self) -> PostgresGallery:
        """See ``Gallery.compact``."""
        with self._writing() as (connection, generation):
            name = tables.make_rows(connection, self.kind, self.dimension)
            connection.execute(
                tables.composed(
                    "INSERT INTO {target} ({fields}, embedding, added) "
                    "SELECT {fields}, embedding, %s FROM {table} WHERE removed IS NULL ORDER BY number",
                    self._rows_in,
                    target=sql.Identifier(name),
                ),
                [generation],
            )
            tables.index_rows(connection, name, self.kind)
            connection.execute(
                "UPDATE retizero_galleries SET rows_in = %s WHERE name = %s", [name, self._database.gallery]
            )
            connection.execute(tables.composed("DROP TABLE {table}", self._rows_in))
        return self.latest()

    def latest(self) -> PostgresGallery:
        """See ``Gallery.latest``."""
        facts = _facts(self._database)
        same = (str(facts["generation"]), facts["rows_in"]) == (self.generation, self._rows_in)
        return self if same else PostgresGallery(self._database, facts)

    def _nearest(
        self, queries: NDArray[np.float32], fetch: int, conditions: Conditions, exactly: bool
    ) -> Scores:
        scores = np.full((len(queries), fetch), -np.inf, np.float32)
        numbers = np.full((len(queries), fetch), -1, np.int64)
        among = self._columns(conditions)
        statement = (
            "SELECT number, embedding <#> %(query)s::{type} AS distance FROM {table} "
            "WHERE {live} AND {conditions} ORDER BY distance LIMIT %(fetch)s"
        )
        with self._database.transaction() as connection:
            self._tune(connection, fetch, exactly)
            for line, query in enumerate(queries):
                values = {"query": tables.as_text(query), "fetch": fetch}
                rows = self._answer(connection, statement, values, among)
                # A relaxed index scan may be out of order by a little.
                for place, (number, distance) in enumerate(sorted(rows, key=lambda row: (row[1], row[0]))):
                    scores[line, place], numbers[line, place] = -distance, number
        return scores, numbers

    def _tune(self, connection: Connection[Any], fetch: int, exactly: bool) -> None:
        """Set what the index scans of this transaction may cost."""
        if exactly:
            connection.execute("SET LOCAL enable_indexscan = off")
        elif self.kind == "hnsw":
            beam = min(_LARGEST_BEAM, max(100, 2 * fetch))
            connection.execute(sql.SQL("SET LOCAL hnsw.ef_search = {}").format(sql.Literal(beam)))
            connection.execute("SET LOCAL hnsw.iterative_scan = strict_order")
        elif self.kind == "ivf":
            (index,) = connection.execute(
                "SELECT reloptions FROM pg_class JOIN pg_index ON indexrelid = oid JOIN pg_am ON "
                "relam = pg_am.oid WHERE indrelid = %s::regclass AND amname = 'ivfflat'",
                [self._rows_in],
            ).fetchone() or (None,)
            lists = int(index[0].partition("=")[2]) if index else 1
            probes = sql.Literal(max(_LEAST_PROBES, lists // _LISTS_A_PROBE))
            connection.execute(sql.SQL("SET LOCAL ivfflat.probes = {}").format(probes))
            connection.execute("SET LOCAL ivfflat.iterative_scan = relaxed_order")

    def _records_of(self, numbers: Sequence[int]) -> Mapping[int, Record]:
        rows = self._ask(
            "SELECT number, {fields} FROM {table} WHERE number = ANY(%(numbers)s)", {"numbers": list(numbers)}
        )
        return {row[0]: Record(*row[1:]) for row in rows}

    def _count(self, conditions: Conditions) -> int:
        asked = self._columns(conditions)
        ((number,),) = self._ask("SELECT COUNT(*) FROM {table} WHERE {live} AND {conditions}", {}, asked)
        return int(number)

    def _group_sizes(self, groups: Sequence[str]) -> Mapping[str, int]:
        return self._counts("group", {"group": groups}) if groups else {}

    def _counts(self, column: str, among: Mapping[str, Sequence[str]] | None = None) -> dict[Any, int]:
        statement = (
            "SELECT {column}, COUNT(*) FROM {table} WHERE {live} AND {conditions} "
            "GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        return dict(self._ask(statement, {}, among or {}, column=sql.Identifier(column)))

    def _columns(self, conditions: Conditions) -> dict[str, tuple[str, ...]]:
        return conditions.columns(self._counts("label") if conditions.labels else ())

    def _ask(
        self,
        statement: str,
        values: Mapping[str, Any] | None = None,
        among: Mapping[str, Sequence[str]] | None = None,
        **parts: sql.Composable,
    ) -> list[tuple[Any, ...]]:
        with self._database.transaction() as connection:
            return self._answer(connection, statement, values or {}, among or {}, **parts)

    def _answer(
        self,
        connection: Connection[Any],
        statement: str,
        values: Mapping[str, Any],
        among: Mapping[str, Sequence[str]],
        **parts: sql.Composable,
    ) -> list[tuple[Any, ...]]:
        """Ask about the rows of this generation whose columns have one of the values of ``among`` each."""
        terms = [
            sql.SQL("{} = ANY({})").format(sql.Identifier(column), sql.Placeholder(column))
            for column in among
        ]
        composed = tables.composed(
            statement,
            self._rows_in,
            live=sql.SQL(_LIVE).format(now=sql.Literal(int(self.generation))),
            conditions=sql.SQL(" AND ").join(terms) if terms else sql.SQL("TRUE"),
            type=tables.vector_type(self.kind),
            **parts,
        )
        lists = {column: list(allowed) for column, allowed in among.items()}
        return connection.execute(composed, {**values, **lists}).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[tuple[Connection[Any], int]]:
        """Hold the lock of this very gallery; yields the generation that the next state has.

        Raises:
            GalleryError: Someone replaced the gallery after it was opened.
        """
        with self._database.transaction() as connection:
            row = connection.execute(
                "SELECT identity, kind, dimension, generation, rows_in FROM retizero_galleries "
                "WHERE name = %s FOR UPDATE",
                [self._database.gallery],
            ).fetchone()
            if row is None or (json.loads(row[0]), *row[1:3]) != (self.identity, self.kind, self.dimension):
                raise GalleryError("The gallery was replaced by another one meanwhile; open it again.")
            self._rows_in = row[4]
            yield connection, row[3] + 1
            connection.execute(
                "UPDATE retizero_galleries SET generation = %s WHERE name = %s",
                [row[3] + 1, self._database.gallery],
            )

    def _insert(
        self,
        connection: Connection[Any],
        records: Sequence[Record],
        vectors: NDArray[np.floating[Any]],
        generation: int,
    ) -> None:
        try:
            tables.copy_rows(connection, self._rows_in, self.kind, records, vectors, generation)
        except psycopg.errors.UniqueViolation as error:
            twice = str(error.diag.message_detail or "").partition("=(")[2].partition(") already")[0]
            raise GalleryError(f"The gallery already has {twice!r}; remove or update it.") from error

    def _retire(self, connection: Connection[Any], ids: Sequence[str], generation: int) -> list[int]:
        """End the rows of some photographs with this generation; return their numbers in the order of ids."""
        rows = connection.execute(
            tables.composed(
                "UPDATE {table} SET removed = %s WHERE id = ANY(%s) AND removed IS NULL RETURNING id, number",
                self._rows_in,
            ),
            [generation, list(ids)],
        ).fetchall()
        numbers = dict(rows)
        if missing := [each for each in ids if each not in numbers]:
            raise GalleryError(f"The gallery has no {missing[0]!r}.")
        return [numbers[each] for each in ids]


def _facts(database: Database) -> dict[str, Any]:
    """What holds for a gallery now.

    Raises:
        GalleryError: There is none of this name, or another version wrote it.
    """
    with database.transaction() as connection:
        there = connection.execute("SELECT to_regclass('retizero_galleries')").fetchone()
        cursor = connection.cursor(row_factory=dict_row)
        query = "SELECT * FROM retizero_galleries WHERE name = %s"
        facts = cursor.execute(query, [database.gallery]).fetchone() if there and there[0] else None
    if facts is None:
        raise GalleryError(f"There is no gallery at {database.place}; build it first.")
    if facts["format"] != tables.FORMAT:
        age = "a newer" if facts["format"] > tables.FORMAT else "an older"
        raise GalleryError(
            f"The gallery {database.place} was written by {age} version of this program "
            f"(format {facts['format']}, not {tables.FORMAT}); build it again."
        )
    return facts
