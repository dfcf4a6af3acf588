"""A gallery: vectors and records on disk, changed atomically, searched through FAISS.

Layout of the folder: ``records.sqlite`` says what is in the gallery and is the point of commit;
``vectors-*.npy`` hold the vectors and are never changed once written; ``index-*.faiss`` is a cache. A
writer first writes its vectors, then commits the records, so whatever interrupts it leaves the old gallery
and at most a file that the next writer clears away.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from retizero.retrieval import record_store
from retizero.retrieval.errors import GalleryError
from retizero.retrieval.index_cache import cached_index
from retizero.retrieval.index_kinds import EXACT_KINDS, check_kind, search_index
from retizero.retrieval.record_store import Facts, Stored
from retizero.retrieval.records import Neighbour, Record
from retizero.retrieval.vector_files import (
    VECTOR_FILES,
    gather_vectors,
    new_folder,
    vector_file_name,
    write_vectors,
)

# The fields of a model identity that decide its image embeddings; calibration and words do not.
_DECIDING = ("id", "architecture", "embed_dim", "preprocess", "weights_sha256", "pooling")
_OPEN_ATTEMPTS = 3


class HasIdentity(Protocol):
    """A model identity object, such as ``retizero.model.ModelIdentity``."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        ...


class Gallery:
    """One state of a gallery, as it was when opened.

    Changes return the new state; searching is thread-safe.
    """

    def __init__(
        self, directory: Path, facts: Facts, stored: tuple[Stored, ...], vectors: NDArray[np.floating[Any]]
    ) -> None:
        self.directory = directory
        self.identity = facts.identity
        self.kind = facts.kind
        self.dimension = facts.dimension
        self.generation = facts.generation
        self.records: tuple[Record, ...] = tuple(each.record for each in stored)
        self.vectors = vectors
        self._group_sizes = Counter(record.group for record in self.records)

    def __len__(self) -> int:
        return len(self.records)

    @classmethod
    def build(
        cls,
        directory: str | Path,
        vectors: NDArray[np.float32],
        records: Sequence[Record],
        identity: Mapping[str, Any] | HasIdentity,
        kind: str = "flat",
    ) -> Gallery:
        """Make a gallery, or replace the whole content of one in a single step.

        Args:
            directory: Folder of the gallery; missing, empty, or a gallery.
            vectors: (N, D) float32, unit norm.
            records: N records with unique ids.
            identity: The model that made the vectors.
            kind: ``flat``, ``fp16``, ``ivf`` or ``hnsw``.

        Raises:
            GalleryError: The vectors and records do not fit, or the folder holds something else.
        """
        directory = Path(directory)
        check_kind(kind)
        if len(records) == 0:
            raise GalleryError("A gallery needs at least one photograph.")
        _check(vectors, records, vectors.shape[-1])
        facts = Facts(_plain(identity), kind, int(vectors.shape[1]), uuid.uuid4().hex)
        if (directory / record_store.FILE_NAME).is_file():
            _write(directory, facts, records, vectors, replacing=True)
        else:
            with new_folder(directory) as temporary:
                record_store.create(temporary)
                _write(temporary, facts, records, vectors, replacing=True)
        return cls.open(directory)

    @classmethod
    def open(cls, directory: str | Path) -> Gallery:
        """Open the present state of a gallery.

        Raises:
            GalleryError: There is none, or it is damaged.
        """
        directory = Path(directory)
        for attempt in range(_OPEN_ATTEMPTS):
            facts, stored = record_store.read(directory)
            try:
                return cls(directory, facts, stored, gather_vectors(directory, facts, stored))
            except FileNotFoundError:
                # A writer cleared old vectors away between the two reads; the next read sees the new state.
                if attempt == _OPEN_ATTEMPTS - 1:
                    break
            except (OSError, ValueError, IndexError) as error:
                raise GalleryError(
                    f"The vectors of the gallery {directory} are damaged; build it again."
                ) from error
        raise GalleryError(f"Vectors of the gallery {directory} are missing; build it again.")

    def add(self, vectors: NDArray[np.float32], records: Sequence[Record]) -> Gallery:
        """Add photographs in one step and return the new state.

        Raises:
            GalleryError: An id is there already, or the vectors do not fit.
        """
        if len(records) == 0:
            return Gallery.open(self.directory)
        _check(vectors, records, self.dimension)
        _write(self.directory, self._next_facts(), records, vectors, replacing=False)
        return Gallery.open(self.directory)

    def remove(self, ids: Sequence[str]) -> Gallery:
        """Remove photographs by id in one step and return the new state.

        Raises:
            GalleryError: An id is not there; nothing is removed then.
        """
        with record_store.changing(self.directory) as connection:
            facts = self._next_facts()
            record_store.require_same(connection, facts)
            record_store.delete(connection, ids)
            record_store.write_facts(connection, facts)
        return Gallery.open(self.directory)

    def require(self, identity: Mapping[str, Any] | HasIdentity) -> None:
        """Refuse a model whose vectors cannot be compared with the gallery's.

        Raises:
            GalleryError: Another model, other weights or another preprocessing made it.
        """
        asked = _plain(identity)
        names = [name for name in _DECIDING if name in asked or name in self.identity] or [
            *asked,
            *self.identity,
        ]
        differing = [name for name in names if asked.get(name) != self.identity.get(name)]
        if differing:
            raise GalleryError(
                f"The gallery {self.directory} was made by {_name(self.identity)} and cannot answer "
                f"{_name(asked)}: they differ in {', '.join(differing)}; build it again with that model."
            )

    def search(
        self,
        vectors: NDArray[np.float32],
        top_k: int,
        exclude_groups: Sequence[str | None] | None = None,
    ) -> list[list[Neighbour]]:
        """Find the nearest photographs of each query.

        Args:
            vectors: (M, D) float32, unit norm.
            top_k: How many to return; fewer come back only where the gallery has no more.
            exclude_groups: One group per query that must not be returned, or None for that query.

        Returns:
            M lists, most similar first.

        Raises:
            GalleryError: ``top_k`` is below 1 or the vectors have another length.
        """
        queries = np.ascontiguousarray(np.atleast_2d(vectors), np.float32)
        if top_k < 1:
            raise GalleryError("top_k must be at least 1.")
        if queries.shape[1] != self.dimension:
            raise GalleryError(
                f"The gallery compares vectors of length {self.dimension}, not {queries.shape[1]}."
            )
        excluded = [None] * len(queries) if exclude_groups is None else list(exclude_groups)
        if len(excluded) != len(queries):
            raise GalleryError("exclude_groups needs one group, or None, for each query.")
        if len(self) == 0 or len(queries) == 0:
            return [[] for _ in queries]
        # As many more as the largest group that will be dropped: exact, without asking twice.
        fetch = min(len(self), top_k + max(self._group_sizes.get(group or "", 0) for group in excluded))
        similarities, rows = search_index(self._index, self.kind, queries, fetch)
        found = []
        for query, group, scores, numbers in zip(queries, excluded, similarities, rows, strict=True):
            hits = self._neighbours(scores, numbers, group, top_k)
            possible = min(top_k, len(self) - (self._group_sizes.get(group, 0) if group is not None else 0))
            if len(hits) < possible and self.kind not in EXACT_KINDS:
                hits = self._exact(query, group, top_k)
            found.append(hits)
        return found

    @cached_property
    def _index(self) -> faiss.Index:
        return cached_index(self.directory, self.generation, self.kind, self.vectors)

    def _neighbours(
        self, scores: NDArray[np.float32], rows: NDArray[np.int64], group: str | None, top_k: int
    ) -> list[Neighbour]:
        hits: list[Neighbour] = []
        for score, row in zip(scores.tolist(), rows.tolist(), strict=True):
            if len(hits) == top_k:
                break
            if row < 0:
                continue
            record = self.records[row]
            if group is None or record.group != group:
                hits.append(Neighbour(record.id, record.image, record.label, score, record))
        return hits

    def _exact(self, query: NDArray[np.float32], group: str | None, top_k: int) -> list[Neighbour]:
        """Compare with every vector: what an approximate index falls back to when it found too few."""
        scores = np.asarray(self.vectors @ query, np.float32)
        rows = np.argsort(-scores, kind="stable")
        return self._neighbours(scores[rows], rows, group, top_k)

    def _next_facts(self) -> Facts:
        return Facts(self.identity, self.kind, self.dimension, uuid.uuid4().hex)


def _plain(identity: Mapping[str, Any] | HasIdentity) -> dict[str, Any]:
    return dict(identity) if isinstance(identity, Mapping) else identity.to_dict()


def _name(identity: Mapping[str, Any]) -> str:
    weights = str(identity.get("weights_sha256", ""))[:8]
    return f"{identity.get('id', 'an unnamed model')}" + (f" (weights {weights})" if weights else "")


def _check(vectors: NDArray[np.float32], records: Sequence[Record], dimension: int) -> None:
    if vectors.ndim != 2 or vectors.shape != (len(records), dimension):
        raise GalleryError(
            f"{len(records)} records need vectors ({len(records)}, {dimension}), not {vectors.shape}."
        )
    norms = np.linalg.norm(vectors.astype(np.float32, copy=False), axis=1)
    if not np.allclose(norms, 1, atol=1e-2):  # NaN fails too; half precision passes
        raise GalleryError("The vectors of a gallery must have unit norm.")
    twice = [name for name, times in Counter(record.id for record in records).items() if times > 1]
    if twice:
        raise GalleryError(f"The id {twice[0]!r} appears more than once; ids must be unique.")


def _write(
    folder: Path, facts: Facts, records: Sequence[Record], vectors: NDArray[np.float32], *, replacing: bool
) -> None:
    """Write vectors, then commit records; clear away files that no record refers to."""
    name = vector_file_name(facts)
    with record_store.changing(folder) as connection:
        if replacing:
            connection.execute("DELETE FROM records")
        else:
            record_store.require_same(connection, facts)
        record_store.insert(connection, records, name)
        record_store.write_facts(connection, facts)
        kept = record_store.vector_files(connection)
        write_vectors(folder / name, facts, vectors)
    for file in folder.glob(VECTOR_FILES):
        if file.name not in kept:
            file.unlink(missing_ok=True)
