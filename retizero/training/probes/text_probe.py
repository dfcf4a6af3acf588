"""Linear probes that know the class names: LP++, SS-Text, and text alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from retizero.serving.few_shot import prototypes
from retizero.serving.linear_head import LinearHead
from retizero.training.probes.problem import Fitted, Floats, Problem, best_on_validation

_STEPS = 300
_KEPT_AFTER = (10, 30, 100, 300)  # steps; fewer is more regularised
_ALPHA_EVERY = 10  # steps between changes of the text's weight
_ALPHA_START = 250.0  # times the mean cosine between photographs and texts
_MOMENTUM = 0.9


def fit_zero_shot(problem: Problem) -> Fitted:
    """The class names alone."""
    return Fitted(_head(problem, problem.scale * _texts(problem)), {})


def fit_ss_text(problem: Problem) -> Fitted:
    """SS-Text, nothing to choose: see ``retizero.serving.few_shot``."""
    found = prototypes(problem.features, problem.classes, _texts(problem), len(problem.labels), problem.scale)
    return Fitted(_head(problem, problem.scale * found), {})


def fit_simple_shot(problem: Problem) -> Fitted:
    """Mean photograph of each class, features centred (SimpleShot, Wang et al. 2019); no text is read."""
    center = problem.features.mean(axis=0)
    moved = problem.features - center
    unit = moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-12)
    found = prototypes(unit, problem.classes, None, len(problem.labels), 1.0)
    length = max(float(np.linalg.norm(moved, axis=1).mean()), 1e-12)
    weights = problem.scale * found / length
    return Fitted(_head(problem, weights, -weights @ center), {})


def fit_lp_plus_plus(problem: Problem) -> Fitted:
    """LP++ (Huang et al., CVPR 2024): ``f . (w_k + alpha_k t_k) + b_k``, steps sized by the data.

    Full-batch gradient descent with momentum on the cross entropy; ``w`` starts at the class sums,
    ``alpha`` at 250 times the mean cosine of class means and texts; the step of ``w`` is
    ``4 N / lambda_max(F'F)``, that of ``alpha`` ``N / (4 max_k sum_i (f_i . t_k)^2)`` every tenth step. How
    many steps is chosen on validation.
    """

    def tried() -> Iterator[Fitted]:
        for steps, weights, bias in _descent(problem):
            yield Fitted(_head(problem, weights, bias), {"steps": steps})

    return best_on_validation(problem, tried(), len(_KEPT_AFTER) - 1)


def _descent(problem: Problem) -> Iterator[tuple[int, Floats, Floats]]:
    features, member, texts = problem.features, problem.members, _texts(problem)
    number = len(features)
    spoken = features @ texts.T
    weights = member.T @ features
    bias = np.zeros(len(texts))
    means = member.T @ spoken / np.maximum(member.sum(axis=0), 1)[:, None]
    alpha = np.full(len(texts), _ALPHA_START * means.mean())
    gram = features.T @ features if number > features.shape[1] else features @ features.T
    step = 4 * number / float(np.linalg.eigvalsh(gram)[-1])
    alpha_step = number / (4 * float((spoken**2).sum(axis=0).max()))
    moving, moving_bias = np.zeros_like(weights), np.zeros_like(bias)
    alpha_gradient = np.zeros_like(alpha)
    for done in range(1, _STEPS + 1):
        error = (_softmax(features @ weights.T + alpha * spoken + bias) - member) / number
        moving = _MOMENTUM * moving + error.T @ features
        moving_bias = _MOMENTUM * moving_bias + error.sum(axis=0)
        alpha_gradient += (error * spoken).sum(axis=0)
        weights, bias = weights - step * moving, bias - step * moving_bias
        if done % _ALPHA_EVERY == 0:
            alpha, alpha_gradient = alpha - alpha_step * alpha_gradient, np.zeros_like(alpha)
        if done in _KEPT_AFTER:
            yield done, weights + alpha[:, None] * texts, bias.copy()


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _head(problem: Problem, weights: Floats, bias: NDArray[np.float64] | None = None) -> LinearHead:
    offsets = np.zeros(len(weights)) if bias is None else bias
    return LinearHead(problem.labels.ids, problem.labels.names, np.asarray(weights), offsets)


def _texts(problem: Problem) -> Floats:
    if problem.texts is None:
        raise ValueError("This probe needs embeddings of the class names.")
    return problem.texts
