"""Classifiers from a handful of labelled photographs, in closed form: no training, milliseconds.

SS-Text (Silva-Rodriguez et al., "Few-Shot, Now for Real", MICCAI 2025, arXiv 2506.17500): the weight of a
class is its text embedding plus its photographs, which count the more the more of them there are.

The paper has as many photographs of every class. Where the numbers differ, its formula lets the classes with
more photographs win everywhere: their weights are nearly all photograph, and any photograph lies nearer to
others than to a text. Two deviations keep the classes comparable; with equal numbers nothing changes.
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
    """Prototype of each class, (K, D) float64, of unit norm where the classes have equal numbers.

    The paper minimises ``-(1/N) sum_i s <f_i, w_{y_i}> + sum_k (lambda_k / 2) |w_k - t_k|^2`` with
    ``lambda_k = 1 / n_k`` and scales ``w_k`` to unit norm. Here, first, every class counts by its mean
    photograph ``m_k`` and has the same ``lambda = K / N``, so ``w_k = t_k + (s N / K^2) m_k``. Second, the
    norm is what ``_fair_norms`` says, since a mean of more photographs is shorter and unit norm would
    favour it. Classes without photographs are not counted in K and N.

    Without texts it is the mean photograph of each class (SimpleShot, Wang et al. 2019), of unit norm.

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
    numbers = member.sum(axis=0)
    if texts is None or not len(classes):
        return _unit(photographs if texts is None else np.asarray(texts, np.float64))
    spoken = np.asarray(texts, np.float64)
    shown = np.count_nonzero(numbers)
    weight = scale / (shown * max(shown / len(classes), _LEAST_PRIOR))
    found = spoken + weight * photographs / np.maximum(numbers, 1)[:, None]
    return _unit(found) * _fair_norms(photographs, numbers, spoken, weight)[:, None]


def _fair_norms(
    photographs: NDArray[np.float64],
    numbers: NDArray[np.float64],
    texts: NDArray[np.float64],
    weight: float,
) -> NDArray[np.float64]:
    """Norms that classes must have so that none is favoured for its number of photographs, (K,).

    Two photographs of a class have the cosine ``r`` and one has ``q`` with its text, both averaged over all
    classes. The squared norm of ``t_k + a m_k`` is then expected to be
    ``1 + 2 a q + a^2 (r + (1 - r) / n_k)``, while its product with another photograph of its class does not
    depend on ``n_k``. The norms returned are in these proportions, 1 in the geometric mean, and 1 for a class
    without photographs.
    """
    pairs = (numbers * (numbers - 1)).sum()
    alike = ((photographs**2).sum() - numbers.sum()) / pairs if pairs else 1.0
    alike = np.clip(alike, 0, 1)
    named = max(0.0, float((photographs * texts).sum() / numbers.sum()))
    spread = alike + (1 - alike) / np.maximum(numbers, 1)
    logarithm = np.log(1 + 2 * weight * named + weight**2 * spread) / 2
    shown = numbers > 0
    return np.where(shown, np.exp(logarithm - logarithm[shown].mean()), 1.0)


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length > 0, length, 1))


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
