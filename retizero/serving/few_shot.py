"""Classifiers from a handful of labelled photographs, in closed form: no training, milliseconds.

SS-Text (Silva-Rodriguez et al., "Few-Shot, Now for Real", MICCAI 2025, arXiv 2506.17500): the weight of a
class is its text embedding plus its photographs, which count the more the more of them there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
_LEAST_PRIOR = 1e-3  # of the text's weight, as in the authors' code


def prototypes(
    vectors: Floats, classes: NDArray[np.integer[Any]], texts: Floats | None, count: int, scale: float
) -> NDArray[np.float64]:
    """Prototype of each class, (K, D) float64, unit norm.

    Minimises ``-(1/N) sum_i s <f_i, w_{y_i}> + sum_k (lambda_k / 2) |w_k - t_k|^2`` with
    ``lambda_k = 1 / n_k``, so ``w_k = t_k + (n_k s / N) sum_{i in k} f_i``, then scaled to unit norm. Without
    texts it is the mean photograph of each class (SimpleShot, Wang et al. 2019).

    Args:
        vectors: (N, D) embeddings of the photographs, unit norm.
        classes: (N,) class of each, 0 to K - 1.
        texts: (K, D) embeddings of the class names, unit norm; None to use photographs alone.
        count: K.
        scale: s, what the model multiplies cosines by; the inverse of its temperature.

    A class without photographs keeps its text; without a text either its prototype is zero.
    """
    member = np.eye(count)[np.asarray(classes, np.int64)]
    photographs = member.T @ np.asarray(vectors, np.float64)
    if texts is None:
        found = photographs
    else:
        counted = member.sum(axis=0)
        prior = np.maximum(1 / np.maximum(counted, 1), _LEAST_PRIOR)
        weight = scale / (max(1, len(classes)) * prior)
        found = np.asarray(texts, np.float64) + weight[:, None] * photographs
    length = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.where(length > 0, length, 1))


def left_out_answers(
    vectors: Floats, classes: NDArray[np.integer[Any]], texts: Floats | None, count: int, scale: float
) -> NDArray[np.int64]:
    """What each photograph is called by the classifier made of the others, (N,) class, -1 where none can.

    Args: as of ``prototypes``.
    """
    answers = np.full(len(classes), -1, np.int64)
    for index in range(len(classes)):
        rest = np.arange(len(classes)) != index
        made = prototypes(vectors[rest], classes[rest], texts, count, scale)
        possible = np.linalg.norm(made, axis=1) > 0
        if possible.any():
            scores = np.where(possible, made @ np.asarray(vectors[index], np.float64), -np.inf)
            answers[index] = int(scores.argmax())
    return answers
