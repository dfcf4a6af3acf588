"""Evaluation: metrics, intervals over groups, and the zero-shot and retrieval protocols."""

from retizero.evaluation.bootstrap import GroupBootstrap, estimate
from retizero.evaluation.errors import EvaluationError
from retizero.evaluation.retrieval import evaluate_retrieval
from retizero.evaluation.zero_shot import ZeroShotEngine, evaluate_zero_shot

__all__ = [
    "EvaluationError",
    "GroupBootstrap",
    "ZeroShotEngine",
    "estimate",
    "evaluate_retrieval",
    "evaluate_zero_shot",
]
