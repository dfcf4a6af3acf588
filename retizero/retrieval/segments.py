"""Search in the files of vectors of one state of a gallery."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from retizero.retrieval import gpu, index_kinds
from retizero.retrieval.exact_search import Scores, best_of, exact_among, exact_search
from retizero.retrieval.index_cache import cached_index, index_file
from retizero.retrieval.index_kinds import is_indexed, proposed_of, ready, search_index
from retizero.retrieval.record_store import Segment
from retizero.retrieval.vector_files import open_vectors

_SELECTIVE = 0.05  # share of allowed vectors below which an approximate index is not asked


class VectorSegment:
    """One file of vectors, memory-mapped, with its FAISS index where the kind and the size call for one.

    Attributes:
        first: Number of the record that row 0 belongs to.
        vectors: (N, D) as stored.
    """

    def __init__(self, folder: Path, segment: Segment, kind: str, dimension: int) -> None:
        self.first = segment.first
        self.vectors = open_vectors(folder, segment.name, segment.rows, dimension)
        self._folder, self._name, self._kind = folder, segment.name, kind
        self._index: faiss.Index | None = None
        self._on_gpu: faiss.Index | None = None
        self._lock = threading.Lock()
        if is_indexed(kind, segment.rows) and index_file(folder, segment.name, kind).exists():
            self._opened()  # now, while the files of this state are surely there

    def search(
        self,
        queries: NDArray[np.float32],
        fetch: int,
        allowed: NDArray[np.bool_] | None,
        exactly: bool,
    ) -> Scores:
        """Nearest rows of each query as numbers of records, (M, fetch) each, -1 where there are no more."""
        indexed = is_indexed(self._kind, len(self.vectors)) and not exactly
        if indexed and allowed is not None and allowed.mean() < _SELECTIVE:
            indexed = False
        proposed = min(proposed_of(self._kind, fetch), len(self.vectors)) if indexed else fetch
        on_gpu = (
            self._gpu_copy() if allowed is None and not exactly and proposed <= gpu.MOST_RESULTS else None
        )
        if on_gpu is not None:
            scores, rows = on_gpu.search(queries, proposed)
        elif indexed:
            scores, rows = search_index(self._opened(), self._kind, queries, proposed, allowed)
        if indexed:
            scores, rows = exact_among(self.vectors, queries, rows, fetch)
        elif on_gpu is None:
            scores, rows = exact_search(self.vectors, queries, fetch, allowed)
        return scores, np.where(rows >= 0, rows + self.first, -1)

    def _opened(self) -> faiss.Index:
        with self._lock:
            if self._index is None:
                found = cached_index(self._folder, self._name, self._kind, self.vectors)
                self._index = ready(found, self._kind)
            return self._index

    def _gpu_copy(self) -> faiss.Index | None:
        if not gpu.is_there() or self._kind == "hnsw" or len(self.vectors) < index_kinds.INDEXED_FROM:
            return None
        index = self._opened() if self._kind == "ivf" else None
        with self._lock:
            if self._on_gpu is None:
                self._on_gpu = gpu.copy_to_gpu(self.vectors, self._kind, index)
            return self._on_gpu


def search_segments(
    segments: Sequence[VectorSegment],
    queries: NDArray[np.float32],
    fetch: int,
    allowed: Sequence[NDArray[np.bool_] | None],
    exactly: bool,
) -> Scores:
    """Search all segments and keep the best of each query, (M, fetch) similarities and record numbers."""
    found = [
        segment.search(queries, min(fetch, len(segment.vectors)), mask, exactly)
        for segment, mask in zip(segments, allowed, strict=True)
        if mask is None or mask.any()
    ]
    if not found:
        empty = np.empty((len(queries), 0))
        return best_of(empty.astype(np.float32), empty.astype(np.int64), fetch)
    if len(found) == 1 and found[0][0].shape[1] == fetch:
        return found[0]
    scores, numbers = zip(*found, strict=True)
    return best_of(np.hstack(scores), np.hstack(numbers), fetch)
