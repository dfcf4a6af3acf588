"""The release's retrieval, for comparison: another embedding, another similarity, clusters of all images.

It is transductive: queries and gallery are embedded by UMAP and clustered together, so that an answer depends
on which other images are asked. Facts of the release (ImageRetrieval.py of LooKing9218/RetiZero): mean patch
token; similarity s / (s + d) with s half the norm of the gallery's image and d the Euclidean distance; UMAP
with 20 neighbours to 256 dimensions; HDBSCAN with leaf clusters of at least 100, the noise being a cluster of
its own; similarities between clusters count half.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.evaluation.errors import EvaluationError
from retizero.evaluation.protocols import RetrievalProtocol
from retizero.retrieval import ImageEncoder

Vectors = NDArray[np.floating[Any]]


class PatchMeanEncoder:
    """Embeds as the release's retrieval does, where a model can: mean patch token before the final norm.

    Args:
        model: A dual encoder with ``encode_for_retrieval`` and ``retrieval_preprocess``.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - the tower's own class needs torch to be named
        self._model = model

    def embed_image(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed (H, W, 3) uint8 RGB photographs: (N, width) float32, not normalised."""
        pixels = np.stack([self._model.retrieval_preprocess(image) for image in images])
        return np.asarray(self._model.encode_for_retrieval(pixels), np.float32)


def official_encoder(engine: ImageEncoder) -> tuple[ImageEncoder, str]:
    """The encoder of the official protocol and what it is; the engine itself where it has no patch tokens."""
    model = getattr(engine, "model", None)
    if hasattr(model, "encode_for_retrieval"):
        return PatchMeanEncoder(model), "mean patch token before the final norm, not normalised"
    return engine, "the model's image embedding, unit norm: it has no patch-token embedding"


def clusters_of(vectors: Vectors, protocol: RetrievalProtocol) -> NDArray[np.int64]:
    """Cluster of each of N vectors after UMAP, (N,), -1 for noise.

    Raises:
        EvaluationError: Too few images, or umap-learn is not installed.
    """
    if len(vectors) <= protocol.umap_components + 1:
        raise EvaluationError(
            f"The official protocol maps images to {protocol.umap_components} dimensions and needs more than "
            f"{protocol.umap_components + 1} of them; there are {len(vectors)}."
        )
    try:
        umap = importlib.import_module("umap")
    except ImportError:
        raise EvaluationError(
            "The official protocol needs umap-learn; install it with: pip install umap-learn"
        ) from None
    from sklearn.cluster import HDBSCAN

    mapped = umap.UMAP(
        n_neighbors=protocol.umap_neighbours,
        n_components=protocol.umap_components,
        min_dist=0.0,
        metric="euclidean",
        random_state=protocol.umap_seed,
        n_jobs=1,  # with a seed UMAP works on one core; saying so keeps it from warning
    ).fit_transform(np.asarray(vectors, np.float32))
    # scikit-learn counts a point among its own neighbours, the hdbscan package of the release does not.
    found = HDBSCAN(
        min_cluster_size=protocol.min_cluster_size,
        min_samples=min(protocol.min_cluster_size + 1, len(mapped)),
        cluster_selection_method="leaf",
        copy=True,
    ).fit(mapped)
    return np.asarray(found.labels_, np.int64)


def official_similarity(
    queries: Vectors,
    gallery: Vectors,
    query_clusters: NDArray[np.integer[Any]],
    gallery_clusters: NDArray[np.integer[Any]],
    across: float = 0.5,
) -> NDArray[np.float64]:
    """Similarity s_j / (s_j + ||e_i - e_j||), s_j = ||e_j|| / 2, times ``across`` between clusters.

    Args:
        queries: (M, D).
        gallery: (N, D).
        query_clusters: (M,).
        gallery_clusters: (N,).
        across: Factor between different clusters.

    Returns:
        (M, N).

    >>> official_similarity(np.array([[2.0, 0]]), np.array([[2.0, 0], [0, 2]]), np.zeros(1), np.array([0, 1])).round(6)
    array([[1.      , 0.130602]])
    """  # noqa: E501 - an example is one line
    left, right = np.asarray(queries, np.float64), np.asarray(gallery, np.float64)
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
    distances = np.sqrt(np.maximum(squares, 0))
    scale = np.linalg.norm(right, axis=1) / 2
    same = np.asarray(query_clusters)[:, None] == np.asarray(gallery_clusters)
    return np.asarray(scale / (scale + distances) * np.where(same, 1.0, across))
