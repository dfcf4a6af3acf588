"""The image-to-image retrieval protocols: are the nearest images of a gallery of the same disease?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.data import Manifest, ManifestRow
from retizero.evaluation.answers import image_ref
from retizero.evaluation.bootstrap import GroupBootstrap, estimate_mean
from retizero.evaluation.chance import hit_chance
from retizero.evaluation.errors import EvaluationError
from retizero.evaluation.metrics import average_precision
from retizero.evaluation.official import clusters_of, official_encoder, official_similarity
from retizero.evaluation.protocols import RetrievalProtocol, described
from retizero.evaluation.truth import label_id
from retizero.evaluation.zero_shot import ZeroShotEngine
from retizero.retrieval import ImageEncoder, embed_rows

_CELLS = 8_000_000  # similarities held at a time: 32 MB


@dataclass(frozen=True)
class Side:
    """Embedded images of one side, with the ids of their labels, the primary one first."""

    vectors: NDArray[np.float32]
    rows: tuple[ManifestRow, ...]
    labels: tuple[tuple[str, ...], ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Outcome:
    """Per query: relevance of the first results, average precision, and how many could be found."""

    first: NDArray[np.bool_]
    average_precision: NDArray[np.float64]
    relevant: NDArray[np.int64]
    eligible: NDArray[np.int64]


def evaluate_retrieval(
    engine: ZeroShotEngine,
    gallery: Manifest,
    queries: Manifest | None = None,
    seed: int = 0,
    protocols: Sequence[RetrievalProtocol] = (RetrievalProtocol(),),
) -> dict[str, Any]:
    """Evaluate retrieval by comparing every query with every image of the gallery.

    Args:
        engine: The model.
        gallery: Images that are searched.
        queries: Images that are asked; where None, each image of the gallery is asked against the others.
        seed: Seed of the bootstrap.
        protocols: The first one's numbers are the report's own, the others' stand in ``other_protocols``.

    Returns:
        The report of the command contracts, plain values for JSON.

    Raises:
        EvaluationError: No image can be read, or no query has an image to be compared with.
    """
    embedded: dict[str, tuple[Side, Side, str]] = {}
    parts = []
    for protocol in protocols:
        if protocol.similarity not in embedded:
            embedded[protocol.similarity] = _embed_both(engine, gallery, queries, protocol)
        asked, searched, embedding = embedded[protocol.similarity]
        parts.append(_report(asked, searched, embedding, protocol, gallery, queries, seed))
    first, *others = parts
    names = [protocol.name for protocol in protocols[1:]]
    return first | {
        "other_protocols": dict(zip(names, others, strict=True)),
        "model": engine.identity.to_dict(),
    }


def compare(asked: Side, searched: Side, protocol: RetrievalProtocol) -> Outcome:
    """Rank the gallery for each query and look at what is relevant.

    Raises:
        EvaluationError: No query has an image it may be compared with.
    """
    shown = max(protocol.k)
    share = _label_matrix(_counted(asked, protocol), _counted(searched, protocol))
    own, owners = _owners(asked.rows, searched.rows, protocol)
    query_clusters, gallery_clusters = _clusters(asked, searched, protocol)
    first = np.zeros((len(asked.rows), shown), np.bool_)
    precisions, relevant, eligible = np.zeros((3, len(asked.rows)))
    step = max(1, _CELLS // len(searched.rows))
    for start in range(0, len(asked.rows), step):
        part = slice(start, start + step)
        if protocol.similarity == "cosine":
            similarities = asked.vectors[part] @ searched.vectors.T
        else:
            similarities = official_similarity(
                asked.vectors[part],
                searched.vectors,
                query_clusters[part],
                gallery_clusters,
                protocol.across_clusters,
            )
        for offset, scores in enumerate(similarities):
            query = start + offset
            others = np.flatnonzero(owners != own[query])
            order = others[np.argsort(-scores[others], kind="stable")]
            found = (share[0][query] @ share[1][:, order]) > 0
            first[query, : min(len(order), shown)] = found[:shown]
            precisions[query] = average_precision(found)
            relevant[query], eligible[query] = found.sum(), len(order)
    if not eligible.any():
        raise EvaluationError(
            "Every image of the gallery belongs to the group of the query; nothing can be found."
        )
    return Outcome(first, precisions, relevant.astype(np.int64), eligible.astype(np.int64))


def _embed_both(
    engine: ZeroShotEngine, gallery: Manifest, queries: Manifest | None, protocol: RetrievalProtocol
) -> tuple[Side, Side, str]:
    encoder: ImageEncoder = engine
    embedding = "the model's image embedding, unit norm"
    if protocol.similarity == "official":
        encoder, embedding = official_encoder(engine)
    searched = _embed(encoder, gallery, "Embedding the gallery")
    asked = searched if queries is None else _embed(encoder, queries, "Embedding the queries")
    return asked, searched, embedding


def _embed(encoder: ImageEncoder, manifest: Manifest, title: str) -> Side:
    embedded = embed_rows(manifest.rows, encoder, title)
    if not embedded.rows:
        raise EvaluationError(f"None of the images of {manifest.path} can be read.")
    ids = {text: label_id(text) for text in {label for row in embedded.rows for label in row.labels}}
    labels = tuple(tuple(ids[text] for text in row.labels) for row in embedded.rows)
    return Side(embedded.vectors, embedded.rows, labels, (*manifest.problems, *embedded.problems))


def _counted(side: Side, protocol: RetrievalProtocol) -> list[frozenset[str]]:
    """The labels by which relevance is judged."""
    return [
        frozenset(labels[:1] if protocol.relevant == "primary label" else labels) for labels in side.labels
    ]


def _owners(
    asked: Sequence[ManifestRow], searched: Sequence[ManifestRow], protocol: RetrievalProtocol
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A number for each query and gallery image; a query is never compared with images of its own number."""

    def owner(row: ManifestRow) -> str:
        return row.group if protocol.exclude == "group" else str(row.image.resolve())

    names = {name: number for number, name in enumerate(dict.fromkeys(map(owner, searched)))}
    own = np.array([names.get(owner(row), -1) for row in asked])
    return own, np.array([names[owner(row)] for row in searched])


def _clusters(
    asked: Side, searched: Side, protocol: RetrievalProtocol
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Clusters of queries and gallery, found over both together; no clusters without the official way."""
    if protocol.similarity == "cosine":
        return np.zeros(len(asked.rows), np.int64), np.zeros(len(searched.rows), np.int64)
    if asked is searched:
        found = clusters_of(searched.vectors, protocol)
        return found, found
    found = clusters_of(np.concatenate([asked.vectors, searched.vectors]), protocol)
    return found[: len(asked.rows)], found[len(asked.rows) :]


def _label_matrix(
    asked: Sequence[frozenset[str]], searched: Sequence[frozenset[str]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Indicators (queries, labels) and (labels, gallery): their product counts shared labels."""
    place = {label: number for number, label in enumerate(sorted(frozenset().union(*searched)))}
    left = np.zeros((len(asked), len(place)), np.float32)
    right = np.zeros((len(place), len(searched)), np.float32)
    for row, labels in enumerate(asked):
        left[row, [place[label] for label in labels if label in place]] = 1
    for column, labels in enumerate(searched):
        right[[place[label] for label in labels], column] = 1
    return left, right


def _report(
    asked: Side,
    searched: Side,
    embedding: str,
    protocol: RetrievalProtocol,
    gallery: Manifest,
    queries: Manifest | None,
    seed: int,
) -> dict[str, Any]:
    outcome = compare(asked, searched, protocol)
    images = [image_ref(row) for row in asked.rows]
    bootstrap = GroupBootstrap([image.group for image in images], protocol.resamples, seed)
    hit = {k: np.asarray(outcome.first[:, :k].any(axis=1)) for k in protocol.k}
    precision = {k: outcome.first[:, :k].sum(axis=1) / k for k in protocol.k}
    hit_by_chance = {k: hit_chance(outcome.relevant, outcome.eligible, k) for k in protocol.k}
    return {
        "n_gallery": len(searched.rows),
        "n_queries": len(asked.rows),
        "hit_at": {str(k): estimate_mean(hit[k], bootstrap) for k in protocol.k},
        "precision_at": {str(k): estimate_mean(precision[k], bootstrap) for k in protocol.k},
        "map": estimate_mean(outcome.average_precision, bootstrap),
        "per_label": _per_label(asked, hit, precision, outcome),
        "chance": {
            "hit_at": {str(k): float(chance.mean()) for k, chance in hit_by_chance.items()},
            "precision_at": float((outcome.relevant / np.maximum(outcome.eligible, 1)).mean()),
        },
        "protocol": {
            **_words(protocol, embedding),
            "gallery": gallery.path.name,
            "queries": "each image of the gallery" if queries is None else queries.path.name,
            "queries_without_relevant_image": int((outcome.relevant == 0).sum()),
            "intervals": bootstrap.describe(),
            "groups": bootstrap.n_groups,
            "problems": [*searched.problems, *(asked.problems if queries is not None else ())],
            "settings": described(protocol),
        },
        "images": [
            {
                **image.to_dict(),
                "truth": list(labels),
                "first": outcome.first[i].astype(int).tolist(),
                "average_precision": float(outcome.average_precision[i]),
            }
            for i, (image, labels) in enumerate(zip(images, asked.labels, strict=True))
        ],
    }


def _words(protocol: RetrievalProtocol, embedding: str) -> dict[str, str]:
    """State what was counted, in sentences."""
    similarity = "cosine similarity, compared with every image of the gallery"
    if protocol.similarity == "official":
        similarity = (
            "s / (s + distance), s half the norm of the gallery's image, times "
            f"{protocol.across_clusters:g} between HDBSCAN clusters of UMAP over queries and gallery together"
        )
    excluded = "images of the query's own group, the query itself included"
    return {
        "task": "image-to-image retrieval",
        "embedding": embedding,
        "similarity": similarity,
        "relevant": "shares at least one label with the query, by catalogue id"
        if protocol.relevant == "any label"
        else "has the query's primary label, by catalogue id",
        "excluded": excluded if protocol.exclude == "group" else "the query itself",
        "hit_at": "1 when one of the first k results is relevant, else 0; mean over queries",
        "precision_at": "relevant results among the first k, divided by k; mean over queries",
        "map": "average precision over the whole ranking; mean over queries",
        "queries_without_relevant_image_count": "as misses",
    }


def _per_label(
    asked: Side,
    hit: dict[int, NDArray[np.bool_]],
    precision: dict[int, NDArray[np.float64]],
    outcome: Outcome,
) -> list[dict[str, Any]]:
    rows = []
    for label in sorted({label for labels in asked.labels for label in labels}):
        mine = np.array([label in labels for labels in asked.labels])
        rows.append(
            {
                "id": label,
                "n": int(mine.sum()),
                **{f"hit{k}": float(values[mine].mean()) for k, values in hit.items()},
                **{f"precision{k}": float(values[mine].mean()) for k, values in precision.items()},
                "map": float(outcome.average_precision[mine].mean()),
            }
        )
    return rows
