"""A gallery: photographs as vectors and records, searched by similarity, kept in a folder or a database.

``open_gallery`` and ``build_gallery`` choose the store by the gallery's place; what a search means is written
here once for all stores.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.retrieval.conditions import Conditions
from retizero.retrieval.errors import GalleryError
from retizero.retrieval.exact_search import Scores
from retizero.retrieval.index_kinds import EXACT_KINDS
from retizero.retrieval.model_match import Identity, fingerprint, plain, require_same_model
from retizero.retrieval.records import Neighbour, Record, Summary

_WIDEN = 4  # how many times more are asked for when too few passed
_MOST_APPROXIMATE = 10_000  # results; beyond, comparing with all is as quick
Place = str | Path


class Gallery(ABC):
    """One state of a gallery, as it was when opened.

    Changes return the new state; searching is thread-safe.

    Attributes:
        place: Folder or URL, for sentences; without a password.
        identity: The model that made the vectors, ``ModelIdentity.to_dict()``.
        kind: ``flat``, ``fp16``, ``ivf`` or ``hnsw``.
        dimension: Length of a vector.
        generation: Changes with every change of the gallery.
    """

    place: str
    identity: dict[str, Any]
    kind: str
    dimension: int
    generation: str

    @staticmethod
    def open(place: Place) -> Gallery:
        """Open the present state of a gallery.

        Args:
            place: A folder, or ``postgresql://user:password@host/database?gallery=name``.

        Raises:
            GalleryError: There is none, it is damaged, or another version wrote it.
        """
        if is_database(place):
            from retizero.retrieval.postgres_gallery import PostgresGallery

            return PostgresGallery.open_at(str(place))
        from retizero.retrieval.folder_gallery import FolderGallery

        return FolderGallery.open_at(Path(place))

    @staticmethod
    def build(
        place: Place,
        vectors: NDArray[np.floating[Any]],
        records: Sequence[Record],
        identity: Identity,
        kind: str = "flat",
    ) -> Gallery:
        """Make a gallery, or replace the whole content of one in a single step.

        Args:
            place: As ``open`` takes it; a folder may be missing, empty, or a gallery.
            vectors: (N, D) unit norm.
            records: N records with unique ids.
            identity: The model that made the vectors.
            kind: ``flat``, ``fp16``, ``ivf`` or ``hnsw``.

        Raises:
            GalleryError: The vectors and records do not fit, or the place holds something else.
        """
        if is_database(place):
            from retizero.retrieval.postgres_gallery import PostgresGallery

            return PostgresGallery.build_at(str(place), vectors, records, plain(identity), kind)
        from retizero.retrieval.folder_gallery import FolderGallery

        return FolderGallery.build_at(Path(place), vectors, records, plain(identity), kind)

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def records(self) -> tuple[Record, ...]:
        """All records in the order they were added; a large gallery takes its time."""

    @property
    @abstractmethod
    def vectors(self) -> NDArray[np.floating[Any]]:
        """The vectors of ``records``, (N, D)."""

    @abstractmethod
    def summary(self) -> Summary:
        """Count what is in the gallery."""

    @abstractmethod
    def add(self, vectors: NDArray[np.floating[Any]], records: Sequence[Record]) -> Gallery:
        """Add photographs in one step and return the new state.

        Raises:
            GalleryError: An id is there already, or the vectors do not fit.
        """

    @abstractmethod
    def remove(self, ids: Sequence[str]) -> Gallery:
        """Remove photographs by id in one step and return the new state.

        Raises:
            GalleryError: An id is not there; nothing is removed then.
        """

    @abstractmethod
    def update(self, records: Sequence[Record], vectors: NDArray[np.floating[Any]] | None = None) -> Gallery:
        """Replace records by id, and their vectors where given, in one step; return the new state.

        Raises:
            GalleryError: An id is not there, or the vectors do not fit; nothing is changed then.
        """

    @abstractmethod
    def compact(self) -> Gallery:
        """Forget the vectors of removed photographs and index all others together; return the new state."""

    @abstractmethod
    def latest(self) -> Gallery:
        """Return this state, or the newer one where someone changed the gallery. Cheap when nothing did."""

    def latest_or_this(self) -> Gallery:
        """``latest``, or this state while the present one cannot be opened."""
        try:
            return self.latest()
        except GalleryError:
            return self

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what decides the model's image embeddings, see ``model_match.fingerprint``."""
        return fingerprint(self.identity)

    def require(self, identity: Identity) -> None:
        """Refuse a model whose vectors cannot be compared with the gallery's.

        Raises:
            GalleryError: Another model, other weights or another preprocessing made it.
        """
        require_same_model(self.place, self.identity, plain(identity))

    def search(
        self,
        vectors: NDArray[np.floating[Any]],
        top_k: int,
        exclude_groups: Sequence[str | None] | None = None,
        conditions: Conditions | None = None,
        per_group: int | None = None,
    ) -> list[list[Neighbour]]:
        """Find the nearest photographs of each query.

        Args:
            vectors: (M, D) unit norm.
            top_k: How many to return; fewer come back only where the gallery has no more.
            exclude_groups: One group per query that must not be returned, or None for that query.
            conditions: What every result must fulfil.
            per_group: At most so many photographs of one group (patient); any number when None.

        Returns:
            M lists, most similar first.

        Raises:
            GalleryError: ``top_k`` or ``per_group`` is below 1, or the vectors have another length.
        """
        queries = np.ascontiguousarray(np.atleast_2d(vectors), np.float32)
        excluded = [None] * len(queries) if exclude_groups is None else list(exclude_groups)
        self._check_question(queries, top_k, excluded, per_group)
        wanted = conditions or Conditions()
        possible = self._count(wanted)
        found: dict[int, list[Neighbour]] = {query: [] for query in range(len(queries))}
        waiting = list(found) if possible else []
        own = {group for group in excluded if group is not None}
        fetch = top_k + max(self._group_sizes(sorted(own)).values(), default=0)
        fetch *= _WIDEN if per_group is not None else 1
        exactly = self.kind in EXACT_KINDS
        while waiting:
            fetch = min(fetch, possible)
            exactly |= fetch > _MOST_APPROXIMATE
            scores, numbers = self._nearest(queries[waiting], fetch, wanted, exactly)
            records = self._records_of(np.unique(numbers[numbers >= 0]).tolist())
            short = []
            for line, query in enumerate(waiting):
                candidates = [
                    (score, records[number])
                    for score, number in zip(scores[line].tolist(), numbers[line].tolist(), strict=True)
                    if number in records
                ]
                found[query] = _choose(candidates, top_k, excluded[query], per_group)
                if len(found[query]) < top_k:
                    short.append(query)
            # Whoever has too few is asked again for more, at last by comparing with everything.
            if fetch == possible and exactly:
                break
            waiting, exactly = short, exactly or fetch == possible or bool((numbers < 0).any())
            fetch *= _WIDEN
        return list(found.values())

    def near_duplicates(self, vectors: NDArray[np.floating[Any]]) -> list[Neighbour | None]:
        """Find, for each vector (M, D), a photograph of the gallery that is probably the same one."""
        nearest = self.search(vectors, 1) if len(vectors) else []
        return [hits[0] if hits and hits[0].is_near_duplicate else None for hits in nearest]

    @abstractmethod
    def _nearest(
        self, queries: NDArray[np.float32], fetch: int, conditions: Conditions, exactly: bool
    ) -> Scores:
        """Nearest records of each query: similarities and numbers, (M, fetch) each, -1 for none."""

    @abstractmethod
    def _records_of(self, numbers: Sequence[int]) -> Mapping[int, Record]:
        """Records by the numbers that ``_nearest`` gave."""

    @abstractmethod
    def _count(self, conditions: Conditions) -> int:
        """How many photographs fulfil the conditions."""

    @abstractmethod
    def _group_sizes(self, groups: Sequence[str]) -> Mapping[str, int]:
        """How many photographs each group has."""

    def _check_question(
        self,
        queries: NDArray[np.float32],
        top_k: int,
        excluded: Sequence[str | None],
        per_group: int | None,
    ) -> None:
        if top_k < 1:
            raise GalleryError("top_k must be at least 1.")
        if per_group is not None and per_group < 1:
            raise GalleryError("per_group must be at least 1.")
        if queries.shape[1] != self.dimension:
            raise GalleryError(
                f"The gallery compares vectors of length {self.dimension}, not {queries.shape[1]}."
            )
        if len(excluded) != len(queries):
            raise GalleryError("exclude_groups needs one group, or None, for each query.")


def is_database(place: Place) -> bool:
    """Whether a place is a database URL and no folder."""
    return str(place).startswith(("postgresql://", "postgres://"))


def check_fit(vectors: NDArray[np.floating[Any]], records: Sequence[Record], dimension: int) -> None:
    """Refuse vectors and records that do not belong together.

    Raises:
        GalleryError: Another number or length of vectors, no unit norm, or an id twice.
    """
    if vectors.ndim != 2 or vectors.shape != (len(records), dimension):
        raise GalleryError(
            f"{len(records)} records need vectors ({len(records)}, {dimension}), not {vectors.shape}."
        )
    for start in range(0, len(vectors), 16_384):
        norms = np.linalg.norm(vectors[start : start + 16_384].astype(np.float32, copy=False), axis=1)
        if not np.allclose(norms, 1, atol=1e-2):  # NaN fails too; half precision passes
            raise GalleryError("The vectors of a gallery must have unit norm.")
    twice = [name for name, times in Counter(record.id for record in records).items() if times > 1]
    if twice:
        raise GalleryError(f"The id {twice[0]!r} appears more than once; ids must be unique.")


def _choose(
    candidates: Sequence[tuple[float, Record]], top_k: int, excluded: str | None, per_group: int | None
) -> list[Neighbour]:
    """Take the first ``top_k`` candidates that may be returned."""
    hits: list[Neighbour] = []
    taken: Counter[str] = Counter()
    for score, record in candidates:
        if record.group == excluded and excluded is not None:
            continue
        if per_group is not None and taken[record.group] >= per_group:
            continue
        taken[record.group] += 1
        hits.append(Neighbour(record.id, record.image, record.label, score, record))
        if len(hits) == top_k:
            break
    return hits
