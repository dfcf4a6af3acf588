"""What a probe learns from, and how its settings are chosen: on validation photographs, never on test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from retizero.evaluation.metrics import balanced_accuracy
from retizero.knowledge import LabelSet

Floats = NDArray[np.float64]
ChooseBy = Literal["balanced_accuracy", "accuracy"]


class Head(Protocol):
    """A classifier on features, such as ``LinearHead``."""

    def logits(self, features: NDArray[np.floating[Any]]) -> Floats:
        """(N, F) to (N, K)."""
        ...


@dataclass(frozen=True)
class Problem:
    """Few or many labelled features.

    Attributes:
        labels: K classes.
        features: (N, F) float64.
        classes: (N,) class of each.
        val_features: (M, F); M may be 0.
        val_classes: (M,).
        texts: (K, F) embeddings of the class names, unit norm; None where the features are no embeddings.
        scale: What the model multiplies cosines by.
        choose_by: What settings are chosen by.
    """

    labels: LabelSet
    features: Floats
    classes: NDArray[np.int64]
    val_features: Floats
    val_classes: NDArray[np.int64]
    texts: Floats | None
    scale: float
    choose_by: ChooseBy = "balanced_accuracy"

    @property
    def members(self) -> Floats:
        """(N, K) 0/1."""
        return np.asarray(np.eye(len(self.labels))[self.classes])


@dataclass(frozen=True)
class Fitted:
    """A head and the settings it was chosen with."""

    head: Head
    settings: dict[str, Any]


def best_on_validation(problem: Problem, tried: Iterable[Fitted], default: int) -> Fitted:
    """Return the first of the heads that do best on validation photographs.

    Args:
        problem: With the validation photographs.
        tried: In order of preference among equals.
        default: Place of the one that is taken where there are no validation photographs.
    """
    heads = list(tried)
    if not len(problem.val_classes):
        return heads[default]
    scores = [_score(each.head, problem) for each in heads]
    return heads[int(np.argmax(scores))]


def _score(head: Head, problem: Problem) -> float:
    right = head.logits(problem.val_features).argmax(axis=1) == problem.val_classes
    if problem.choose_by == "accuracy":
        return float(right.mean())
    return float(balanced_accuracy(right, problem.val_classes)[0])


@dataclass(frozen=True)
class Method:
    """A way to make a classifier.

    Attributes:
        name: In configurations and tables.
        reads_text: Whether it needs embeddings of the class names.
        reads_photographs: Whether it needs training photographs.
        fit: Makes the classifier.
    """

    name: str
    reads_text: bool
    reads_photographs: bool
    fit: Callable[[Problem], Fitted]
