"""The kinds of FAISS index a gallery can have, and how each is built and asked."""

from __future__ import annotations

import math
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from retizero.retrieval.errors import GalleryError

KINDS = ("flat", "fp16", "ivf", "hnsw")
EXACT_KINDS = ("flat", "fp16")
_POINTS_PER_CELL = 39  # FAISS warns about k-means with fewer
_TRAINING_POINTS_PER_CELL = 64
_LINKS, _EF_CONSTRUCTION, _EF_SEARCH = 32, 200, 128


def check_kind(kind: str) -> None:
    """Refuse a kind that does not exist.

    Raises:
        GalleryError: The kind is not one of ``KINDS``.
    """
    if kind not in KINDS:
        raise GalleryError(f"There is no index kind {kind!r}; use one of {', '.join(KINDS)}.")


def build_index(vectors: NDArray[np.floating[Any]], kind: str) -> faiss.Index:
    """Build an inner-product index whose results are row numbers of ``vectors``.

    Args:
        vectors: (N, D) float16 or float32, unit norm, N at least 1.
        kind: ``flat`` exact; ``fp16`` exact on half-precision vectors, half the memory; ``ivf`` inverted
            lists around about 4 sqrt(N) centroids; ``hnsw`` a navigable graph.
    """
    number, dimension = vectors.shape
    metric = faiss.METRIC_INNER_PRODUCT
    index: Any
    if kind == "flat":
        index = faiss.IndexFlatIP(dimension)
    elif kind == "fp16":
        index = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, metric)
    elif kind == "ivf":
        cells = max(1, min(round(4 * math.sqrt(number)), number // _POINTS_PER_CELL))
        index = faiss.index_factory(dimension, f"IVF{cells},Flat", metric)
        index.cp.seed = 0
        index.train(_sample(vectors, cells * _TRAINING_POINTS_PER_CELL))
    else:
        index = faiss.index_factory(dimension, f"HNSW{_LINKS},Flat", metric)
        index.hnsw.efConstruction = _EF_CONSTRUCTION
    for start in range(0, number, 65_536):
        index.add(np.ascontiguousarray(vectors[start : start + 65_536], np.float32))
    built: faiss.Index = index
    return built


def search_index(
    index: faiss.Index, kind: str, queries: NDArray[np.float32], fetch: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Ask an index for the ``fetch`` nearest of each query.

    Returns:
        Similarities and row numbers, both (M, fetch), best first; row number -1 where an approximate index
        found fewer.
    """
    parameters = None
    library: Any = faiss  # its type stubs lack the search parameters
    searched: Any = index
    if kind == "ivf":
        parameters = library.SearchParametersIVF(nprobe=max(8, math.ceil(searched.nlist / 16)))
    elif kind == "hnsw":
        parameters = library.SearchParametersHNSW(efSearch=max(_EF_SEARCH, 2 * fetch))
    similarities, rows = searched.search(queries, fetch, params=parameters)
    return similarities, rows


def _sample(vectors: NDArray[np.floating[Any]], wanted: int) -> NDArray[np.float32]:
    if len(vectors) > wanted:
        chosen = np.sort(np.random.default_rng(0).choice(len(vectors), wanted, replace=False))
        vectors = vectors[chosen]
    return np.ascontiguousarray(vectors, np.float32)
