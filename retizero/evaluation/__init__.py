"""Evaluation: metrics, intervals over groups, protocols, comparison of results, leakage, reports."""

from retizero.evaluation.answers import read_result
from retizero.evaluation.bootstrap import GroupBootstrap, estimate
from retizero.evaluation.comparison import compare_results
from retizero.evaluation.errors import EvaluationError
from retizero.evaluation.explanation import evaluate_explanations
from retizero.evaluation.leakage import find_leakage
from retizero.evaluation.protocols import (
    RetrievalProtocol,
    ZeroShotProtocol,
    protocol_names,
    retrieval_protocol,
    zero_shot_protocol,
)
from retizero.evaluation.retrieval import evaluate_retrieval
from retizero.evaluation.zero_shot import ZeroShotEngine, evaluate_zero_shot

__all__ = [
    "EvaluationError",
    "GroupBootstrap",
    "RetrievalProtocol",
    "ZeroShotEngine",
    "ZeroShotProtocol",
    "compare_results",
    "estimate",
    "evaluate_explanations",
    "evaluate_retrieval",
    "evaluate_zero_shot",
    "find_leakage",
    "protocol_names",
    "read_result",
    "retrieval_protocol",
    "zero_shot_protocol",
]
