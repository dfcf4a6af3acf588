"""Agreement on ordinal grades: quadratic-weighted kappa over a scale of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retizero.evaluation.answers import Answers
from retizero.evaluation.metrics import mean

Floats = NDArray[np.floating[Any]]

SCALES: dict[str, tuple[str, ...]] = {
    # International Clinical Diabetic Retinopathy severity scale (Wilkinson et al. 2003), from none up.
    "diabetic_retinopathy": (
        "no-apparent-diabetic-retinopathy",
        "mild-nonproliferative-diabetic-retinopathy",
        "moderate-nonproliferative-diabetic-retinopathy",
        "severe-nonproliferative-diabetic-retinopathy",
        "proliferative-diabetic-retinopathy",
    )
}


def quadratic_kappa(
    truth: NDArray[np.integer[Any]], answers: NDArray[np.integer[Any]], weights: Floats | None = None
) -> Floats:
    """Cohen's kappa with quadratic weights (Cohen 1968), also under bootstrap weights.

    With weights ``(i - j)^2`` it is ``1 - E(t - a)^2 / (E t^2 + E a^2 - 2 E t E a)``.

    Args:
        truth: (N,) grade, 0 upwards.
        answers: (N,) grade answered.
        weights: (N, R), how often each image is drawn in each resample.

    Returns:
        (R,), NaN where truth and answers are one and the same constant.

    >>> quadratic_kappa(np.array([0, 1, 2, 2]), np.array([0, 1, 2, 1])).round(6).tolist()
    [0.8]
    """
    t, a = truth.astype(np.float64), answers.astype(np.float64)
    observed = mean((t - a) ** 2, weights)
    expected = mean(t**2, weights) + mean(a**2, weights) - 2 * mean(t, weights) * mean(a, weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(expected > 1e-12, 1 - observed / expected, np.nan))


def graded(
    answers: Answers, scale: Sequence[str]
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Read answers as grades of a scale.

    The truth of an image is the grade that is its primary label, the answer the most probable grade, other
    candidates left aside.

    Returns:
        (N,) whether the image has a grade, and of those images the true and the answered grade, (M,).
    """
    columns = [(grade, answers.ids.index(id)) for grade, id in enumerate(scale) if id in answers.ids]
    grade_of = {column: grade for grade, column in columns}
    has = np.isin(answers.primary, list(grade_of))
    truth = np.array([grade_of[int(column)] for column in answers.primary[has]], np.int64)
    if len(columns) < 2:
        return np.zeros_like(has), truth[:0], truth[:0]
    best = answers.scores[has][:, [column for _, column in columns]].argmax(axis=1)
    return has, truth, np.array([columns[place][0] for place in best], np.int64)
