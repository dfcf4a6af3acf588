"""The image-to-image retrieval protocol: are the nearest images of a gallery of the same disease?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.data import Manifest, ManifestRow
from retizero.evaluation.bootstrap import GroupBootstrap, estimate_mean
from retizero.evaluation.chance import hit_chance
from retizero.evaluation.errors import EvaluationError
from retizero.evaluation.metrics import average_precision
from retizero.evaluation.truth import label_id
from retizero.evaluation.zero_shot import TOP_K, ZeroShotEngine
from retizero.retrieval import embed_rows

_CELLS = 8_000_000  # similarities held at a time: 32 MB


@dataclass(frozen=True)
class _Side:
    """Embedded images of one side, with the ids of their labels and their groups."""

    vectors: NDArray[np.float32]
    rows: tuple[ManifestRow, ...]
    labels: tuple[frozenset[str], ...]
    problems: tuple[str, ...]


@dataclass(frozen=True)
class _Outcome:
    """Per query: relevance of the first 5 results, average precision, and how many could be found."""

    first: NDArray[np.bool_]
    average_precision: NDArray[np.float64]
    relevant: NDArray[np.int64]
    eligible: NDArray[np.int64]


def evaluate_retrieval(
    engine: ZeroShotEngine, gallery: Manifest, queries: Manifest | None = None, seed: int = 0
) -> dict[str, Any]:
    """Evaluate retrieval by exact cosine similarity.

    Args:
        engine: The model.
        gallery: Images that are searched.
        queries: Images that are asked; where None, each image of the gallery is asked against the others.
        seed: Seed of the bootstrap.

    Returns:
        The report of the command contracts, plain values for JSON.

    Raises:
        EvaluationError: No image can be read, or no query has an image of another group to be compared with.
    """
    searched = _embed(engine, gallery, "Embedding the gallery")
    asked = searched if queries is None else _embed(engine, queries, "Embedding the queries")
    outcome = _compare(asked, searched)
    if not outcome.eligible.any():
        raise EvaluationError(
            "Every image of the gallery belongs to the group of the query; nothing can be found."
        )
    bootstrap = GroupBootstrap([row.group for row in asked.rows], seed=seed)
    hit = {k: np.asarray(outcome.first[:, :k].any(axis=1)) for k in TOP_K}
    precision = {k: outcome.first[:, :k].sum(axis=1) / k for k in TOP_K}
    return {
        "n_gallery": len(searched.rows),
        "n_queries": len(asked.rows),
        "hit_at": {str(k): estimate_mean(hit[k], bootstrap) for k in TOP_K},
        "precision_at": {str(k): estimate_mean(precision[k], bootstrap) for k in TOP_K},
        "map": estimate_mean(outcome.average_precision, bootstrap),
        "per_label": _per_label(asked, hit, precision, outcome),
        "chance": {
            "hit_at": {
                str(k): float(hit_chance(outcome.relevant, outcome.eligible, k).mean()) for k in TOP_K
            },
            "precision_at": float((outcome.relevant / np.maximum(outcome.eligible, 1)).mean()),
        },
        "protocol": {
            "task": "image-to-image retrieval",
            "gallery": gallery.path.name,
            "queries": "each image of the gallery, itself left out" if queries is None else queries.path.name,
            "similarity": "cosine similarity of image embeddings, compared with every image of the gallery",
            "relevant": "shares at least one label with the query, by catalogue id",
            "excluded": "images of the query's own group, the query itself included",
            "hit_at": "1 when one of the first k results is relevant, else 0; mean over queries",
            "precision_at": "relevant results among the first k, divided by k; mean over queries",
            "map": "average precision over the whole ranking; mean over queries",
            "queries_without_relevant_image": int((outcome.relevant == 0).sum()),
            "queries_without_relevant_image_count": "as misses",
            "intervals": bootstrap.describe(),
            "groups": bootstrap.n_groups,
            "problems": [*searched.problems, *(asked.problems if queries is not None else ())],
        },
        "model": engine.identity.to_dict(),
    }


def _embed(engine: ZeroShotEngine, manifest: Manifest, title: str) -> _Side:
    embedded = embed_rows(manifest.rows, engine, title)
    if not embedded.rows:
        raise EvaluationError(f"None of the images of {manifest.path} can be read.")
    ids = {text: label_id(text) for text in {label for row in embedded.rows for label in row.labels}}
    labels = tuple(frozenset(ids[text] for text in row.labels) for row in embedded.rows)
    return _Side(embedded.vectors, embedded.rows, labels, (*manifest.problems, *embedded.problems))


def _compare(asked: _Side, searched: _Side) -> _Outcome:
    """Rank the gallery for each query and look at what is relevant."""
    share = _label_matrix(asked.labels, searched.labels)
    names = {name: number for number, name in enumerate(dict.fromkeys(row.group for row in searched.rows))}
    groups = np.array([names[row.group] for row in searched.rows])
    own = np.array([names.get(row.group, -1) for row in asked.rows])
    first = np.zeros((len(asked.rows), max(TOP_K)), np.bool_)
    precisions, relevant, eligible = np.zeros((3, len(asked.rows)))
    step = max(1, _CELLS // len(searched.rows))
    for start in range(0, len(asked.rows), step):
        similarities = asked.vectors[start : start + step] @ searched.vectors.T
        for offset, scores in enumerate(similarities):
            query = start + offset
            others = np.flatnonzero(groups != own[query])
            order = others[np.argsort(-scores[others], kind="stable")]
            found = (share[0][query] @ share[1][:, order]) > 0
            first[query, : min(len(order), max(TOP_K))] = found[: max(TOP_K)]
            precisions[query] = average_precision(found)
            relevant[query], eligible[query] = found.sum(), len(order)
    return _Outcome(first, precisions, relevant.astype(np.int64), eligible.astype(np.int64))


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


def _per_label(
    asked: _Side,
    hit: dict[int, NDArray[np.bool_]],
    precision: dict[int, NDArray[np.float64]],
    outcome: _Outcome,
) -> list[dict[str, Any]]:
    rows = []
    for label in sorted(frozenset().union(*asked.labels)):
        mine = np.array([label in labels for labels in asked.labels])
        rows.append(
            {
                "id": label,
                "n": int(mine.sum()),
                **{f"hit{k}": float(hit[k][mine].mean()) for k in TOP_K},
                **{f"precision{k}": float(precision[k][mine].mean()) for k in TOP_K},
                "map": float(outcome.average_precision[mine].mean()),
            }
        )
    return rows
