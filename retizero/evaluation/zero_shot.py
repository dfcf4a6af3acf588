"""The zero-shot protocol: rank candidate labels for every image of a manifest, and say how well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retizero.data import Manifest, ManifestRow
from retizero.evaluation.bootstrap import GroupBootstrap, estimate, estimate_mean
from retizero.evaluation.chance import hit_chance
from retizero.evaluation.errors import EvaluationError
from retizero.evaluation.metrics import (
    ECE_BINS,
    balanced_accuracy,
    calibration_error,
    label_ranks,
    macro_auc,
    roc_auc,
    truth_ranks,
)
from retizero.evaluation.truth import Truth, candidates_of, truth_of
from retizero.knowledge import LabelSet
from retizero.retrieval import ImageEncoder, embed_rows

TOP_K = (1, 3, 5)


class HasIdentity(Protocol):
    """A model identity object, such as ``retizero.model.ModelIdentity``."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        ...


class ZeroShotEngine(ImageEncoder, Protocol):
    """What the protocol needs of a model, such as ``retizero.Engine``."""

    @property
    def identity(self) -> HasIdentity:
        """Who answers."""
        ...

    def similarity(self, image_embeddings: NDArray[np.float32], labels: LabelSet) -> NDArray[np.float64]:
        """Calibrated probabilities (N, K) over the candidates."""
        ...

    def conformal_sets(
        self, probabilities: NDArray[np.float64], labels: LabelSet
    ) -> tuple[tuple[tuple[str, ...], ...], float | None]:
        """Conformal set of ids of each row, and the coverage they promise, None where not calibrated."""
        ...


def evaluate_zero_shot(
    engine: ZeroShotEngine, manifest: Manifest, labels: LabelSet | None = None, seed: int = 0
) -> dict[str, Any]:
    """Evaluate zero-shot classification on every image of a manifest.

    The fundus gate drops nothing here: every image that can be read counts.

    Args:
        engine: The model.
        manifest: Images with their labels and groups.
        labels: Candidates; the labels of the manifest where None.
        seed: Seed of the bootstrap.

    Returns:
        The report of the command contracts, plain values for JSON.

    Raises:
        EvaluationError: No image can be judged.
    """
    labels = labels or candidates_of(manifest.rows)
    truth = truth_of(manifest.rows, labels)
    judged = [manifest.rows[index] for index in truth.kept]
    embedded = embed_rows(judged, engine, "Embedding images")
    if not embedded.rows:
        raise EvaluationError("None of the manifest's images can be read.")
    read = {id(row) for row in embedded.rows}
    lines = [line for line, row in enumerate(judged) if id(row) in read]
    matrix, primary = truth.matrix[lines], truth.primary[lines]
    scores = engine.similarity(embedded.vectors, labels)
    sets, coverage = engine.conformal_sets(scores, labels)
    bootstrap = GroupBootstrap([row.group for row in embedded.rows], seed=seed)
    return {
        "n": len(embedded.rows),
        **_measures(scores, matrix, primary, bootstrap),
        "per_label": _per_label(scores, matrix, labels),
        "per_source": _per_source(scores, matrix, embedded.rows),
        "conformal": _conformal(sets, coverage, matrix, labels),
        "chance": _chance(matrix, primary),
        "protocol": _protocol(manifest, labels, truth, coverage, bootstrap, embedded.problems),
        "model": engine.identity.to_dict(),
    }


def _measures(
    scores: NDArray[np.float64],
    matrix: NDArray[np.bool_],
    primary: NDArray[np.int64],
    bootstrap: GroupBootstrap,
) -> dict[str, Any]:
    ranks = truth_ranks(scores, matrix)
    only_primary = np.zeros_like(matrix)
    only_primary[np.arange(len(primary)), primary] = True
    first_is_primary = truth_ranks(scores, only_primary) == 1
    return {
        "top_k": {str(k): estimate_mean(ranks <= k, bootstrap) for k in TOP_K},
        "macro_auc": estimate(lambda w: macro_auc(scores, matrix, w), bootstrap),
        "balanced_accuracy": estimate(lambda w: balanced_accuracy(first_is_primary, primary, w), bootstrap),
        "ece": estimate(lambda w: calibration_error(scores.max(axis=1), ranks == 1, w), bootstrap),
    }


def _per_label(
    scores: NDArray[np.float64], matrix: NDArray[np.bool_], labels: LabelSet
) -> list[dict[str, Any]]:
    ranks = label_ranks(scores, matrix)
    rows = []
    for column, (label, name) in enumerate(zip(labels.ids, labels.names, strict=True)):
        mine = matrix[:, column]
        if not mine.any():
            continue
        auc = float(roc_auc(scores[:, column], mine)[0])
        rows.append(
            {
                "id": label,
                "label": name,
                "n": int(mine.sum()),
                **{f"top{k}": float((ranks[mine, column] <= k).mean()) for k in TOP_K},
                "auc": auc if np.isfinite(auc) else None,
            }
        )
    return rows


def _per_source(
    scores: NDArray[np.float64], matrix: NDArray[np.bool_], rows: Sequence[ManifestRow]
) -> list[dict[str, Any]]:
    ranks = truth_ranks(scores, matrix)
    sources = np.array([row.source for row in rows])
    return [
        {
            "source": source,
            "n": int((sources == source).sum()),
            **{f"top{k}": float((ranks[sources == source] <= k).mean()) for k in TOP_K},
        }
        for source in sorted(set(sources.tolist()) - {""})
    ]


def _conformal(
    sets: Sequence[Sequence[str]], coverage: float | None, matrix: NDArray[np.bool_], labels: LabelSet
) -> dict[str, float | None]:
    if coverage is None:
        return {"coverage": None, "mean_size": None}
    ids = np.array(labels.ids)
    covered = [
        bool(set(ids[true].tolist()) & set(members)) for true, members in zip(matrix, sets, strict=True)
    ]
    return {"coverage": float(np.mean(covered)), "mean_size": float(np.mean([len(each) for each in sets]))}


def _chance(matrix: NDArray[np.bool_], primary: NDArray[np.int64]) -> dict[str, Any]:
    right, possible = matrix.sum(axis=1), np.full(len(matrix), matrix.shape[1])
    return {
        "top_k": {str(k): float(hit_chance(right, possible, k).mean()) for k in TOP_K},
        "macro_auc": 0.5,
        "balanced_accuracy": 1 / matrix.shape[1],
        "always_the_most_frequent_label": float(matrix.mean(axis=0).max()),
    }


def _protocol(
    manifest: Manifest,
    labels: LabelSet,
    truth: Truth,
    coverage: float | None,
    bootstrap: GroupBootstrap,
    unreadable: Sequence[str],
) -> dict[str, Any]:
    calibrated = "the set holds a true label of the image"
    return {
        "task": "zero-shot classification",
        "manifest": manifest.path.name,
        "label_set": {"name": labels.name, "version": labels.version, "size": len(labels.ids)},
        "candidates": list(labels.ids),
        "correct": "a true label of the image, by catalogue id, is among the k most probable candidates; "
        "ties count against the model",
        "macro_auc": "one versus rest, mean over candidates that some images have and some have not",
        "balanced_accuracy": "mean recall of the most probable candidate over primary labels",
        "per_label": "images with the label; its rank among the labels that are wrong for the image",
        "ece": f"probability of the first candidate, {ECE_BINS} bins of equal width",
        "conformal": "not calibrated for exactly these candidates" if coverage is None else calibrated,
        "conformal_target": coverage,
        "intervals": bootstrap.describe(),
        "groups": bootstrap.n_groups,
        "gate": "no image is dropped by the fundus gate",
        "rows_left_out": {"count": len(truth.left_out), "rows": list(truth.left_out)},
        "labels_unknown_to_catalogue": list(truth.unknown),
        "problems": [*manifest.problems, *unreadable],
    }
