"""Compare queries with every vector: what exact kinds do, and what approximate ones fall back to."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

# Half precision scores are off by at most one rounding of the query, of the sum and of the result, each below
# 2**-12 for unit vectors: whoever is among the best exactly is within this much of them.
_HALF_MARGIN = 1e-3
_MOST_CANDIDATES = 4_096
_ROWS_AT_ONCE, _QUERIES_AT_ONCE = 32_768, 256  # 32 MB of scores
_GATHER_BELOW = 0.25  # share of allowed rows below which copying them is cheaper than comparing all

Scores = tuple[NDArray[np.float32], NDArray[np.int64]]


def exact_search(
    vectors: NDArray[np.floating[Any]],
    queries: NDArray[np.float32],
    fetch: int,
    allowed: NDArray[np.bool_] | None = None,
) -> Scores:
    """Find the ``fetch`` vectors with the largest inner product for each query.

    Args:
        vectors: (N, D) float16 or float32, unit norm; may be memory-mapped.
        queries: (M, D) float32, unit norm.
        fetch: How many, at least 1.
        allowed: (N,) which vectors may be found; all when None.

    Returns:
        Similarities and row numbers, both (M, fetch), best first; row -1 where there are no more.
    """
    if allowed is not None and allowed.mean() < _GATHER_BELOW:
        rows = np.flatnonzero(allowed)
        scores, places = exact_search(vectors[rows], queries, fetch)
        return scores, np.where(places >= 0, rows[places] if len(rows) else -1, -1)
    if len(queries) == 1 and len(vectors) > 0:
        scores, found = _one(vectors, queries[0], fetch, allowed)
        return _padded(scores[None], found[None], fetch)
    parts = [
        _several(vectors, queries[start : start + _QUERIES_AT_ONCE], fetch, allowed)
        for start in range(0, len(queries), _QUERIES_AT_ONCE)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def exact_among(
    vectors: NDArray[np.floating[Any]], queries: NDArray[np.float32], rows: NDArray[np.int64], fetch: int
) -> Scores:
    """Keep the ``fetch`` best of rows that were proposed for each query, compared exactly.

    Args:
        vectors: (N, D) unit norm; may be memory-mapped.
        queries: (M, D) float32, unit norm.
        rows: (M, F) row numbers, -1 for nothing.
        fetch: How many to keep.
    """
    scores = np.empty(rows.shape, np.float32)
    for query, proposed, out in zip(queries, rows, scores, strict=True):
        order = np.argsort(proposed)  # files are read forwards
        out[order] = vectors[proposed[order]].astype(np.float32, copy=False) @ query
    return best_of(scores, rows, fetch)


def best_of(scores: NDArray[np.float32], rows: NDArray[np.int64], fetch: int) -> Scores:
    """Keep the best ``fetch`` of each line, best first; equal scores in the order of their rows.

    Args:
        scores: (M, F) similarities.
        rows: (M, F) what they belong to, -1 for nothing.
        fetch: How many to keep; lines are filled up with -1.
    """
    scores = np.where(rows >= 0, scores, -np.inf).astype(np.float32)
    order = np.lexsort((rows, -scores), axis=1)[:, :fetch]
    return _padded(np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1), fetch)


def _one(
    vectors: NDArray[np.floating[Any]],
    query: NDArray[np.float32],
    fetch: int,
    allowed: NDArray[np.bool_] | None,
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    half = vectors.dtype == np.float16
    if half:  # numpy would convert all of it first
        scores = torch.mv(torch.from_numpy(vectors), torch.from_numpy(query).half())
    else:
        scores = torch.from_numpy(vectors @ query)
    if allowed is not None:
        scores = scores.masked_fill(torch.from_numpy(~allowed), -torch.inf)
    best = torch.topk(scores, min(fetch, len(scores)))
    rows = best.indices
    if half:
        # The least of the best, and whoever might have been rounded below it, are compared again exactly.
        limit = best.values[-1] - _HALF_MARGIN
        rows = torch.nonzero(scores >= limit).ravel()
        if len(rows) > max(_MOST_CANDIDATES, fetch):
            rows = torch.topk(scores, max(_MOST_CANDIDATES, fetch)).indices
    found = np.sort(rows.numpy())
    if allowed is not None:
        found = found[allowed[found]]
    exact = vectors[found].astype(np.float32) @ query
    order = np.argsort(-exact, kind="stable")[:fetch]
    return exact[order], found[order]


def _several(
    vectors: NDArray[np.floating[Any]],
    queries: NDArray[np.float32],
    fetch: int,
    allowed: NDArray[np.bool_] | None,
) -> Scores:
    scores = np.empty((len(queries), 0), np.float32)
    rows = np.empty((len(queries), 0), np.int64)
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        block = np.ascontiguousarray(vectors[start : start + _ROWS_AT_ONCE], np.float32)
        here = queries @ block.T
        if allowed is not None:
            here[:, ~allowed[start : start + len(block)]] = -np.inf
        numbers = np.broadcast_to(np.arange(start, start + len(block)), here.shape)
        if fetch < len(block):
            kept = np.argpartition(-here, fetch - 1, axis=1)[:, :fetch]
            here, numbers = np.take_along_axis(here, kept, 1), kept + start
        numbers = np.where(np.isneginf(here), -1, numbers)
        scores, rows = best_of(np.hstack([scores, here]), np.hstack([rows, numbers]), fetch)
    return _padded(scores, rows, fetch)


def _padded(scores: NDArray[np.float32], rows: NDArray[np.int64], fetch: int) -> Scores:
    if scores.shape[1] == fetch:
        return scores.astype(np.float32, copy=False), rows.astype(np.int64, copy=False)
    missing = ((0, 0), (0, fetch - scores.shape[1]))
    return (
        np.pad(scores.astype(np.float32, copy=False), missing, constant_values=-np.inf),
        np.pad(rows.astype(np.int64, copy=False), missing, constant_values=-1),
    )
