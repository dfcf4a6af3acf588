"""The zero-shot protocol: rank candidate labels for every image of a manifest, and say how well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retizero.data import Manifest
from retizero.evaluation.answers import Answers, image_ref
from retizero.evaluation.bootstrap import GroupBootstrap
from retizero.evaluation.errors import EvaluationError
from retizero.evaluation.measures import measure
from retizero.evaluation.protocols import ZeroShotProtocol, described
from retizero.evaluation.reliability import BINS
from retizero.evaluation.truth import Truth, candidates_of, truth_of
from retizero.knowledge import LabelSet
from retizero.retrieval import ImageEncoder, embed_rows
from retizero.serving.confidence import dirichlet_uncertainty


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

    def logits(self, image_embeddings: NDArray[np.float32], labels: LabelSet) -> NDArray[np.float64]:
        """Scaled cosine similarities (N, K), of which the evidence is made."""
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
    engine: ZeroShotEngine,
    manifest: Manifest,
    labels: LabelSet | None = None,
    seed: int = 0,
    protocol: ZeroShotProtocol | None = None,
) -> dict[str, Any]:
    """Evaluate zero-shot classification on every image of a manifest.

    The fundus gate drops nothing here: every image that can be read counts.

    Args:
        engine: The model, already in the protocol's prompt style.
        manifest: Images with their labels and groups.
        labels: Candidates; the labels of the manifest where None.
        seed: Seed of the bootstrap.
        protocol: Of which k, coverages and resamples are taken; ``plain`` where None.

    Returns:
        The report of the command contracts, plain values for JSON.

    Raises:
        EvaluationError: No image can be judged.
    """
    protocol = protocol or ZeroShotProtocol()
    labels = labels or candidates_of(manifest.rows)
    truth = truth_of(manifest.rows, labels)
    judged = [manifest.rows[index] for index in truth.kept]
    embedded = embed_rows(judged, engine, "Embedding images")
    if not embedded.rows:
        raise EvaluationError("None of the manifest's images can be read.")
    read = {id(row) for row in embedded.rows}
    lines = [line for line, row in enumerate(judged) if id(row) in read]
    scores = engine.similarity(embedded.vectors, labels)
    sets, coverage = engine.conformal_sets(scores, labels)
    answers = Answers(
        images=tuple(image_ref(row) for row in embedded.rows),
        ids=labels.ids,
        names=labels.names,
        scores=scores,
        truth=truth.matrix[lines],
        primary=truth.primary[lines],
        uncertainty=dirichlet_uncertainty(engine.logits(embedded.vectors, labels)),
        sets=None if coverage is None else sets,
        coverage=coverage,
    )
    bootstrap = GroupBootstrap(answers.groups, protocol.resamples, seed)
    return {
        "n": len(embedded.rows),
        **measure(answers, protocol, bootstrap),
        "protocol": _protocol(manifest, labels, truth, coverage, bootstrap, embedded.problems)
        | {"settings": described(protocol)},
        "model": engine.identity.to_dict(),
        "images": answers.to_rows(),
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
        "names": list(labels.names),
        "correct": "a true label of the image, by catalogue id, is among the k most probable candidates; "
        "ties count against the model",
        "macro_auc": "one versus rest, mean over candidates that some images have and some have not",
        "balanced_accuracy": "mean recall of the most probable candidate over primary labels",
        "per_label": "images with the label; its rank among the labels that are wrong for the image",
        "macro_ap": "average precision of a candidate's probability over images, mean as for macro_auc",
        "aurc": "mean over images of the risk among those at least as sure; wrong: first answer is not true",
        "dirichlet": "K / S with evidence softplus(logit), over exactly these candidates",
        "ece": f"probability of the first candidate, {BINS} bins of equal width",
        "conformal": "not calibrated for exactly these candidates" if coverage is None else calibrated,
        "conformal_target": coverage,
        "intervals": f"{bootstrap.describe()}; per label or source, where all or none are right, Wilson's",
        "groups": bootstrap.n_groups,
        "gate": "no image is dropped by the fundus gate",
        "rows_left_out": {"count": len(truth.left_out), "rows": list(truth.left_out)},
        "labels_unknown_to_catalogue": list(truth.unknown),
        "problems": [*manifest.problems, *unreadable],
    }
