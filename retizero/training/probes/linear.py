"""Linear probe: logistic regression on standardised features (scikit-learn)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from retizero.serving.linear_head import LinearHead
from retizero.training.probes.problem import Fitted, Problem, best_on_validation

STRENGTHS = (0.001, 0.01, 0.1)  # C, the inverse of the penalty; the strongest first
DEFAULT = 1
_ITERATIONS = 100
_NEVER = -50.0  # bias of a class without a photograph


def fit_linear_probe(problem: Problem) -> Fitted:
    """Fit for each strength and weighting of classes, and take the best on validation photographs."""

    def tried() -> Iterator[Fitted]:
        for strength in STRENGTHS:
            for weighting in (None, "balanced"):
                head = logistic_regression(problem, strength, weighting)
                yield Fitted(head, {"C": strength, "class_weight": weighting or "none"})

    return best_on_validation(problem, tried(), 2 * DEFAULT)


def logistic_regression(problem: Problem, strength: float, weighting: str | None = None) -> LinearHead:
    """Fit multinomial logistic regression; the standardisation is folded into the weights."""
    scaler = StandardScaler().fit(problem.features)
    model = LogisticRegression(C=strength, class_weight=weighting, max_iter=_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopping early only keeps the weights smaller
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)  # few shots of many
        model.fit(scaler.transform(problem.features), problem.classes)
    count = len(problem.labels)
    weights, bias = np.zeros((count, problem.features.shape[1])), np.full(count, _NEVER)
    coefficients, intercept = model.coef_, model.intercept_
    if len(model.classes_) == 2:  # scikit-learn keeps one row for two classes: the difference
        coefficients, intercept = np.vstack([-model.coef_, model.coef_]) / 2, np.r_[-intercept, intercept] / 2
    scaled = coefficients / scaler.scale_
    weights[model.classes_] = scaled
    bias[model.classes_] = intercept - scaled @ scaler.mean_
    return LinearHead(problem.labels.ids, problem.labels.names, weights, bias)
