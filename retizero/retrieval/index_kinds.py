"""The kinds of gallery, and how the approximate ones are built and asked: every parameter stands here.

The approximate kinds keep a short copy of each vector: turned onto the directions that hold nearly all of the
squared length, in half precision. An index proposes several times as many rows as are wanted by the short
copies; whoever asks compares the proposed ones by the vectors themselves.
"""

from __future__ import annotations

import math
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from retizero.retrieval.errors import GalleryError

KINDS = ("flat", "fp16", "ivf", "hnsw")
EXACT_KINDS = ("flat", "fp16")
INDEXED_FROM = 8_192  # vectors; fewer are compared one by one, which is as fast

_POINTS_PER_CELL = 39  # FAISS warns about k-means with fewer
_CELLS_PER_ROOT = 4  # cells = 4 sqrt(N), as the FAISS wiki advises
_K_MEANS_ROUNDS = 5
_PROBED_SHARE, _LEAST_PROBED = 1 / 8, 16
_LINKS, _EF_CONSTRUCTION, _EF_SEARCH = 18, 100, 100
_KEPT_LENGTH, _DIRECTIONS_AT_ONCE = 0.975, 32  # share of the squared length that the short copies keep
_PROPOSED = {"ivf": 8, "hnsw": 5}  # times as many rows as are wanted
_LOOKED_AT = 65_536  # vectors that directions are found from
_BLOCK = 16_384


def check_kind(kind: str) -> None:
    """Refuse a kind that does not exist.

    Raises:
        GalleryError: The kind is not one of ``KINDS``.
    """
    if kind not in KINDS:
        raise GalleryError(f"There is no index kind {kind!r}; use one of {', '.join(KINDS)}.")


def precision_of(kind: str) -> type[np.floating[Any]]:
    """How the vectors of a kind are stored."""
    return np.float16 if kind == "fp16" else np.float32


def is_indexed(kind: str, number: int) -> bool:
    """Whether so many vectors of a kind get a FAISS index."""
    return kind not in EXACT_KINDS and number >= INDEXED_FROM


def cells_of(number: int) -> int:
    """Inverted lists for so many vectors."""
    return max(1, min(round(_CELLS_PER_ROOT * math.sqrt(number)), number // _POINTS_PER_CELL))


def probed_of(cells: int) -> int:
    """How many of so many inverted lists a query looks into."""
    return min(cells, max(_LEAST_PROBED, math.ceil(cells * _PROBED_SHARE)))


def build_index(vectors: NDArray[np.floating[Any]], kind: str) -> faiss.Index:
    """Build an inner-product index whose results are row numbers of ``vectors``.

    Args:
        vectors: (N, D) float32, unit norm, N at least 1.
        kind: ``ivf`` inverted lists around about 4 sqrt(N) centroids; ``hnsw`` a navigable graph.
    """
    number, dimension = vectors.shape
    directions = _directions(_sample(vectors, _LOOKED_AT))
    turn: Any = faiss.LinearTransform(dimension, len(directions), False)
    faiss.copy_array_to_vector(directions.ravel(), turn.A)
    turn.is_trained = True
    short: Any
    if kind == "ivf":
        cells = cells_of(number)
        short = faiss.index_factory(len(directions), f"IVF{cells},SQfp16", faiss.METRIC_INNER_PRODUCT)
        short.cp.seed, short.cp.niter = 0, _K_MEANS_ROUNDS
    else:
        cells = 1
        short = faiss.index_factory(len(directions), f"HNSW{_LINKS},SQfp16", faiss.METRIC_INNER_PRODUCT)
        short.hnsw.efConstruction = _EF_CONSTRUCTION
    short.train(_sample(vectors, cells * _POINTS_PER_CELL) @ directions.T)
    index: Any = faiss.IndexPreTransform(turn, short)
    starts = range(0, number, _BLOCK)
    for start in tqdm(starts, desc=f"Building the {kind} index", unit="block", disable=None, leave=False):
        index.add(np.ascontiguousarray(vectors[start : start + _BLOCK], np.float32))
    built: faiss.Index = index
    return built


def ready(index: faiss.Index, kind: str) -> faiss.Index:
    """Set what an opened index does not remember: one query's inverted lists are shared among the cores."""
    if kind == "ivf":
        faiss.downcast_index(index.index).parallel_mode = 1  # type: ignore[attr-defined]
    return index


def is_current(index: faiss.Index) -> bool:
    """Whether an index was built as ``build_index`` does it now."""
    return isinstance(index, faiss.IndexPreTransform)


def proposed_of(kind: str, fetch: int) -> int:
    """How many rows an index proposes where so many are wanted."""
    return _PROPOSED[kind] * fetch


def search_index(
    index: faiss.Index,
    kind: str,
    queries: NDArray[np.float32],
    fetch: int,
    allowed: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Ask an index for the ``fetch`` nearest of each query by their short copies.

    Args:
        index: What ``build_index`` or the cache gave.
        kind: Its kind.
        queries: (M, D) float32, unit norm.
        fetch: How many.
        allowed: (N,) which rows may be found; all when None.

    Returns:
        About the similarities, and row numbers, both (M, fetch), best first; row -1 where fewer were found.
    """
    library: Any = faiss  # its type stubs lack the search parameters
    searched: Any = faiss.downcast_index(index.index)  # type: ignore[attr-defined]
    selector, widen = None, 1.0
    if allowed is not None:
        bits = np.packbits(allowed, bitorder="little")
        selector = library.IDSelectorBitmap(bits)
        widen = 1 / max(float(allowed.mean()), 1e-9)
    if kind == "ivf":
        probed = min(searched.nlist, math.ceil(probed_of(searched.nlist) * widen))
        parameters = library.SearchParametersIVF(nprobe=probed, sel=selector)
    else:
        beam = math.ceil(max(_EF_SEARCH, fetch) * widen)
        parameters = library.SearchParametersHNSW(efSearch=beam, sel=selector)
    turned = library.SearchParametersPreTransform(index_params=parameters)
    similarities, rows = index.search(queries, fetch, params=turned)
    return similarities, rows


def _directions(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Orthonormal directions (d, D) that keep nearly all of the squared length, the largest share first.

    About the origin, not the mean: inner products have to stay as they are.
    """
    shares, axes = np.linalg.eigh(vectors.T @ vectors / len(vectors))
    kept = np.cumsum(shares[::-1]) / shares.sum()
    wanted = int(np.searchsorted(kept, _KEPT_LENGTH)) + 1
    number = min(len(shares), math.ceil(wanted / _DIRECTIONS_AT_ONCE) * _DIRECTIONS_AT_ONCE)
    return np.ascontiguousarray(axes[:, ::-1][:, :number].T, np.float32)


def _sample(vectors: NDArray[np.floating[Any]], wanted: int) -> NDArray[np.float32]:
    if len(vectors) > wanted:
        chosen = np.sort(np.random.default_rng(0).choice(len(vectors), wanted, replace=False))
        vectors = vectors[chosen]
    return np.ascontiguousarray(vectors, np.float32)
