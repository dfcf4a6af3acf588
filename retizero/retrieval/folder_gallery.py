"""A gallery in a folder.

``records.sqlite`` says what is in the gallery and is the point of commit; ``vectors-*.npy`` hold the vectors
and are never changed once written; ``index-*.faiss`` are a cache. A writer first writes vectors and index,
then commits the records, so whatever interrupts it leaves the old gallery, and files that the next writer
clears away. Additions go to one small file at the end, compared vector by vector, until it is large enough
for an index of its own: adding never builds the large index again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.retrieval import index_kinds, record_store
from retizero.retrieval.conditions import Conditions
from retizero.retrieval.errors import GalleryError
from retizero.retrieval.exact_search import Scores
from retizero.retrieval.gallery import Gallery, check_fit
from retizero.retrieval.index_cache import INDEX_FILES, store_index
from retizero.retrieval.index_kinds import check_kind, is_indexed, precision_of
from retizero.retrieval.record_store import Facts, Segment, Snapshot
from retizero.retrieval.records import Record, Summary
from retizero.retrieval.segments import VectorSegment, search_segments
from retizero.retrieval.vector_files import VECTOR_FILES, new_name, open_vectors, write_vectors

_OPEN_ATTEMPTS = 3
_MASKS_KEPT = 16
_TEMPORARY = ".*.tmp"
Masks = tuple[NDArray[np.bool_] | None, ...]


class FolderGallery(Gallery):
    """One state of a gallery in a folder; see ``Gallery``."""

    def __init__(self, directory: Path, snapshot: Snapshot) -> None:
        facts = snapshot.facts
        self.directory = directory
        self.place = str(directory)
        self.identity, self.kind, self.dimension = facts.identity, facts.kind, facts.dimension
        self.generation = facts.generation
        self._snapshot = snapshot
        self._segments = tuple(
            VectorSegment(directory, segment, facts.kind, facts.dimension) for segment in snapshot.segments
        )
        self._masks: dict[Conditions, Masks] = {}

    def __len__(self) -> int:
        return len(self._snapshot)

    @classmethod
    def build_at(
        cls,
        directory: Path,
        vectors: NDArray[np.floating[Any]],
        records: Sequence[Record],
        identity: dict[str, Any],
        kind: str,
    ) -> FolderGallery:
        """See ``Gallery.build``."""
        check_kind(kind)
        if len(records) == 0:
            raise GalleryError("A gallery needs at least one photograph.")
        check_fit(vectors, records, vectors.shape[-1])
        if not record_store.exists(directory):
            if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
                raise GalleryError(f"{directory} exists and is not a gallery; choose another folder.")
            directory.mkdir(parents=True, exist_ok=True)
            record_store.create(directory)
        facts = Facts(identity, kind, int(vectors.shape[1]), new_name())
        with _changing(directory) as connection:
            record_store.reset(connection)
            _put(connection, directory, facts, records, [vectors], ())
        return cls.open_at(directory)

    @classmethod
    def open_at(cls, directory: Path) -> FolderGallery:
        """See ``Gallery.open``."""
        for attempt in range(_OPEN_ATTEMPTS):
            snapshot = Snapshot(directory)
            try:
                return cls(directory, snapshot)
            except FileNotFoundError:
                # A writer cleared old vectors away between the two reads; the next read sees the new state.
                if attempt == _OPEN_ATTEMPTS - 1:
                    break
            except (OSError, ValueError) as error:
                raise GalleryError(
                    f"The vectors of the gallery {directory} are damaged; build it again."
                ) from error
        raise GalleryError(f"Vectors of the gallery {directory} are missing; build it again.")

    @property
    def records(self) -> tuple[Record, ...]:
        """See ``Gallery.records``."""
        return self._snapshot.all_records()[1]

    @property
    def vectors(self) -> NDArray[np.floating[Any]]:
        """See ``Gallery.vectors``; memory-mapped where nothing was added or removed."""
        masks = self._allowed(Conditions())
        parts = [
            segment.vectors if mask is None else segment.vectors[mask]
            for segment, mask in zip(self._segments, masks, strict=True)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def summary(self) -> Summary:
        """See ``Gallery.summary``."""
        count = self._snapshot.counts
        return Summary(
            n=len(self),
            groups=len(count("group")),
            synthetic=count("synthetic").get("1", 0),
            labels=count("label"),
            sources=count("source"),
            sites=count("site"),
            size=sum(file.stat().st_size for file in self.directory.iterdir() if file.is_file()),
        )

    def add(self, vectors: NDArray[np.floating[Any]], records: Sequence[Record]) -> FolderGallery:
        """See ``Gallery.add``."""
        if len(records) == 0:
            return self.latest()
        check_fit(vectors, records, self.dimension)
        with self._writing() as (connection, facts):
            _append(connection, self.directory, facts, records, vectors)
        return self.open_at(self.directory)

    def remove(self, ids: Sequence[str]) -> FolderGallery:
        """See ``Gallery.remove``."""
        with self._writing() as (connection, facts):
            record_store.delete(connection, ids)
            record_store.write_facts(connection, facts)
        return self.open_at(self.directory)

    def update(
        self, records: Sequence[Record], vectors: NDArray[np.floating[Any]] | None = None
    ) -> FolderGallery:
        """See ``Gallery.update``; photographs with new vectors move to the end."""
        if vectors is not None:
            check_fit(vectors, records, self.dimension)
        with self._writing() as (connection, facts):
            if vectors is None:
                record_store.replace(connection, records)
                record_store.write_facts(connection, facts)
            elif len(records):
                record_store.delete(connection, [record.id for record in records])
                _append(connection, self.directory, facts, records, vectors)
        return self.open_at(self.directory)

    def compact(self) -> FolderGallery:
        """See ``Gallery.compact``."""
        with self._writing() as (connection, facts):
            now = FolderGallery.open_at(self.directory)  # as committed: this writer has changed nothing yet
            records, vectors = now.records, now.vectors
            record_store.reset(connection)
            _put(connection, self.directory, facts, records, [vectors], ())
        return self.open_at(self.directory)

    def latest(self) -> FolderGallery:
        """See ``Gallery.latest``."""
        if record_store.generation(self.directory) == self.generation:
            return self
        return self.open_at(self.directory)

    def _nearest(
        self, queries: NDArray[np.float32], fetch: int, conditions: Conditions, exactly: bool
    ) -> Scores:
        return search_segments(self._segments, queries, fetch, self._allowed(conditions), exactly)

    def _records_of(self, numbers: Sequence[int]) -> Mapping[int, Record]:
        return self._snapshot.records(numbers)

    def _count(self, conditions: Conditions) -> int:
        if not conditions:
            return len(self)
        return sum(int(mask.sum()) for mask in self._allowed(conditions) if mask is not None)

    def _group_sizes(self, groups: Sequence[str]) -> Mapping[str, int]:
        return self._snapshot.group_sizes(groups) if groups else {}

    def _allowed(self, conditions: Conditions) -> Masks:
        """Which rows of each segment may be found, None where all may; kept for the next search."""
        if conditions not in self._masks:
            if len(self._masks) >= _MASKS_KEPT:
                self._masks.clear()
            self._masks[conditions] = self._find_allowed(conditions)
        return self._masks[conditions]

    def _find_allowed(self, conditions: Conditions) -> Masks:
        if conditions:
            columns = conditions.columns(self._snapshot.counts("label"))
            numbers = self._snapshot.numbers_where(columns)
        else:
            numbers = self._snapshot.removed
        masks: list[NDArray[np.bool_] | None] = []
        for segment in self._segments:
            size = len(segment.vectors)
            rows = numbers[(numbers >= segment.first) & (numbers < segment.first + size)] - segment.first
            mask = np.full(size, not conditions)
            mask[rows] = bool(conditions)
            masks.append(mask if conditions or len(rows) else None)
        return tuple(masks)

    @contextmanager
    def _writing(self) -> Iterator[tuple[sqlite3.Connection, Facts]]:
        """Hold the lock of this very gallery; yields the facts that the next state must have."""
        facts = Facts(self.identity, self.kind, self.dimension, new_name())
        with _changing(self.directory) as connection:
            record_store.require_same(connection, facts, self.directory)
            yield connection, facts


@contextmanager
def _changing(directory: Path) -> Iterator[sqlite3.Connection]:
    """Hold the write lock, clear away what dead writers left, and in the end what is no longer needed."""
    with record_store.changing(directory) as connection:
        before = record_store.segments(connection)
        _sweep(directory, before)
        yield connection
        after = record_store.segments(connection)
    for segment in set(before) - set(after):
        for file in directory.glob(f"*-{segment.name}*"):
            _unlink(file)


def _append(
    connection: sqlite3.Connection,
    directory: Path,
    facts: Facts,
    records: Sequence[Record],
    vectors: NDArray[np.floating[Any]],
) -> None:
    """Add to the last file of vectors, by writing it anew, while it is small; else begin another one."""
    *before, last = record_store.segments(connection) or (None,)
    if last is None or last.rows >= index_kinds.INDEXED_FROM:
        kept = [*before, last] if last else []
        _put(connection, directory, facts, records, [vectors], kept)
    else:
        present = open_vectors(directory, last.name, last.rows, facts.dimension)
        _put(connection, directory, facts, records, [present, vectors], before, merged=last.rows)


def _put(
    connection: sqlite3.Connection,
    directory: Path,
    facts: Facts,
    records: Sequence[Record],
    blocks: Sequence[NDArray[np.floating[Any]]],
    kept: Sequence[Segment],
    merged: int = 0,
) -> None:
    """Write one file of vectors with its index, then its records and the facts.

    Args:
        connection: Inside the transaction that will commit them.
        directory: The gallery's folder.
        facts: What the next state must have.
        records: What is new.
        blocks: Vectors, first of records that are there already, then of the new ones.
        kept: The files before.
        merged: How many of the vectors are of records that are there already.
    """
    first = kept[-1].first + kept[-1].rows if kept else 0
    segment = Segment(new_name(), first, sum(len(block) for block in blocks))
    precision = precision_of(facts.kind)
    write_vectors(directory, segment.name, [block.astype(precision, copy=False) for block in blocks])
    if is_indexed(facts.kind, segment.rows):
        vectors = open_vectors(directory, segment.name, segment.rows, facts.dimension)
        store_index(directory, segment.name, facts.kind, vectors)
    record_store.insert(connection, records, first + merged)
    record_store.put_segments(connection, [*kept, segment])
    record_store.write_facts(connection, facts)


def _sweep(directory: Path, kept: Sequence[Segment]) -> None:
    names = {segment.name for segment in kept}
    for pattern in (VECTOR_FILES, *INDEX_FILES, _TEMPORARY):
        for file in directory.glob(pattern):
            if not any(name in file.name for name in names) or file.name.startswith("."):
                _unlink(file)


def _unlink(file: Path) -> None:
    with suppress(OSError):  # Windows keeps a file that someone has open; the next writer tries again
        file.unlink(missing_ok=True)
